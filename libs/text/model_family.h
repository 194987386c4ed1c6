#pragma once

#include <string_view>

namespace switchyard::text {

// The family that a model belongs to by its name, as an endpoint or a table says it: "qwen2.5-coder:7b" and
// "Qwen/QwQ-32B" are "qwen", "us.anthropic.claude-sonnet-4" is "claude". Models of one family come of the same makers
// and share their blind spots. Empty: the name tells nothing. Lives for ever.
std::string_view ModelFamily(std::string_view model);

}  // namespace switchyard::text
