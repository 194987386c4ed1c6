#include "libs/text/terminal.h"

#include "gtest/gtest.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

TEST(EscapeForTerminalTest, LeavesOrdinaryTextAlone) {
  const std::string text = "fix the bug\n\tin gr\xC3\xBC\xC3\x9F \xF0\x9F\x98\x80 \\n";
  EXPECT_EQ(EscapeForTerminal(text), text);
}

TEST(EscapeForTerminalTest, ShowsControlCharacters) {
  EXPECT_EQ(EscapeForTerminal("\x1b[31mred\x1b]0;title\x07\r\x08\x7f"),
            "\\x1b[31mred\\x1b]0;title\\x07\\x0d\\x08\\x7f");
  EXPECT_EQ(EscapeForTerminal(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(EscapeForTerminal("\xC2\x9B"), "\\u{9b}");
}

TEST(EscapeForTerminalTest, ShowsBidirectionalOverridesAndInvisibleCharacters) {
  EXPECT_EQ(EscapeForTerminal("a\xE2\x80\xAE"
                              "b\xE2\x81\xA6"),
            "a\\u{202e}b\\u{2066}");
  EXPECT_EQ(EscapeForTerminal("\xEF\xBB\xBF\xE2\x80\x8B\xF3\xA0\x81\x81"), "\\u{feff}\\u{200b}\\u{e0041}");
}

TEST(EscapeForTerminalTest, ShowsBytesThatAreNotUtf8) { EXPECT_EQ(EscapeForTerminal("a\xFF\xC3"), "a\\xff\\xc3"); }

TEST(EscapeForTerminalTest, OneLineHasNoNewline) { EXPECT_EQ(EscapeForTerminalLine("a\nb\tc"), "a\\nb\\tc"); }

TEST(EscapeForTerminalTest, AnyTwoBytesComeOutPrintable) {
  for (int a = 0; a < 256; ++a) {
    for (int b = 0; b < 256; ++b) {
      const char bytes[] = {static_cast<char>(a), static_cast<char>(b)};
      const std::string shown = EscapeForTerminalLine({bytes, 2});
      ASSERT_TRUE(IsValidUtf8(shown));
      for (const char c : shown) ASSERT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
    }
  }
}

}  // namespace
}  // namespace switchyard::text
