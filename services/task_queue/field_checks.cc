#include "services/task_queue/field_checks.h"

#include <algorithm>
#include <cstring>

#include "libs/base/id.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "services/task_queue/json_object.h"
#include "services/task_queue/proto_time.h"

namespace switchyard::task_queue {
namespace {

constexpr int kMaxArguments = 256;
constexpr std::size_t kMaxArgumentBytes = 32 * kKibibyte;
constexpr std::uint64_t kHighBits = 0x8080808080808080;

bool IsAscii(std::string_view text) {
  std::uint64_t seen = 0;
  while (text.size() >= sizeof(seen)) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), sizeof(word));
    seen |= word;
    text.remove_prefix(sizeof(word));
  }
  for (const char c : text) seen |= static_cast<unsigned char>(c);
  return (seen & kHighBits) == 0;
}

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

// Whether the text can be looked at further.
bool CheckSize(const FieldPath& path, std::size_t size, std::size_t max_bytes, FaultList& faults) {
  if (size <= max_bytes) return true;
  faults.Add(path, "at most ", max_bytes, " bytes, got ", size);
  return false;
}

bool CheckFilled(const FieldPath& path, std::string_view text, FaultList& faults) {
  if (!text.empty()) return true;
  faults.Add(path, "must not be empty");
  return false;
}

bool LeavesItsFolder(std::string_view inner) {
  while (!inner.empty()) {
    const std::size_t end = std::min(inner.find('/'), inner.size());
    if (inner.substr(0, end) == "..") return true;
    inner.remove_prefix(std::min(end + 1, inner.size()));
  }
  return false;
}

}  // namespace

void CheckText(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults) {
  if (text.empty() || !CheckSize(path, text.size(), max_bytes, faults)) return;
  if (const void* nul = std::memchr(text.data(), '\0', text.size())) {
    faults.Add(path, "must not hold a NUL byte, got one at byte ", static_cast<const char*>(nul) - text.data());
  }
  if (!IsAscii(text) && !text::IsValidUtf8(text)) faults.Add(path, "must be valid UTF-8");
}

void CheckFilledText(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults) {
  if (CheckFilled(path, text, faults)) CheckText(path, text, max_bytes, faults);
}

void CheckLine(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults) {
  if (text.empty() || !CheckSize(path, text.size(), max_bytes, faults)) return;
  const auto control = std::find_if(text.begin(), text.end(), IsControl);
  if (control != text.end()) {
    faults.Add(path, "must be one line without control characters, got one at byte ", control - text.begin());
  }
  if (!IsAscii(text) && !text::IsValidUtf8(text)) faults.Add(path, "must be valid UTF-8");
}

void CheckFilledLine(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults) {
  if (CheckFilled(path, text, faults)) CheckLine(path, text, max_bytes, faults);
}

void CheckBytes(const FieldPath& path, std::string_view bytes, std::size_t max_bytes, FaultList& faults) {
  CheckSize(path, bytes.size(), max_bytes, faults);
}

int CheckCount(const FieldPath& path, int count, int max, FaultList& faults) {
  if (count <= max) return count;
  faults.Add(path, "at most ", max, " entries, got ", count);
  return max;
}

int CheckFilledCount(const FieldPath& path, int count, int max, FaultList& faults) {
  if (count == 0) faults.Add(path, "1 to ", max, " entries, got none");
  return CheckCount(path, count, max, faults);
}

void CheckLines(const FieldPath& path, const Texts& texts, int max_count, std::size_t max_bytes, FaultList& faults) {
  const int count = CheckCount(path, texts.size(), max_count, faults);
  for (int i = 0; i < count; ++i) CheckFilledLine(path.At(i), texts.Get(i), max_bytes, faults);
}

void CheckNumber(const FieldPath& path, std::int64_t value, std::int64_t min, std::int64_t max, FaultList& faults) {
  if (value < min || value > max) faults.Add(path, min, " to ", max, ", got ", value);
}

