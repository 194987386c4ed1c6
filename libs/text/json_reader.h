// Reading JSON of strangers: whatever it holds, nothing here throws or recurses deeply.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace switchyard::text {

using Json = nlohmann::json;

inline constexpr int kMaxJsonDepth = 64;

// Nothing when it is not JSON, or nests deeper than kMaxJsonDepth.
std::optional<Json> ParseJson(std::string_view text);
// Invalid UTF-8 is replaced.
std::string DumpJson(const Json& json);

// Of what is no object, or lacks it: null.
const Json& Member(const Json& json, const char* name);
// "" when it is no string.
const std::string& TextOf(const Json& json);
// Nothing when it is no number, negative, or beyond all reason.
std::optional<std::int64_t> CountOf(const Json& json);
bool IsTrue(const Json& json);

// Whether the text is a JSON object, as the arguments of a tool have to be.
bool IsJsonObject(std::string_view text);

}  // namespace switchyard::text
