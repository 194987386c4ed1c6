#include "libs/text/glob.h"

#include <string>

#include "gtest/gtest.h"

namespace switchyard::text {
namespace {

TEST(ValidateGlobTest, AcceptsPathPatterns) {
  for (const char* good :
       {"*", "**", "src/**/*.cc", "a?c", "[a-z]x", "[!a-z]x", "x.{cc,h}", "a b", ".github/*", "...",
        "gr\xC3\xBC\xC3\x9F/*", "{a,}b", "docs/[0-9][0-9]-*.md", "[a-]", "{.github,docs}/*", "{.a,b}"}) {
    EXPECT_TRUE(ValidateGlob(good).ok()) << good << ": " << ValidateGlob(good);
  }
}

TEST(ValidateGlobTest, RefusesWhatCouldLeaveTheFolder) {
  for (const char* bad : {"/etc/*", "../x", "a/../b", "..", ".", "./a", "a/.", "{.,x}.", ".{.,x}", "{..,x}",
                          "{.,}{.,x}", "{a,}", "a/{,b}/c", "{.,..}/x"}) {
    EXPECT_EQ(ValidateGlob(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ValidateGlobTest, RefusesMalformedPatterns) {
  for (const char* bad : {"",
                          "a//b",
                          "a/",
                          "a**",
                          "**b",
                          "[",
                          "[]",
                          "[]]",
                          "[!]",
                          "[z-a]",
                          "[a/b]",
                          "]",
                          "{",
                          "}",
                          "{}",
                          "{a,{b,c}}",
                          "{a/b,c}",
                          "{,[}]}",
                          "a\\*",
                          "a\nb",
                          "a\x7f",
                          "\xFF",
                          "[\xC3\xA0-\xC3\xBC]"}) {
    EXPECT_EQ(ValidateGlob(bad).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
  EXPECT_FALSE(ValidateGlob(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(ValidateGlob(std::string(1025, 'a')).ok());
  EXPECT_FALSE(ValidateGlob("{" + std::string(100, ',') + "}").ok());
}

TEST(ValidateGlobTest, SaysWhere) {
  EXPECT_EQ(ValidateGlob("ab/../c").message(), "pattern: a segment \".\" or \"..\" at byte 3");
}

}  // namespace
}  // namespace switchyard::text
