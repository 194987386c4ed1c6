#include "libs/forge/rest_forge.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::forge {
namespace {

using ::switchyard::testing::Answer;
using ::switchyard::testing::Fails;
using ::switchyard::testing::FakeAnswer;
using ::switchyard::testing::FakeHttp;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using text::Json;

const std::string kPushed(40, 'a');

Json Pull(int number, std::string branch = "agent/1", std::string state = "open") {
  return {{"number", number},
          {"html_url", absl::StrCat("https://forge.test/acme/widget/pulls/", number)},
          {"state", state},
          {"head", {{"ref", branch}, {"sha", kPushed}, {"repo", {{"full_name", "acme/widget"}}}}},
          {"base", {{"ref", "main"}, {"sha", kPushed}, {"repo", {{"full_name", "acme/widget"}}}}}};
}

class RestForgeTest : public ::testing::Test {
 protected:
  RestForge& Forge(Manner manner) {
    RestForgeOptions options;
    options.api_url = manner == Manner::kGitea ? "https://git.test/api/v1" : "https://api.test";
    options.manner = manner;
    options.token = [this] { return token_; };
    forge_ = std::make_unique<RestForge>(options, http_, clock_);
    return *forge_;
  }
  // The answer, which has to come by now.
  template <class T>
  Done<T> Into(absl::StatusOr<T>& place) {
    return [this, &place](absl::StatusOr<T> answer) {
      ++answers_;
      place = std::move(answer);
    };
  }
  http::HttpRequest Last() { return http_.requests().back(); }

  const RepositoryName repository_{.owner = "acme", .name = "widget"};
  testing::FakeClock clock_;
  FakeHttp http_{FakeHttp::Mode::kInline};
  absl::StatusOr<std::string> token_ = std::string("hunter2");
  std::unique_ptr<RestForge> forge_;
  int answers_ = 0;
};

TEST_F(RestForgeTest, GitHubIsAskedForTheBranchItself) {
  http_.When("/pulls", Answer(200, Json::array({Pull(7)}).dump()));
  absl::StatusOr<std::optional<PullRequest>> found = absl::UnknownError("");
  Forge(Manner::kGitHub).FindPullRequest(repository_, "agent/1", Into(found));
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)->number, 7);
  ASSERT_THAT(http_.requests(), SizeIs(1));
  EXPECT_EQ(Last().url, "https://api.test/repos/acme/widget/pulls?state=all&per_page=100&page=1&head=acme:agent/1");
  EXPECT_EQ(*http::FindHeader(Last().headers, "authorization"), "Bearer hunter2");
  EXPECT_EQ(*http::FindHeader(Last().headers, "x-github-api-version"), "2022-11-28");
}

TEST_F(RestForgeTest, GiteasListIsReadPageByPageUntilItIsFoundOrEnds) {
  http_.When("/pulls", Answer(200, "[]"));
  http_.When("&page=1", Answer(200, Json::array({Pull(9, "other"), Pull(8, "agent/1", "closed")}).dump()));
  http_.When("&page=2", Answer(200, Json::array({Pull(7, "other")}).dump()));
  absl::StatusOr<std::optional<PullRequest>> found = absl::UnknownError("");
  RestForge& forge = Forge(Manner::kGitea);
  forge.FindPullRequest(repository_, "agent/1", Into(found));
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ((*found)->number, 8);
  EXPECT_THAT(http_.requests(), SizeIs(3));
  EXPECT_EQ(Last().url, "https://git.test/api/v1/repos/acme/widget/pulls?state=all&limit=50&page=3");
  EXPECT_EQ(*http::FindHeader(Last().headers, "authorization"), "token hunter2");

  http_.When("&page=2", Answer(200, Json::array({Pull(7)}).dump()));
  forge.FindPullRequest(repository_, "agent/1", Into(found));
  EXPECT_EQ((*found)->number, 7);
  EXPECT_THAT(http_.requests(), SizeIs(5));
}

