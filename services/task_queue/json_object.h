#pragma once

#include <string>
#include <string_view>

namespace switchyard::task_queue {

// How deep objects and arrays may stand in each other.
inline constexpr int kMaxJsonDepth = 64;

// Empty for a well-formed JSON object; otherwise a few words for people, without the text itself. NUL characters are
// refused too, also escaped ones.
std::string WhatIsWrongWithJsonObject(std::string_view json);

}  // namespace switchyard::task_queue
