// The client against tests/lib/stub_forge.py, in both manners: what the tests of the whole system rely on.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/forge/forge_directory.h"
#include "libs/http/http_client.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::forge {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;

const std::string kMain(40, 'b');
const std::string kHead(40, 'a');

class Stub {
 public:
  Stub() {
    int input[2];
    int output[2];
    EXPECT_EQ(pipe2(input, O_CLOEXEC), 0);
    EXPECT_EQ(pipe2(output, O_CLOEXEC), 0);
    const std::string heads = absl::StrCat("acme/widget:main=", kMain, ",agent/1=", kHead);
    std::vector<std::string> words = {"/usr/bin/python3", "-B", STUB_FORGE_PATH, "--token", "hunter2",
                                      "--repository",     heads};
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    EXPECT_EQ(posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    orders_ = input[1];
    lines_ = fdopen(output[0], "r");
    port_ = std::atoi(Line().c_str());
    EXPECT_GT(port_, 0);
  }
  ~Stub() {
    close(orders_);
    std::fclose(lines_);
    waitpid(pid_, nullptr, 0);
  }
  Stub(const Stub&) = delete;
  Stub& operator=(const Stub&) = delete;

  // One JSON object.
  void Tell(std::string order) {
    order += '\n';
    EXPECT_EQ(write(orders_, order.data(), order.size()), static_cast<ssize_t>(order.size()));
    EXPECT_EQ(Line(), "ok\n");
  }
  int port() const { return port_; }

 private:
  std::string Line() {
    char line[64] = {};
    return std::fgets(line, sizeof line, lines_) == nullptr ? "" : line;
  }

  pid_t pid_ = 0;
  int orders_ = -1;
  std::FILE* lines_ = nullptr;
  int port_ = 0;
};

class StubForgeTest : public ::testing::TestWithParam<const char*> {
 protected:
  StubForgeTest() {
    client_.Start();
    directory_ = *ForgeDirectory::Make(
        {absl::StrCat("http://127.0.0.1:", stub_.port(), GetParam(), " https://forge.test/ env:T")}, "forges",
        [this](const std::string&) -> absl::StatusOr<std::string> { return token_; }, client_, clock_);
    place_ = *directory_->Find("https://forge.test/acme/widget.git");
  }
  ~StubForgeTest() override { client_.Stop(); }

  template <class T>
  absl::StatusOr<T> Ask(const std::function<void(Forge&, Done<T>)>& ask) {
    Mutex mutex;
    CondVar changed;
    std::optional<absl::StatusOr<T>> said;
    ask(*place_.forge, [&](absl::StatusOr<T> answer) {
      MutexLock lock(mutex);
      said = std::move(answer);
      changed.NotifyAll();
    });
    MutexLock lock(mutex);
    while (!said.has_value()) changed.Wait(mutex);
    return *std::move(said);
  }
  absl::StatusOr<std::optional<PullRequest>> Find() {
    return Ask<std::optional<PullRequest>>(
        [this](Forge& forge, auto done) { forge.FindPullRequest(place_.repository, "agent/1", std::move(done)); });
  }
  absl::StatusOr<PullRequest> Open() {
    return Ask<PullRequest>([this](Forge& forge, auto done) {
      forge.OpenPullRequest(place_.repository,
                            {.title = "t", .body = "b", .head_branch = "agent/1", .base_branch = "main"},
                            std::move(done));
    });
  }
  absl::StatusOr<PullRequest> Get(std::int64_t number) {
    return Ask<PullRequest>(
        [&](Forge& forge, auto done) { forge.GetPullRequest(place_.repository, number, std::move(done)); });
  }
  absl::Status Merge(const std::string& commit) {
    return Ask<bool>([&](Forge& forge, Done<bool> done) {
             forge.MergePullRequest(place_.repository, 1, commit, [done](const absl::Status& status) {
               if (!status.ok()) return done(status);
               done(true);
             });
           })
        .status();
  }

