#include "libs/base/secure_bytes.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace switchyard {

void FillSecureBytes(void* out, std::size_t size) {
  auto* at = static_cast<char*>(out);
  while (size > 0) {
    const ssize_t got = getrandom(at, size, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      std::fputs("getrandom failed\n", stderr);
      std::abort();
    }
    at += got;
    size -= static_cast<std::size_t>(got);
  }
}

std::string SecureBytes(std::size_t size) {
  std::string out(size, '\0');
  FillSecureBytes(out.data(), size);
  return out;
}

std::string SecureToken(std::string_view prefix) {
  constexpr char kAlphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr std::size_t kLength = 43;
  std::string out(prefix);
  const std::size_t whole = out.size() + kLength;
  while (out.size() < whole) {
    std::array<std::uint8_t, 64> bytes;
    FillSecureBytes(bytes.data(), bytes.size());
    for (const std::uint8_t byte : bytes) {
      // 248 = 4 * 62: the rest would favour the first characters.
      if (byte < 248 && out.size() < whole) out += kAlphabet[byte % 62];
    }
  }
  return out;
}

bool EqualInConstantTime(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference =
        static_cast<std::uint8_t>(difference | (static_cast<std::uint8_t>(a[i]) ^ static_cast<std::uint8_t>(b[i])));
  }
  return difference == 0;
}

}  // namespace switchyard
