#include "libs/forge/repository_url.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::forge {
namespace {

using ::switchyard::testing::IsError;
using ::testing::HasSubstr;
using ::testing::Not;

RepositoryUrl Url(std::string_view text) {
  absl::StatusOr<RepositoryUrl> url = ParseRepositoryUrl(text);
  SY_EXPECT_OK(url) << text;
  return url.value_or(RepositoryUrl());
}

std::string Name(std::string_view text) {
  const absl::StatusOr<RepositoryName> name = NameOf(Url(text));
  return name.ok() ? name->ToString() : "";
}

bool Below(std::string_view url, std::string_view prefix) { return IsBelow(Url(url), Url(prefix)); }

TEST(RepositoryUrlTest, EveryWayOfCloningNamesTheSameRepository) {
  for (const char* text :
       {"https://github.com/acme/widget", "https://github.com/acme/widget.git", "https://github.com/acme/widget/",
        "HTTPS://GitHub.com:443/acme/widget.git", "ssh://git@github.com/acme/widget.git",
        "ssh://git@github.com:2222/acme/widget", "git@github.com:acme/widget.git", "git@github.com:/acme/widget",
        "http://[::1]:3000/acme/widget.git", "file:///srv/git/acme/widget.git", "https://host/forge/acme/widget"}) {
    EXPECT_EQ(Name(text), "acme/widget") << text;
  }
}

TEST(RepositoryUrlTest, WhatIsNoPlainRepositoryIsRefusedAndNotRepeated) {
  for (const std::string text : {"",
                                 "acme/widget",
                                 "/srv/git/x",
                                 "ftp://h/a/b",
                                 "https://user:hunter2@h/a/b",
                                 "https://hunter2@h/a/b",
                                 "ssh://git:hunter2@h/a/b",
                                 "git:hunter2@h:a/b",
                                 "https://h/a/../b",
                                 "https://h/a/./b",
                                 "https://h/a//b",
                                 "https://h/a/b?x=hunter2",
                                 "https://h/a/b#x",
                                 "https://h/a/%2e%2e/b",
                                 "https://h/a\\b/c",
                                 "https://h/-a/b",
                                 "https://h/a/b\nhunter2",
                                 "https://h:0/a/b",
                                 "https://h:99999/a/b",
                                 "https://h:x/a/b",
                                 "https:///a/b",
                                 "https://[::1/a/b",
                                 "file://host/a/b",
                                 "-oProxyCommand=x@h:a/b",
                                 "git@-oProxyCommand:a/b",
                                 "ext::sh -c x",
                                 "h:a/b"}) {
    const absl::StatusOr<RepositoryUrl> url = ParseRepositoryUrl(text);
    EXPECT_THAT(url, IsError("INVALID_REPOSITORY")) << text;
    EXPECT_THAT(std::string(url.status().message()), Not(HasSubstr("hunter2"))) << text;
  }
  EXPECT_THAT(ParseRepositoryUrl("https://h/" + std::string(3000, 'a')), IsError("INVALID_REPOSITORY"));
}

TEST(RepositoryUrlTest, NamesAreOfOwnerAndRepository) {
  EXPECT_THAT(NameOf(Url("https://h/widget")), IsError("INVALID_REPOSITORY"));
  EXPECT_THAT(NameOf(Url("https://h")), IsError("INVALID_REPOSITORY"));
  EXPECT_THAT(NameOf(Url("https://h/acme/.hidden")), IsError("INVALID_REPOSITORY"));
  EXPECT_THAT(NameOf(Url("https://h/~acme/widget")), IsError("INVALID_REPOSITORY"));
}

TEST(RepositoryUrlTest, APrefixCoversWholeSegmentsOfItsHost) {
  EXPECT_TRUE(Below("https://github.com/acme/widget.git", "https://github.com/acme/"));
  EXPECT_TRUE(Below("https://github.com/acme/widget.git", "https://github.com"));
  EXPECT_TRUE(Below("https://github.com/acme/widget", "https://github.com/acme/widget.git"));
  EXPECT_FALSE(Below("https://github.com/acme-evil/widget", "https://github.com/acme"));
  EXPECT_FALSE(Below("https://github.com.evil.test/acme/widget", "https://github.com/acme"));
  EXPECT_FALSE(Below("https://github.com:8443/acme/widget", "https://github.com/acme"));
  EXPECT_FALSE(Below("http://github.com:443/acme/widget", "https://github.com/acme"));
}

TEST(RepositoryUrlTest, APrefixOfWebPagesCoversSshOfTheSameHost) {
  EXPECT_TRUE(Below("git@github.com:acme/widget.git", "https://github.com/acme/"));
  EXPECT_TRUE(Below("ssh://git@git.test:2222/acme/widget", "https://git.test:3000/acme"));
  EXPECT_TRUE(Below("git@github.com:acme/widget", "git@github.com:acme"));
  EXPECT_FALSE(Below("git@github.com:other/widget", "https://github.com/acme/"));
  EXPECT_FALSE(Below("https://github.com/acme/widget", "git@github.com:acme"));
  EXPECT_FALSE(Below("file:///acme/widget", "https://github.com/acme/"));
  EXPECT_TRUE(Below("file:///srv/git/acme/widget", "file:///srv/git/"));
}

TEST(RepositoryUrlTest, BranchesAreWhatGitTakesAndNothingElse) {
  for (const char* name : {"main", "agent/0190a", "feature/x_y-1.2", "größe"}) EXPECT_TRUE(IsBranchName(name)) << name;
  for (const char* name : {"",   "-x",   "a..b", "a b",  "a~1",    "a^", "a:b", "a?",   "a*",    "a[",   "a\\b", "/a",
                           "a/", "a//b", ".a",   "a/.b", "a.lock", "a.", "@",   "HEAD", "a@{1}", "a\nb", "\xff"}) {
    EXPECT_FALSE(IsBranchName(name)) << name;
  }
  EXPECT_FALSE(IsBranchName(std::string(201, 'a')));
  EXPECT_TRUE(IsCommit(std::string(40, 'a')));
  EXPECT_TRUE(IsCommit(std::string(64, '0')));
  EXPECT_FALSE(IsCommit(std::string(39, 'a')));
  EXPECT_FALSE(IsCommit(std::string(40, 'A')));
}

}  // namespace
}  // namespace switchyard::forge
