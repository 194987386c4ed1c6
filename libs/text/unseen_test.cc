#include "libs/text/unseen.h"

#include <string>

#include "gtest/gtest.h"
#include "libs/text/utf8.h"

namespace switchyard::text {
namespace {

TEST(StripUnseenTest, KeepsWhatPeopleWrite) {
  for (const char* text : {"", "plain text\n\twith a tab", "Zo\xC3\xAB, \xE6\xBC\xA2\xE5\xAD\x97, \xF0\x9F\x98\x80",
                           "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB", "\xE2\x9C\x88\xEF\xB8\x8F",
                           "\xE2\x9D\xA4\xEF\xB8\x8F\xE2\x80\x8D\xF0\x9F\x94\xA5"}) {
    EXPECT_EQ(StripUnseen(text), text);
  }
}

TEST(StripUnseenTest, TakesControlsAway) {
  EXPECT_EQ(StripUnseen(std::string("a\0b\x1b[31mc\x7f\x08", 11)), "ab[31mc");
  EXPECT_EQ(StripUnseen("a\xC2\x85\xC2\x9B b"), "a b");
}

TEST(StripUnseenTest, TakesWhatHidesOrTurnsTextAway) {
  EXPECT_EQ(StripUnseen("a\xE2\x80\xAE b\xE2\x81\xA6 c\xE2\x80\x8B d\xEF\xBB\xBF e"), "a b c d e");
  // "ignore" in tag characters, and bytes in variation selectors.
  EXPECT_EQ(StripUnseen("x\xF3\xA0\x81\xA9\xF3\xA0\x81\xA7\xF3\xA0\x84\x80y"), "xy");
  EXPECT_EQ(StripUnseen("x\xEF\xB8\x80\xEF\xB8\x83\xCD\x8Fy\xE3\x85\xA4z"), "xyz");
}

TEST(StripUnseenTest, LeavesNoRunOfJoiners) {
  EXPECT_EQ(StripUnseen("a\xE2\x80\x8C\xE2\x80\x8D\xE2\x80\x8C\xEF\xB8\x8F"
                        "b"),
            "a\xE2\x80\x8C"
            "b");
  EXPECT_EQ(StripUnseen("\xE2\x80\x8Dx"), "x") << "joins nothing at the beginning";
  EXPECT_EQ(StripUnseen("a\xE2\x80\x8D\xE2\x80\x8B\xE2\x80\x8D"
                        "b"),
            "a\xE2\x80\x8D"
            "b");
}

TEST(StripUnseenTest, MakesLineEndsAndBytesPlain) {
  EXPECT_EQ(StripUnseen("a\r\nb\rc\r"), "a\nb\nc\n");
  EXPECT_EQ(StripUnseen("a\xff\xc3"), "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(StripUnseenTest, ChangesNothingTheSecondTimeAndIsValid) {
  unsigned state = 1;
  std::string text;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1'103'515'245 + 12'345;
    text += static_cast<char>(state >> 16);
    if (i % 7 == 0) text += "\xE2\x80\x8D";
    if (i % 11 == 0) text += "\xF3\xA0\x81\xA9";
  }
  const std::string once = StripUnseen(text);
  EXPECT_TRUE(IsValidUtf8(once));
  EXPECT_EQ(StripUnseen(once), once);
}

}  // namespace
}  // namespace switchyard::text
