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

TEST(MatchesGlobTest, MatchesWholePaths) {
  struct Case {
    const char* pattern;
    const char* path;
    bool matches;
  };
  for (const Case& c : std::initializer_list<Case>{{"a.cc", "a.cc", true},
                                                   {"a.cc", "b/a.cc", false},
                                                   {"*.cc", "a.cc", true},
                                                   {"*.cc", ".cc", true},
                                                   {"*.cc", "a/b.cc", false},
                                                   {"*", ".hidden", true},
                                                   {"**", "a", true},
                                                   {"**", "a/b/c", true},
                                                   {"**/*.cc", "a.cc", true},
                                                   {"**/*.cc", "x/y/a.cc", true},
                                                   {"**/*.cc", "x/y/a.h", false},
                                                   {"src/**", "src/a", true},
                                                   {"src/**", "src/a/b", true},
                                                   {"src/**", "src", false},
                                                   {"src/**", "src/", false},
                                                   {"src/**", "srcx/a", false},
                                                   {"src/**/t.py", "src/t.py", true},
                                                   {"src/**/t.py", "src/a/b/t.py", true},
                                                   {"src/**/t.py", "src/at.py", false},
                                                   {"**/a/**/b", "x/a/b", true},
                                                   {"**/a/**/b", "a/y/z/b", true},
                                                   {"**/a/**/b", "xa/b", false},
                                                   {"a?c", "abc", true},
                                                   {"a?c", "a/c", false},
                                                   {"a?c",
                                                    "a\xC3\xBC"
                                                    "c",
                                                    true},
                                                   {"a?c",
                                                    "a\xFF"
                                                    "c",
                                                    true},
                                                   {"a??c",
                                                    "a\xC3\xBC"
                                                    "c",
                                                    false},
                                                   {"[a-c]x", "bx", true},
                                                   {"[a-c]x", "dx", false},
                                                   {"[!a-c]x", "dx", true},
                                                   {"[!a-c]x", "/x", false},
                                                   {"[a-]x", "-x", true},
                                                   {"[\xC3\xBC]", "\xC3\xBC", true},
                                                   {"x.{cc,h}", "x.h", true},
                                                   {"x.{cc,h}", "x.cc", true},
                                                   {"x.{cc,h}", "x.c", false},
                                                   {"{a,b*}.txt", "bcd.txt", true},
                                                   {"{a,}b", "b", true},
                                                   {"{a}b", "ab", true},
                                                   {"{,,a}b", "b", true},
                                                   {"*", "a\nb", true},
                                                   {"*", "", false},
                                                   {"../x", "../x", false}}) {
    EXPECT_EQ(MatchesGlob(c.pattern, c.path), c.matches) << c.pattern << " against " << c.path;
  }
}

TEST(MatchesGlobTest, NoPatternMakesItSlow) {
  std::string pattern;
  while (pattern.size() < 1000) pattern += "*a";
  EXPECT_FALSE(MatchesGlob(pattern, std::string(4000, 'a') + "b"));
  EXPECT_TRUE(MatchesGlob(pattern, std::string(4000, 'a')));
}

}  // namespace
}  // namespace switchyard::text
