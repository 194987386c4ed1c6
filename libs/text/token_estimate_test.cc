#include "libs/text/token_estimate.h"

#include <string>

#include "gtest/gtest.h"

namespace switchyard::text {
namespace {

std::string Repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(TokenEstimateTest, IsZeroOnlyForNothing) {
  EXPECT_EQ(EstimateTokens(""), (TokenEstimate{0, 0}));
  for (const char* text : {" ", "\n", "a", "\xff", "."}) {
    EXPECT_GE(EstimateTokens(text).expected, 1) << text;
    EXPECT_GE(EstimateTokens(text).upper, 1) << text;
  }
}

TEST(TokenEstimateTest, CountsProseAtAboutFourCharactersPerToken) {
  const std::string prose = Repeat("The agent reads the file and then writes what it has found into the report. ", 100);
  const double characters = static_cast<double>(prose.size()) / static_cast<double>(EstimateTokens(prose).expected);
  EXPECT_GT(characters, 3.5);
  EXPECT_LT(characters, 5.0);
}

TEST(TokenEstimateTest, CountsCodeAndNotationDenserThanProse) {
  const std::string code = Repeat("for (int i = 0; i < n; ++i) { sum += a[i] * b[i]; }\n", 50);
  const double per_token = static_cast<double>(code.size()) / static_cast<double>(EstimateTokens(code).expected);
  EXPECT_LT(per_token, 3.0);
  const std::string chess = Repeat("rnbqkbnr/pppppppp/8/8/4P3/8/PPPP1PPP/RNBQKBNR b KQkq e3 0 1\n", 50);
  EXPECT_LT(static_cast<double>(chess.size()) / static_cast<double>(EstimateTokens(chess).upper), 2.5);
}

TEST(TokenEstimateTest, KeepsTheUpperBoundAboveAThirdOfTheBytes) {
  for (const std::string& text : {Repeat(" ", 3'000), Repeat("\n", 3'000), Repeat("a", 3'000), Repeat("7", 3'000)}) {
    EXPECT_GE(EstimateTokens(text).upper, 1'000) << text.substr(0, 1);
  }
}

TEST(TokenEstimateTest, ReadsLongWordsDigitsAndHumpsInPieces) {
  EXPECT_EQ(EstimateTokens("word").expected, 2) << "1.1, rounded up";
  EXPECT_GT(EstimateTokens("internationalization").expected, EstimateTokens("nation").expected * 2);
  EXPECT_GT(EstimateTokens("aBcDeFgH").expected, EstimateTokens("abcdefgh").expected);
  EXPECT_EQ(EstimateTokens(Repeat("123", 100)).expected, 110);
}

TEST(TokenEstimateTest, CountsOtherScriptsByCharacterAndEmojiForMore) {
  const TokenEstimate chinese = EstimateTokens(Repeat("\xe6\xbc\xa2", 1'000));
  EXPECT_GE(chinese.expected, 900);
  EXPECT_LE(chinese.expected, 1'100);
  EXPECT_GE(EstimateTokens(Repeat("\xf0\x9f\x98\x80", 1'000)).upper, 3'000);
}

TEST(TokenEstimateTest, TakesAnyBytesAndGrowsWithTheText) {
  std::string text;
  std::int64_t last = 0;
  for (int i = 0; i < 2'000; ++i) {
    text += static_cast<char>(i * 37 % 256);
    const TokenEstimate estimate = EstimateTokens(text);
    EXPECT_GE(estimate.upper, estimate.expected);
    if (i % 100 == 99) {
      EXPECT_GT(estimate.upper, last);
      last = estimate.upper;
    }
  }
}

TEST(TokenEstimateTest, AddsUp) {
  TokenEstimate sum{1, 2};
  sum += TokenEstimate{3, 4};
  EXPECT_EQ(sum, (TokenEstimate{4, 6}));
}

}  // namespace
}  // namespace switchyard::text
