#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::executor::loop {

struct CauseLimits {
  // Of the result, marks of what was left out included.
  std::size_t bytes = 4 * 1024;
  std::size_t lines = 50;
  // Around each line that names an error.
  std::size_t context = 3;
};

// What of a program's output says why it failed: its first errors with the lines around them, or without any that is
// known (compilers, make, ninja, CMake, pytest, Python, go, cargo, node, jest, TAP, GoogleTest; else words such as
// "error") its head and tail. Consequences ("make: *** Error 1") count only when nothing tells their cause. Marks say
// how many lines are missing where. Takes arbitrary bytes, gives well-formed UTF-8 without terminal colours; linear
// time.
std::string RootCause(std::string_view output, const CauseLimits& limits = {});

// The lines that name errors, as they came, at most 50; empty when none does.
std::vector<std::string> ErrorLines(std::string_view output);

// At most `bytes` of head and tail, cut at line ends where there are some, with a mark in between.
std::string HeadAndTail(std::string_view text, std::size_t bytes);

}  // namespace switchyard::executor::loop
