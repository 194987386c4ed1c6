// What fields of the same kind have in common. Each check adds its faults to the list, with the limit and what was
// given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "google/protobuf/timestamp.pb.h"
#include "services/task_queue/faults.h"

namespace switchyard::task_queue {

inline constexpr std::size_t kKibibyte = 1024;
inline constexpr std::size_t kNameBytes = 100;
inline constexpr std::size_t kIdentityBytes = 200;
inline constexpr std::size_t kPathBytes = 1 * kKibibyte;
inline constexpr std::size_t kLinkBytes = 2 * kKibibyte;
inline constexpr absl::Duration kLongestSpan = absl::Hours(7 * 24);

// Every text of a request: bounded, well-formed UTF-8, no NUL, since neither the database nor a program takes one.
void CheckText(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults);
// And not empty.
void CheckFilledText(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults);
// A text of one line, without control characters.
void CheckLine(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults);
void CheckFilledLine(const FieldPath& path, std::string_view text, std::size_t max_bytes, FaultList& faults);
void CheckBytes(const FieldPath& path, std::string_view bytes, std::size_t max_bytes, FaultList& faults);

// How many of the entries are worth looking at: all, or as many as are allowed.
int CheckCount(const FieldPath& path, int count, int max, FaultList& faults);
// For lists that must not be empty.
int CheckFilledCount(const FieldPath& path, int count, int max, FaultList& faults);
using Texts = google::protobuf::RepeatedPtrField<std::string>;
void CheckLines(const FieldPath& path, const Texts& texts, int max_count, std::size_t max_bytes, FaultList& faults);

void CheckNumber(const FieldPath& path, std::int64_t value, std::int64_t min, std::int64_t max, FaultList& faults);
void CheckNotNegative(const FieldPath& path, std::int64_t value, FaultList& faults);

// Normalised as the Duration message demands, not negative, at most `max`.
void CheckSpan(const FieldPath& path, const google::protobuf::Duration& span, absl::Duration max, FaultList& faults);
// Normalised, within the years 1 to 9999, at most `latest`.
void CheckTime(const FieldPath& path, const google::protobuf::Timestamp& time, absl::Time latest, FaultList& faults);

void CheckId(const FieldPath& path, std::string_view id, FaultList& faults);
void CheckIds(const FieldPath& path, const Texts& ids, int max_count, FaultList& faults);
// Lower-case letters, digits, '-', '_', '.' and '/', at most 100 bytes.
void CheckProject(const FieldPath& path, std::string_view project, FaultList& faults);
// UPPER_SNAKE_CASE, at most 100 bytes.
void CheckReason(const FieldPath& path, std::string_view reason, FaultList& faults);
// Relative, never leading out of the workspace; not empty.
void CheckInnerPath(const FieldPath& path, std::string_view inner, FaultList& faults);
void CheckArgv(const FieldPath& path, const Texts& argv, FaultList& faults);
// A JSON object of bounded depth.
void CheckJsonObject(const FieldPath& path, std::string_view json, std::size_t max_bytes, FaultList& faults);

// An enumerator that this version knows. Zero passes where `zero_means_default`.
template <class Enum>
void CheckEnum(const FieldPath& path, Enum value, bool (*is_valid)(int), bool zero_means_default, FaultList& faults) {
  if (!is_valid(value)) {
    faults.Add(path, "not a value that this server knows, got ", static_cast<int>(value));
  } else if (value == 0 && !zero_means_default) {
    faults.Add(path, "must be set");
  }
}

}  // namespace switchyard::task_queue