  std::string token_ = "hunter2";
  Stub stub_;
  DisciplinedClock clock_;
  http::HttpClient client_{clock_, {}};
  std::unique_ptr<ForgeDirectory> directory_;
  Place place_;
};

TEST_P(StubForgeTest, APullRequestLivesFromItsOpeningToItsMerge) {
  ASSERT_THAT(Find(), IsOk());
  EXPECT_FALSE(Find()->has_value());
  const absl::StatusOr<PullRequest> opened = Open();
  ASSERT_THAT(opened, IsOk());
  EXPECT_EQ(opened->number, 1);
  EXPECT_EQ(opened->head_commit, kHead);
  EXPECT_THAT(Open(), IsError("FORGE_ALREADY_EXISTS"));
  ASSERT_TRUE(Find()->has_value());
  EXPECT_EQ((*Find())->number, 1);
  EXPECT_EQ(Get(1)->mergeable, true);
  EXPECT_FALSE(Get(1)->from_fork);
  EXPECT_THAT(Get(2), IsError("FORGE_NOT_FOUND"));
  const auto comparison = Ask<Comparison>([this](Forge& forge, auto done) {
    forge.CompareBranches(place_.repository, "main", "agent/1", std::move(done));
  });
  ASSERT_THAT(comparison, IsOk());
  EXPECT_EQ(comparison->ahead, 1);
  EXPECT_EQ(comparison->behind, 0);
  const auto status = Ask<CommitStatus>(
      [this](Forge& forge, auto done) { forge.GetCombinedStatus(place_.repository, kHead, std::move(done)); });
  ASSERT_THAT(status, IsOk());
  EXPECT_EQ(*status, CommitStatus::kNone);
  const auto updated = Ask<PullRequest>(
      [this](Forge& forge, auto done) { forge.SetBody(place_.repository, 1, "new", std::move(done)); });
  ASSERT_THAT(updated, IsOk());
  EXPECT_EQ(updated->body, "new");
  EXPECT_THAT(Merge(kMain), IsError("FORGE_CONFLICT"));
  EXPECT_THAT(Merge(kHead), IsOk());
  EXPECT_THAT(Merge(kHead), IsError("FORGE_REFUSED"));
  EXPECT_EQ(Get(1)->state, PullRequestState::kMerged);
  EXPECT_EQ((*Find())->state, PullRequestState::kMerged);
}

TEST_P(StubForgeTest, FaultsAreToldApart) {
  const std::vector<std::pair<std::string, std::string>> faults = {
      {R"("status": 401)", "FORGE_UNAUTHORIZED"},
      {R"("status": 403)", "FORGE_UNAUTHORIZED"},
      {R"("status": 403, "headers": {"x-ratelimit-remaining": "0"})", "FORGE_RATE_LIMITED"},
      {R"("status": 429, "headers": {"Retry-After": "7"})", "FORGE_RATE_LIMITED"},
      {R"("status": 500)", "FORGE_UNAVAILABLE"},
      {R"("kind": "cut")", "FORGE_UNAVAILABLE"},
      {R"("kind": "lost")", "FORGE_UNAVAILABLE"},
      {R"("kind": "bad_json")", "FORGE_MALFORMED"},
      {R"("kind": "huge")", "FORGE_MALFORMED"},
      {R"("kind": "redirect", "to": "http://127.0.0.1:1/")", "FORGE_REDIRECTED"}};
  for (const auto& [fault, reason] : faults) {
    // A GET on a connection that breaks is sent again once: twice is for good.
    stub_.Tell(absl::StrCat(R"({"match": "GET .*/pulls", "times": 2, )", fault, "}"));
    EXPECT_THAT(Find(), IsError(reason)) << fault;
    for (int i = 0; i < 3 && !Find().ok(); ++i) {
    }
  }
  EXPECT_THAT(Find(), IsOk());
  token_ = "wrong";
  EXPECT_THAT(Find(), IsError("FORGE_UNAUTHORIZED"));
}

TEST_P(StubForgeTest, WhatWasOpenedWithoutAnAnswerIsFoundOnceTheListShowsIt) {
  stub_.Tell(R"({"lag": 1})");
  stub_.Tell(R"({"match": "POST .*/pulls", "kind": "lost"})");
  EXPECT_THAT(Open(), IsError("FORGE_UNAVAILABLE"));
  EXPECT_FALSE(Find()->has_value());
  EXPECT_TRUE(Find()->has_value());
  stub_.Tell(R"({"close": ["acme/widget", 1]})");
  EXPECT_EQ((*Find())->state, PullRequestState::kClosed);
}

INSTANTIATE_TEST_SUITE_P(Manners, StubForgeTest, ::testing::Values("/api/v3", "/api/v1"), [](const auto& manner) {
  return std::string(manner.param) == "/api/v1" ? "Gitea" : "GitHub";
});

}  // namespace
}  // namespace switchyard::forge
