// Randomness for secrets, straight from the operating system. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace switchyard {

// Stops the process when the system has no randomness to give.
void FillSecureBytes(void* out, std::size_t size);
std::string SecureBytes(std::size_t size);

// `prefix` and 43 characters of [0-9A-Za-z]: 256 bits that nobody can guess, safe in URLs, headers and shells.
std::string SecureToken(std::string_view prefix);

// Takes the same time wherever the two differ, so that a guess learns nothing; lengths are not hidden.
bool EqualInConstantTime(std::string_view a, std::string_view b);

}  // namespace switchyard
