#include "services/executor/external/secret_mask.h"

#include <string>

#include "gtest/gtest.h"

namespace switchyard::executor::external {
namespace {

constexpr const char* kSecret = "plainkey-aabaab";

TEST(SecretMaskTest, EveryCutOfATextIsMasked) {
  const std::string text = std::string("a ") + kSecret + " b " + kSecret + kSecret + " plainkey- c";
  for (std::size_t one = 0; one <= text.size(); ++one) {
    for (std::size_t two = one; two <= text.size(); ++two) {
      SecretMask mask(kSecret);
      std::string shown = mask.Push(LogStream::kOutput, text.substr(0, one), false);
      shown += mask.Push(LogStream::kOutput, text.substr(one, two - one), false);
      shown += mask.Push(LogStream::kOutput, text.substr(two), false);
      shown += mask.Finish(LogStream::kOutput);
      ASSERT_EQ(shown, "a [redacted] b [redacted][redacted] plainkey- c") << one << " " << two;
    }
  }
}

TEST(SecretMaskTest, StreamsAreApart) {
  SecretMask mask(kSecret);
  std::string out = mask.Push(LogStream::kOutput, "plainkey", false);
  const std::string err = mask.Push(LogStream::kError, "-aabaab", false);
  out += mask.Finish(LogStream::kOutput);
  EXPECT_EQ(err, "-aabaab");
  EXPECT_EQ(out, "[redacted]") << "what was cut off by the end may have been its beginning";
}

TEST(SecretMaskTest, HalfOfItAtAGapIsMaskedToo) {
  SecretMask mask(kSecret);
  std::string shown = mask.Push(LogStream::kOutput, "x plainkey-a", false);
  shown += mask.Push(LogStream::kOutput, "key-aabaab y", true);
  shown += mask.Finish(LogStream::kOutput);
  EXPECT_EQ(shown, "x [redacted][redacted] y");
}

TEST(SecretMaskTest, NoSecretAndShortOnesChangeNothing) {
  for (const char* secret : {"", "abc"}) {
    SecretMask mask(secret);
    EXPECT_EQ(mask.Push(LogStream::kOutput, "abc abc", false), "abc abc");
    EXPECT_EQ(mask.Finish(LogStream::kOutput), "");
    EXPECT_EQ(mask.Mask("abc"), "abc");
  }
}

}  // namespace
}  // namespace switchyard::executor::external