void CheckNotNegative(const FieldPath& path, std::int64_t value, FaultList& faults) {
  if (value < 0) faults.Add(path, "must not be negative, got ", value);
}

void CheckSpan(const FieldPath& path, const google::protobuf::Duration& span, absl::Duration max, FaultList& faults) {
  if (!IsNormalised(span)) {
    faults.Add(path, "not a valid duration: seconds ", span.seconds(), ", nanos ", span.nanos());
  } else if (span.seconds() < 0 || span.nanos() < 0) {
    faults.Add(path, "must not be negative, got ", absl::FormatDuration(ToDuration(span)));
  } else if (ToDuration(span) > max) {
    faults.Add(path, "at most ", absl::FormatDuration(max), ", got ", absl::FormatDuration(ToDuration(span)));
  }
}

void CheckTime(const FieldPath& path, const google::protobuf::Timestamp& time, absl::Time latest, FaultList& faults) {
  if (!IsNormalised(time)) {
    faults.Add(path, "not a valid time within the years 1 to 9999: seconds ", time.seconds(), ", nanos ", time.nanos());
  } else if (ToTime(time) > latest) {
    faults.Add(path, "at most ", absl::FormatTime(latest, absl::UTCTimeZone()), ", got ",
               absl::FormatTime(ToTime(time), absl::UTCTimeZone()));
  }
}

void CheckId(const FieldPath& path, std::string_view id, FaultList& faults) {
  if (id.empty()) {
    faults.Add(path, "must be set");
  } else if (!Uuid::Parse(id).ok()) {
    faults.Add(path, "must be a UUID of 36 characters, got ", id.size(), " bytes that are none");
  }
}

void CheckIds(const FieldPath& path, const Texts& ids, int max_count, FaultList& faults) {
  const int count = CheckCount(path, ids.size(), max_count, faults);
  for (int i = 0; i < count; ++i) CheckId(path.At(i), ids.Get(i), faults);
}

void CheckProject(const FieldPath& path, std::string_view project, FaultList& faults) {
  if (!CheckSize(path, project.size(), kNameBytes, faults)) return;
  for (std::size_t i = 0; i < project.size(); ++i) {
    const char c = project[i];
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == '/') continue;
    faults.Add(path, "only lower-case letters, digits, '-', '_', '.' and '/', got something else at byte ", i);
    return;
  }
}

void CheckReason(const FieldPath& path, std::string_view reason, FaultList& faults) {
  if (!CheckFilled(path, reason, faults) || !CheckSize(path, reason.size(), kNameBytes, faults)) return;
  const bool good = reason[0] >= 'A' && reason[0] <= 'Z' && std::all_of(reason.begin(), reason.end(), [](char c) {
                      return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
                    });
  if (!good) faults.Add(path, "must be UPPER_SNAKE_CASE");
}

void CheckInnerPath(const FieldPath& path, std::string_view inner, FaultList& faults) {
  CheckFilledLine(path, inner, kPathBytes, faults);
  if (inner.empty() || inner.size() > kPathBytes) return;
  if (inner[0] == '/') {
    faults.Add(path, "must be relative to the workspace, got an absolute path");
  } else if (LeavesItsFolder(inner)) {
    faults.Add(path, "must stay within the workspace, got a path with \"..\"");
  }
}

void CheckArgv(const FieldPath& path, const Texts& argv, FaultList& faults) {
  const int count = CheckFilledCount(path, argv.size(), kMaxArguments, faults);
  if (count > 0 && argv.Get(0).empty()) faults.Add(path.At(0), "must name a program, got nothing");
  for (int i = 0; i < count; ++i) CheckText(path.At(i), argv.Get(i), kMaxArgumentBytes, faults);
}

void CheckJsonObject(const FieldPath& path, std::string_view json, std::size_t max_bytes, FaultList& faults) {
  if (!CheckSize(path, json.size(), max_bytes, faults)) return;
  const std::string wrong = WhatIsWrongWithJsonObject(json);
  if (!wrong.empty()) faults.Add(path, "must be a JSON object: ", wrong);
}

}  // namespace switchyard::task_queue
