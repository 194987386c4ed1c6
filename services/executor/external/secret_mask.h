#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "services/executor/backend.h"

namespace switchyard::executor::external {

// Takes one known secret out of what a program writes, wherever the text was cut: patterns alone do not know every key.
// Values shorter than kLeast are no secrets and stay. Not thread-safe.
class SecretMask {
 public:
  static constexpr std::size_t kLeast = 6;

  explicit SecretMask(std::string secret);

  // What can be shown of this stream by now. `gap`: something is missing just before `text`.
  std::string Push(LogStream stream, std::string_view text, bool gap);
  // What was kept back of it.
  std::string Finish(LogStream stream);
  // A whole text.
  std::string Mask(std::string_view text) const;

 private:
  const std::string secret_;
  std::array<std::string, 2> held_;
};

}  // namespace switchyard::executor::external
