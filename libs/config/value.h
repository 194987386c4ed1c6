// Values as users write them. Times know days ("30d", "1h30m"), sizes powers of two ("4MiB") and of ten ("4MB").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/config/schema.h"

namespace google::protobuf {
class Message;
}  // namespace google::protobuf

namespace switchyard::config {

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
std::string DurationText(absl::Duration duration);
absl::StatusOr<std::uint64_t> ParseBytes(std::string_view text);
std::string FormatBytes(std::uint64_t bytes);
// OK for "", "env:NAME" and "file:PATH". The message never repeats what was given: it may be the secret.
absl::Status CheckSecretRef(std::string_view text);

// An enum value is held as its number.
struct EnumNumber {
  int number = 0;
};
using Value = std::variant<bool, std::int64_t, std::uint64_t, double, std::string, absl::Duration, EnumNumber>;

// One value, or one item of a list, checked against its type, kind and bounds.
absl::StatusOr<Value> ParseValue(const Option& option, std::string_view text);
// What ParseValue reads back as the same.
std::string FormatValue(const Option& option, const Value& value);
// True when FormatValue's text wants quotes in YAML.
bool IsText(const Option& option);

// `values` holds one unless the option is a list.
void SetValues(google::protobuf::Message& root, const Option& option, const std::vector<Value>& values);
std::vector<Value> GetValues(const google::protobuf::Message& root, const Option& option);

}  // namespace switchyard::config
