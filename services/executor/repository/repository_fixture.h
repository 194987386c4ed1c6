// A remote, people who work on it, and executors of it; for tests.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/repository/git_process.h"
#include "services/executor/repository/git_worktrees.h"

namespace switchyard::executor::repository {

inline std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

class RepositoryTest : public ::testing::Test {
 protected:
  RepositoryTest() : remote_(dir_.File("remote.git")), people_(dir_.File("people")) {
    chmod(dir_.path().c_str(), 0711);
    if (geteuid() == 0) {
      if (const absl::StatusOr<UserIds> user = FindTaskUser("switchyard-task"); user.ok()) user_ = *user;
    }
    People({"init", "-q", "--bare", "-b", "main", remote_}, dir_.path());
    People({"init", "-q", "-b", "main", people_}, dir_.path());
    PeopleWrite("README", "hello\n");
    PeopleWrite("src/a.txt", "one\ntwo\nthree\n");
    PeoplePush("begin");
  }

  // As somebody outside of the product.
  std::string People(std::vector<std::string> arguments, const std::string& directory = "") {
    GitCall call;
    call.arguments = std::move(arguments);
    call.directory = directory.empty() ? people_ : directory;
    call.environment = {"PATH=/usr/bin:/bin",   "HOME=/nonexistent",    "GIT_CONFIG_NOSYSTEM=1",  "GIT_AUTHOR_NAME=p",
                        "GIT_AUTHOR_EMAIL=p@x", "GIT_COMMITTER_NAME=p", "GIT_COMMITTER_EMAIL=p@x"};
    const absl::StatusOr<GitAnswer> answer = RunGit("/usr/bin/git", call, never_);
    EXPECT_THAT(answer, switchyard::testing::IsOk());
    if (!answer.ok()) return "";
    EXPECT_EQ(answer->exit_code, 0) << answer->error;
    return answer->output.substr(0, answer->output.find_last_not_of('\n') + 1);
  }
  void PeopleWrite(const std::string& name, std::string_view content) {
    dir_.Write(absl::StrCat("people/", name), content);
  }
  // The new commit of main.
  std::string PeoplePush(const std::string& message, const std::string& branch = "main") {
    People({"add", "-A"});
    People({"commit", "-q", "--allow-empty", "-m", message});
    People({"push", "-q", remote_, "HEAD:refs/heads/" + branch});
    return People({"rev-parse", "HEAD"});
  }
  std::string AtRemote(const std::string& reference) {
    return People({"for-each-ref", "--format=%(objectname)", reference}, remote_);
  }

  GitWorktrees::Options Options(const std::string& data = "data") {
    GitWorktrees::Options options;
    options.data_dir = dir_.File(data);
    mkdir(options.data_dir.c_str(), 0711);
    chmod(options.data_dir.c_str(), 0711);
    absl::StatusOr<RepositoryPolicy> policy = RepositoryPolicy::Make(
        {"app=" + remote_}, {}, [](const std::string&) { return absl::NotFoundError("no secret"); });
    EXPECT_THAT(policy, switchyard::testing::IsOk());
    if (policy.ok()) options.policy = *std::move(policy);
    options.user = user_;
    options.min_free_bytes = 0;
    return options;
  }
  std::unique_ptr<GitWorktrees> Open(GitWorktrees::Options options) {
    absl::StatusOr<std::unique_ptr<GitWorktrees>> made = GitWorktrees::Create(std::move(options), clock_);
    EXPECT_THAT(made, switchyard::testing::IsOk());
    return made.ok() ? *std::move(made) : nullptr;
  }
  std::unique_ptr<GitWorktrees> Open(const std::string& data = "data") { return Open(Options(data)); }

  static RepositoryWork App(const std::string& base = "") {
    RepositoryWork work;
    work.repository = "app";
    work.base_branch = base;
    return work;
  }
  std::unique_ptr<Worktree> Prepare(Worktrees& worktrees, const std::string& task = "t1",
                                    const std::string& base = "") {
    absl::StatusOr<std::unique_ptr<Worktree>> made = worktrees.Prepare(task, App(base), never_);
    EXPECT_THAT(made, switchyard::testing::IsOk());
    return made.ok() ? *std::move(made) : nullptr;
  }

  // As the work does it: as the task's user.
  void Write(const Worktree& worktree, const std::string& name, std::string_view content) {
    const std::string path = absl::StrCat(worktree.facts().folder, "/", name);
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << content;
    for (std::string at = path; at != worktree.facts().folder; at = at.substr(0, at.rfind('/'))) Own(at);
  }
  void Own(const std::string& path) {
    if (!user_.has_value()) return;
    ASSERT_EQ(lchown(path.c_str(), user_->uid, user_->gid), 0);
  }
  std::string Read(const Worktree& worktree, const std::string& name) {
    return ReadText(absl::StrCat(worktree.facts().folder, "/", name));
  }
  static std::string GitFolder(const Worktree& worktree) {
    return worktree.facts().folder.substr(0, worktree.facts().folder.rfind('/')) + "/git";
  }
  // Git by hand in a worktree, as the task's user or as this one.
  GitAnswer ByHand(const Worktree& worktree, std::vector<std::string> arguments, bool as_task = true) {
    GitCall call;
    call.arguments = {"--git-dir=" + GitFolder(worktree),
                      "--work-tree=" + worktree.facts().folder,
                      "-c",
                      "user.name=h",
                      "-c",
                      "user.email=h@x"};
    call.arguments.insert(call.arguments.end(), arguments.begin(), arguments.end());
    call.environment = {"PATH=/usr/bin:/bin", "HOME=/nonexistent"};
    call.directory = worktree.facts().folder;
    if (as_task) call.user = user_;
    const absl::StatusOr<GitAnswer> answer = RunGit("/usr/bin/git", call, never_);
    EXPECT_THAT(answer, switchyard::testing::IsOk());
    return answer.ok() ? *answer : GitAnswer();
  }
  // A program in place of git, which has $REAL to call.
  std::string FakeGit(const std::string& script) {
    const std::string path = dir_.Write("fake-git", "#!/bin/sh\nREAL=/usr/bin/git\n" + script);
    chmod(path.c_str(), 0755);
    return path;
  }

  const switchyard::testing::TempDir dir_;
  const std::string remote_;
  const std::string people_;
  switchyard::testing::FakeClock clock_;
  std::optional<UserIds> user_;
  const Stop never_{false};
};

}  // namespace switchyard::executor::repository
