#pragma once

#include <cstdint>
#include <string_view>

namespace switchyard::text {

// How many tokens a text takes, guessed without its model's tokenizer.
struct TokenEstimate {
  // Near the middle, for costs. Half of all texts take more.
  std::int64_t expected = 0;
  // Rarely exceeded, for what must fit. Never below `expected`.
  std::int64_t upper = 0;

  TokenEstimate& operator+=(const TokenEstimate& other) {
    expected += other.expected;
    upper += other.upper;
    return *this;
  }
  friend bool operator==(const TokenEstimate&, const TokenEstimate&) = default;
};

// What a chat adds around each message, and once to the whole.
inline constexpr std::int64_t kTokensPerMessage = 4;
inline constexpr std::int64_t kTokensPerChat = 3;

// Goes by classes of characters: words, digits, punctuation, line ends, other scripts. On public prompts it is some 11
// % off on average. Takes arbitrary bytes, in linear time; zero for an empty text only.
TokenEstimate EstimateTokens(std::string_view text);

}  // namespace switchyard::text
