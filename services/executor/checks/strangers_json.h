// JSON of strangers: read without recursion, in bounded depth and size.
#pragma once

#include <cstddef>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace switchyard::executor::checks {

using Json = nlohmann::json;

// What JSON could be read from a text.
struct ParsedJson {
  Json json;
  std::size_t values = 0;
};
// INVALID_ARGUMENT with where it is wrong when it is not JSON; RESOURCE_EXHAUSTED beyond 256 levels or two million
// values.
absl::StatusOr<ParsedJson> ParseStrangersJson(std::string_view text);

}  // namespace switchyard::executor::checks
