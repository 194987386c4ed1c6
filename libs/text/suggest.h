#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace switchyard::text {

// Edits (insert, delete, replace, swap of neighbours) between the two, in bytes; `limit + 1` when there are more.
std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t limit);

// The candidate that `name` is most likely a slip of, ignoring case; "" when none is near enough. Ties go to the
// earlier.
std::string DidYouMean(std::string_view name, std::span<const std::string_view> candidates);
std::string DidYouMean(std::string_view name, std::span<const std::string> candidates);

}  // namespace switchyard::text