TEST_F(RestForgeTest, AListWithoutEndIsReadOnlySoFar) {
  http_.When("/pulls", Answer(200, Json::array({Pull(9, "other")}).dump()));
  absl::StatusOr<std::optional<PullRequest>> found = absl::UnknownError("");
  Forge(Manner::kGitea).FindPullRequest(repository_, "agent/1", Into(found));
  EXPECT_THAT(found, IsError("FORGE_MALFORMED")) << "it may be among the others";
  EXPECT_THAT(http_.requests(), SizeIs(20));
}

TEST_F(RestForgeTest, AListIsReadNoFurtherThanTheBranchIsOld) {
  const std::string branch = "agent/" + Uuid::LowestAt(absl::FromUnixSeconds(1'700'000'000)).ToString();
  Json pull = Pull(9, "other");
  pull["created_at"] = "2023-11-14T00:00:00Z";
  http_.When("/pulls", Answer(200, Json::array({pull}).dump()));
  pull["created_at"] = "2023-11-01T00:00:00Z";
  http_.When("page=3", Answer(200, Json::array({pull}).dump()));
  absl::StatusOr<std::optional<PullRequest>> found = absl::UnknownError("");
  Forge(Manner::kGitea).FindPullRequest(repository_, branch, Into(found));
  ASSERT_THAT(found, IsOk());
  EXPECT_FALSE(found->has_value());
  EXPECT_THAT(http_.requests(), SizeIs(3));
}

TEST_F(RestForgeTest, OpeningSaysDraftAsEachMannerHasIt) {
  http_.When("POST", Answer(201, Pull(7).dump()));
  absl::StatusOr<PullRequest> opened = absl::UnknownError("");
  const NewPullRequest wanted{
      .title = "a \"b\"\n", .body = "x\xff", .head_branch = "agent/1", .base_branch = "main", .draft = true};
  Forge(Manner::kGitHub).OpenPullRequest(repository_, wanted, Into(opened));
  ASSERT_THAT(opened, IsOk());
  Json body = Json::parse(Last().body);
  EXPECT_EQ(body["title"], "a \"b\"\n");
  EXPECT_EQ(body["draft"], true);
  EXPECT_EQ(body["head"], "agent/1");
  EXPECT_EQ(body["base"], "main");
  Forge(Manner::kGitea).OpenPullRequest(repository_, wanted, Into(opened));
  body = Json::parse(Last().body);
  EXPECT_EQ(body["title"], "WIP: a \"b\"\n");
  EXPECT_FALSE(body.contains("draft"));
}

TEST_F(RestForgeTest, NothingIsSentTwiceAndARefusalIsTold) {
  http_.When("POST", Fails(http::HttpFailure::kReset));
  absl::StatusOr<PullRequest> opened = absl::UnknownError("");
  const NewPullRequest wanted{.title = "t", .body = "b", .head_branch = "agent/1", .base_branch = "main"};
  Forge(Manner::kGitHub).OpenPullRequest(repository_, wanted, Into(opened));
  EXPECT_THAT(opened, IsError("FORGE_UNAVAILABLE"));
  EXPECT_EQ(http_.CountOf("POST"), 1u);
  http_.When("POST", Answer(422, R"({"message": "Validation Failed", "errors": [{"message": "No commits between"}]})"));
  forge_->OpenPullRequest(repository_, wanted, Into(opened));
  EXPECT_THAT(opened, IsError("FORGE_REFUSED"));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("No commits between"));
  EXPECT_EQ(answers_, 2);
}

TEST_F(RestForgeTest, MergingNamesTheCommitThatWasVerified) {
  http_.When("PUT", Answer(200, R"({"merged": true, "sha": "x"})"));
  http_.When("POST", Answer(200, ""));
  absl::Status merged = absl::UnknownError("");
  const auto done = [&merged](absl::Status status) { merged = std::move(status); };
  Forge(Manner::kGitHub).MergePullRequest(repository_, 7, kPushed, done);
  EXPECT_THAT(merged, IsOk());
  EXPECT_EQ(Json::parse(Last().body)["sha"], kPushed);
  EXPECT_THAT(Last().url, HasSubstr("/pulls/7/merge"));
  http_.When("PUT", Answer(200, R"({"merged": false})"));
  forge_->MergePullRequest(repository_, 7, kPushed, done);
  EXPECT_THAT(merged, IsError("FORGE_REFUSED"));
  http_.When("PUT", Answer(409, R"({"message": "Head branch was modified"})"));
  forge_->MergePullRequest(repository_, 7, kPushed, done);
  EXPECT_THAT(merged, IsError("FORGE_CONFLICT"));
  Forge(Manner::kGitea).MergePullRequest(repository_, 7, kPushed, done);
  EXPECT_THAT(merged, IsOk());
  EXPECT_EQ(Json::parse(Last().body)["head_commit_id"], kPushed);
  EXPECT_EQ(Json::parse(Last().body)["Do"], "merge");
  const std::size_t before = http_.requests().size();
  forge_->MergePullRequest(repository_, 7, "main", done);
  EXPECT_THAT(merged, IsError("INVALID_REPOSITORY"));
  EXPECT_THAT(http_.requests(), SizeIs(before));
}

TEST_F(RestForgeTest, BothMannersSayHowFarTheBaseWentOn) {
  http_.When("/compare/", Answer(200, R"({"ahead_by": 2, "behind_by": 5})"));
  absl::StatusOr<Comparison> comparison = absl::UnknownError("");
  Forge(Manner::kGitHub).CompareBranches(repository_, "main", "agent/1", Into(comparison));
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(comparison->ahead, 2);
  EXPECT_EQ(comparison->behind, 5);
  EXPECT_THAT(Last().url, HasSubstr("/compare/main...agent/1?"));
  http_.When("/compare/main...agent/1", Answer(200, R"({"total_commits": 3})"));
  http_.When("/compare/agent/1...main", Answer(200, R"({"total_commits": 4})"));
  Forge(Manner::kGitea).CompareBranches(repository_, "main", "agent/1", Into(comparison));
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(comparison->ahead, 3);
  EXPECT_EQ(comparison->behind, 4);
  http_.When("/compare/", Answer(200, "{}"));
  forge_->CompareBranches(repository_, "main", "agent/1", Into(comparison));
  EXPECT_THAT(comparison, IsError("FORGE_MALFORMED"));
  forge_->CompareBranches(repository_, "main", "a/../../../user", Into(comparison));
  EXPECT_THAT(comparison, IsError("INVALID_REPOSITORY"));
}

TEST_F(RestForgeTest, CheckRunsCountBesideStatuses) {
  http_.When("/status", Answer(200, R"({"state": "success", "total_count": 1})"));
  http_.When("/check-runs", Answer(200, R"({"total_count": 1, "check_runs": [{"status": "queued"}]})"));
  absl::StatusOr<CommitStatus> status = absl::UnknownError("");
  Forge(Manner::kGitHub).GetCombinedStatus(repository_, kPushed, Into(status));
  EXPECT_EQ(*status, CommitStatus::kPending);
  Forge(Manner::kGitea).GetCombinedStatus(repository_, kPushed, Into(status));
  EXPECT_EQ(*status, CommitStatus::kSuccess);
}

TEST_F(RestForgeTest, FilesAreListedToTheEndOrNotAtAll) {
  Json page = Json::array();
  for (int i = 0; i < 100; ++i) {
    page.push_back({{"filename", absl::StrCat("f", i)}, {"status", "added"}, {"additions", 1}, {"deletions", 0}});
  }
  http_.When("page=1", Answer(200, page.dump()));
  http_.When("page=2", Answer(200, R"([{"filename": "b", "previous_filename": "a", "status": "renamed", "additions": 0,
                              "deletions": 2}, {"filename": "c", "status": "removed", "additions": 0, "deletions": 9}])"));
  absl::StatusOr<std::vector<ChangedFile>> files = absl::UnknownError("");
  Forge(Manner::kGitHub).ListFiles(repository_, 7, Into(files));
  ASSERT_THAT(files, IsOk());
  ASSERT_THAT(*files, SizeIs(102));
  EXPECT_EQ((*files)[100].former_path, "a");
  EXPECT_TRUE((*files)[101].deleted);
  EXPECT_FALSE((*files)[101].added);
  EXPECT_TRUE((*files)[0].added);
  http_.When("/files", Answer(200, page.dump()));
  forge_->ListFiles(repository_, 7, Into(files));
  EXPECT_THAT(files, IsError("FORGE_MALFORMED"));
}

