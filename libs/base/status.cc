#include "libs/base/status.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_text.h"
#include "libs/base/strings.h"

namespace switchyard {
namespace {

constexpr std::string_view kPayload = "switchyard/error-details";
constexpr std::size_t kShownViolations = 5;

void PutNumber(std::uint64_t value, std::string& out) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out.append(bytes, sizeof(bytes));
}

void PutText(std::string_view text, std::string& out) {
  PutNumber(text.size(), out);
  out.append(text);
}

std::string Encode(const ErrorDetails& details) {
  std::string out;
  PutText(details.reason, out);
  PutNumber(static_cast<std::uint64_t>(absl::ToInt64Nanoseconds(details.retry_after)), out);
  PutNumber(details.metadata.size(), out);
  for (const auto& [key, value] : details.metadata) {
    PutText(key, out);
    PutText(value, out);
  }
  PutNumber(details.violations.size(), out);
  for (const FieldViolation& violation : details.violations) {
    PutText(violation.field, out);
    PutText(violation.description, out);
  }
  return out;
}

// Only Encode() above writes what this reads, in the same process.
class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : bytes_(bytes) {}

  std::uint64_t Number() {
    std::uint64_t value = 0;
    if (bytes_.size() >= sizeof(value)) {
      std::memcpy(&value, bytes_.data(), sizeof(value));
      bytes_.remove_prefix(sizeof(value));
    } else {
      bytes_ = {};
    }
    return value;
  }
  std::string Text() {
    const std::size_t size = std::min<std::size_t>(Number(), bytes_.size());
    std::string text(bytes_.substr(0, size));
    bytes_.remove_prefix(size);
    return text;
  }
  bool done() const { return bytes_.empty(); }

 private:
  std::string_view bytes_;
};

std::optional<std::string> PayloadOf(const absl::Status& status) {
  if (status.ok()) return std::nullopt;
  const auto payload = status.GetPayload(ToAbsl(kPayload));
  if (!payload.has_value()) return std::nullopt;
  return std::string(*payload);
}

}  // namespace

absl::Status MakeError(absl::StatusCode code, std::string_view message, ErrorDetails details) {
  // An error that says OK is a slip of its maker, and must not pass as success.
  if (code == absl::StatusCode::kOk) code = absl::StatusCode::kInternal;
  absl::Status status(code, ToAbsl(message));
  status.SetPayload(ToAbsl(kPayload), absl::Cord(Encode(details)));
  return status;
}

absl::Status MakeError(absl::StatusCode code, std::string_view reason, std::string_view message) {
  return MakeError(code, message,
                   ErrorDetails{.reason = std::string(reason), .metadata = {}, .violations = {}, .retry_after = {}});
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const std::optional<std::string> payload = PayloadOf(status);
  if (!payload.has_value()) return details;
  Decoder decoder(*payload);
  details.reason = decoder.Text();
  details.retry_after = absl::Nanoseconds(static_cast<std::int64_t>(decoder.Number()));
  for (std::uint64_t left = decoder.Number(); left > 0 && !decoder.done(); --left) {
    std::string key = decoder.Text();
    details.metadata.emplace_back(std::move(key), decoder.Text());
  }
  for (std::uint64_t left = decoder.Number(); left > 0 && !decoder.done(); --left) {
    std::string field = decoder.Text();
    details.violations.push_back({.field = std::move(field), .description = decoder.Text()});
  }
  return details;
}

std::string ReasonOf(const absl::Status& status) {
  const std::optional<std::string> payload = PayloadOf(status);
  return payload.has_value() ? Decoder(*payload).Text() : "";
}

std::string ToText(const absl::Status& status) {
  if (status.ok()) return "OK";
  const std::string reason = ReasonOf(status);
  return absl::StrCat(absl::StatusCodeToString(status.code()), reason.empty() ? "" : " ", reason, ": ",
                      status.message());
}

absl::Status InvalidFields(std::vector<FieldViolation> violations) {
  std::string message;
  for (std::size_t i = 0; i < std::min(violations.size(), kShownViolations); ++i) {
    absl::StrAppend(&message, i == 0 ? "" : "; ", violations[i].field, ": ", violations[i].description);
  }
  if (violations.size() > kShownViolations) {
    absl::StrAppend(&message, "; and ", violations.size() - kShownViolations, " more");
  }
  return MakeError(
      absl::StatusCode::kInvalidArgument, message,
      ErrorDetails{.reason = "INVALID_FIELD", .metadata = {}, .violations = std::move(violations), .retry_after = {}});
}

absl::Status Annotate(const absl::Status& status, std::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(ToAbsl(prefix), ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { annotated.SetPayload(type, payload); });
  return annotated;
}

}  // namespace switchyard
