#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard::router {

// Whether an endpoint that was asked for `assigned` and says that `reported` answered kept to it: the same name
// whatever the case, with or without ":latest", an alias, with or without the provider before it ("openai/x" is "x"),
// or a dated version ("x-20250929", "x-2025-09-29"). An endpoint that says nothing is believed. Pure.
bool IsSameModel(std::string_view assigned, std::string_view reported, const std::vector<std::string>& aliases);

}  // namespace switchyard::router