TEST_F(RestForgeTest, HostileAnswersAreFailuresAndNothingMore) {
  absl::StatusOr<PullRequest> pull = absl::UnknownError("");
  RestForge& forge = Forge(Manner::kGitHub);
  const std::vector<FakeAnswer> hostile = {Answer(200, "<html>"),
                                           Answer(200, ""),
                                           Answer(200, "null"),
                                           Answer(200, "[]"),
                                           Answer(200, R"({"number": 7})"),
                                           Answer(200, std::string(100'000, '[')),
                                           Answer(200, "{\"number\": 1e999}"),
                                           Fails(http::HttpFailure::kTooLarge)};
  for (const FakeAnswer& answer : hostile) {
    http_.When("/pulls/7", answer);
    forge.GetPullRequest(repository_, 7, Into(pull));
    EXPECT_THAT(pull, IsError("FORGE_MALFORMED"));
  }
  http_.When("/pulls/7", Fails(http::HttpFailure::kTruncated));
  forge.GetPullRequest(repository_, 7, Into(pull));
  EXPECT_THAT(pull, IsError("FORGE_UNAVAILABLE"));
  for (const http::HttpRequest& request : http_.requests()) EXPECT_LE(request.max_body_bytes, std::size_t{8} << 20);
}

TEST_F(RestForgeTest, ARedirectIsNotFollowedAndSaysNothingOfTheToken) {
  http_.When("/pulls/7", Answer(302, "", {{"Location", "https://evil.test/"}}));
  absl::StatusOr<PullRequest> pull = absl::UnknownError("");
  Forge(Manner::kGitHub).GetPullRequest(repository_, 7, Into(pull));
  EXPECT_THAT(pull, IsError("FORGE_REDIRECTED"));
  EXPECT_THAT(http_.requests(), SizeIs(1));
  EXPECT_THAT(std::string(pull.status().message()), Not(HasSubstr("hunter2")));
}

TEST_F(RestForgeTest, NamesThatCouldLeadElsewhereAreNeverAsked) {
  absl::StatusOr<PullRequest> pull = absl::UnknownError("");
  RestForge& forge = Forge(Manner::kGitHub);
  for (const RepositoryName& name : {RepositoryName{"..", "x"}, RepositoryName{"a/b", "x"}, RepositoryName{"a", "x?y"},
                                     RepositoryName{"", "x"}, RepositoryName{"a", "%2e%2e"}}) {
    forge.GetPullRequest(name, 7, Into(pull));
    EXPECT_THAT(pull, IsError("INVALID_REPOSITORY"));
  }
  absl::StatusOr<std::optional<PullRequest>> found = absl::UnknownError("");
  forge.FindPullRequest(repository_, "agent/1&state=open x", Into(found));
  EXPECT_THAT(found, IsError("INVALID_REPOSITORY"));
  EXPECT_THAT(http_.requests(), SizeIs(0));
}

TEST_F(RestForgeTest, WhatTheTransportRefusesIsTheCallsFailure) {
  absl::StatusOr<PullRequest> pull = absl::UnknownError("");
  RestForge& forge = Forge(Manner::kGitHub);
  http_.RefuseNext(MakeError(absl::StatusCode::kResourceExhausted, "HTTP_QUEUE_FULL", "full"));
  forge.GetPullRequest(repository_, 7, Into(pull));
  EXPECT_THAT(pull, IsError("FORGE_UNAVAILABLE"));
  EXPECT_EQ(answers_, 1);
}

}  // namespace
}  // namespace switchyard::forge
