#include "services/executor/repository/git_process.h"

#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using switchyard::testing::StatusIs;
using switchyard::testing::TempDir;
using ::testing::HasSubstr;

GitCall Shell(const std::string& script) {
  GitCall call;
  call.arguments = {"-c", script};
  call.environment = {"PATH=/usr/bin:/bin"};
  return call;
}

class GitProcessTest : public ::testing::Test {
 protected:
  absl::StatusOr<GitAnswer> Run(const GitCall& call) { return RunGit("/bin/sh", call, stop_); }

  std::atomic<bool> stop_{false};
};

TEST_F(GitProcessTest, AnswersWithWhatWasSaid) {
  GitCall call = Shell("cat; echo bad >&2; exit 3");
  call.input = "words";
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer answer, Run(call));
  EXPECT_EQ(answer.exit_code, 3);
  EXPECT_EQ(answer.output, "words");
  EXPECT_EQ(answer.error, "bad\n");
}

TEST_F(GitProcessTest, InheritsNothing) {
  setenv("SWITCHYARD_LEAK", "leaked", 1);
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer answer, Run(Shell("env; ls /proc/self/fd | wc -l")));
  unsetenv("SWITCHYARD_LEAK");
  EXPECT_THAT(answer.output, ::testing::Not(HasSubstr("leaked")));
}

TEST_F(GitProcessTest, HandsASecretOverByADescriptorAlone) {
  GitCall call = Shell("read -r line </proc/self/fd/3; echo got $line; cat /proc/$$/cmdline /proc/$$/environ");
  call.secret = "opensesame\n";
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer answer, Run(call));
  EXPECT_THAT(answer.output, HasSubstr("got opensesame\n"));
  EXPECT_EQ(answer.output.find("opensesame"), answer.output.rfind("opensesame"));
}

TEST_F(GitProcessTest, EndsAProgramThatSaysTooMuch) {
  GitCall call = Shell("while :; do echo more and more; done");
  call.max_output = 100;
  EXPECT_THAT(Run(call), IsError("GIT_FAILED"));
  call.cut = true;
  SY_ASSERT_OK_AND_ASSIGN(const GitAnswer answer, Run(call));
  EXPECT_TRUE(answer.cut);
  EXPECT_EQ(answer.output.size(), 100u);
}

TEST_F(GitProcessTest, EndsAProgramAtItsTime) {
  GitCall call = Shell("sleep 1000");
  call.time = absl::Milliseconds(50);
  EXPECT_THAT(Run(call), IsError("GIT_TIMEOUT"));
}

TEST_F(GitProcessTest, EndsTheWholeGroupOnStop) {
  const TempDir dir;
  const std::string pids = dir.File("pids");
  // The child keeps the pipe open and does not hear SIGTERM.
  GitCall call = Shell("(trap '' TERM; echo $$ >'" + pids + ".new'; exec sleep 1000) & echo $! >'" + pids + "'; wait");
  std::thread stopper([&] {
    while (access(pids.c_str(), F_OK) != 0 || std::ifstream(pids).peek() == EOF) std::this_thread::yield();
    stop_ = true;
  });
  EXPECT_THAT(Run(call), StatusIs(absl::StatusCode::kCancelled));
  stopper.join();
  pid_t child = 0;
  std::ifstream(pids) >> child;
  ASSERT_GT(child, 1);
  // Killed; whoever adopted it may not have waited for it yet.
  std::string state = "gone";
  for (int i = 0; i < 1000; ++i) {
    std::ifstream status("/proc/" + std::to_string(child) + "/stat");
    std::string number, name;
    if (!(status >> number >> name >> state)) state = "gone";
    if (state == "gone" || state == "Z" || state == "X") break;
    std::this_thread::yield();
  }
  EXPECT_THAT(state, ::testing::AnyOf("gone", "Z", "X"));
}

TEST_F(GitProcessTest, StartsNothingOnceStopped) {
  stop_ = true;
  EXPECT_THAT(Run(Shell("exit 0")), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(GitProcessTest, EndsWhenWhoWatchesSaysSo) {
  GitCall call = Shell("sleep 1000");
  call.watch = [] { return absl::ResourceExhaustedError("full"); };
  EXPECT_THAT(Run(call), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST_F(GitProcessTest, SaysThatThereIsNoProgram) {
  EXPECT_THAT(RunGit("/nonexistent/git", Shell("exit 0"), stop_), IsError("GIT_FAILED"));
}

}  // namespace
}  // namespace switchyard::executor::repository
