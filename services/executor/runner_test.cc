// The parts below the back end: command lines, spawning, supervision, folders, measures.
#include "services/executor/runner.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "libs/config/load.h"
#include "services/executor/executor_fixture.h"
#include "services/executor/local_exec_config.h"
#include "services/executor/process_table.h"
#include "services/executor/resources.h"
#include "services/executor/self_test.h"

namespace switchyard::executor {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing::IsError;
using ::testing::Not;

bool Follows(const std::vector<std::string>& line, const std::vector<std::string>& part) {
  return std::search(line.begin(), line.end(), part.begin(), part.end()) != line.end();
}

TEST(SandboxCommandTest, TakesEverythingAwayFirst) {
  SandboxHost host;
  host.shim = "/opt/shim";
  host.etc = "/data/sandbox";
  const std::vector<std::string> line =
      SandboxCommand(host, {.argv = {"/opt/tool", "--help"}, .workspace = "/data/work/x", .directory = "a"});
  for (const char* flag :
       {"--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"}) {
    EXPECT_THAT(line, Contains(flag));
  }
  EXPECT_THAT(line, Not(Contains("--share-net")));
  EXPECT_TRUE(Follows(line, {"--bind", "/data/work/x", "/workspace"}));
  EXPECT_TRUE(Follows(line, {"--ro-bind", "/opt/tool", "/opt/tool"}));
  EXPECT_TRUE(Follows(line, {"--directory=a", "--", "/opt/tool", "--help"}));
  EXPECT_EQ(std::count(line.begin(), line.end(), "--bind"), 1) << "nothing else can be written";
}

TEST(SandboxCommandTest, GrantsWhatTheRuleGrants) {
  SandboxHost host;
  const std::vector<std::string> line = SandboxCommand(host, {.argv = {"/opt/tools/x"},
                                                              .workspace = "/w",
                                                              .read_only = {"/opt/tools"},
                                                              .writable = {"/srv/cache"},
                                                              .network = true});
  EXPECT_THAT(line, Contains("--share-net"));
  EXPECT_TRUE(Follows(line, {"--ro-bind", "/opt/tools", "/opt/tools"}));
  EXPECT_TRUE(Follows(line, {"--bind", "/srv/cache", "/srv/cache"}));
  EXPECT_FALSE(Follows(line, {"--ro-bind", "/opt/tools/x", "/opt/tools/x"}));
}

TEST(SandboxCommandTest, TheRulesVariablesWinAndNothingIsInherited) {
  const std::vector<std::string> environment =
      CleanEnvironment({{"MODE", "safe"}}, {{"MODE", "other"}, {"A", "b"}}, true, "/w");
  EXPECT_THAT(environment, Contains("MODE=safe"));
  EXPECT_THAT(environment, Contains("A=b"));
  EXPECT_THAT(environment, Contains("HOME=/tmp"));
  EXPECT_LE(environment.size(), 9u);
}

TEST(SelfTestTest, ExplainsWhatIsWrong) {
  EXPECT_THAT(ExplainSandboxFailure("cannot start a process: execve: No such file or directory"), HasSubstr("install"));
  EXPECT_THAT(ExplainSandboxFailure("bwrap: Can't find source path /x: Permission denied"), HasSubstr("o+x"));
  EXPECT_NE(ExplainSandboxFailure("bwrap: No permissions to create new namespace"), "");
  EXPECT_EQ(ExplainSandboxFailure("something new"), "");
}

TEST(SpawnTest, SaysWhatFailed) {
  const auto spawned = Spawn({.argv = {"/nonexistent"}, .environment = {}, .user = std::nullopt, .descriptors = {}});
  EXPECT_THAT(spawned.status(), IsError("SPAWN_FAILED"));
  EXPECT_THAT(std::string(spawned.status().message()), HasSubstr("execve: No such file"));
  EXPECT_THAT(
      Spawn({.argv = {"/bin/true"}, .environment = {}, .directory = "/none", .user = std::nullopt, .descriptors = {}})
          .status(),
      IsError("SPAWN_FAILED"));
}

TEST(SpawnTest, TasksAreNeverRoot) {
  EXPECT_THAT(FindTaskUser("root").status(), IsError("SANDBOX_UNAVAILABLE"));
  EXPECT_THAT(FindTaskUser("no-such-user-here").status(), IsError("SANDBOX_UNAVAILABLE"));
}

TEST(WorkspaceTest, RemovesWhatATaskLeftWithoutFollowingIt) {
  const testing::TempDir folder;
  const std::string kept = folder.Write("outside/kept", "x");
  SY_ASSERT_OK_AND_ASSIGN(const std::string work, PrepareWorkFolder(folder.path()));
  SY_ASSERT_OK_AND_ASSIGN(const std::string path, MakeWorkspace(work, "t.1", std::nullopt, "a/b"));
  std::filesystem::create_directory_symlink(folder.File("outside"), path + "/link");
  std::filesystem::create_symlink(kept, path + "/a/file");
  folder.Write("work/t.1/a/b/deep/file", "x");
  chmod((path + "/a/b/deep").c_str(), 0);
  chmod((path + "/a").c_str(), 0500);
  EXPECT_EQ(RemoveTree(path), 0u);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(std::filesystem::exists(kept));
  std::filesystem::create_directory_symlink(folder.File("outside"), path);
  EXPECT_EQ(RemoveTree(path), 0u) << "a link in its place goes, what it names stays";
  EXPECT_TRUE(std::filesystem::exists(kept));
}

TEST(WorkspaceTest, AStartFindsTheFolderEmpty) {
  const testing::TempDir folder;
  folder.Write("work/left.7/file", "x");
  SY_ASSERT_OK_AND_ASSIGN(const std::string work, PrepareWorkFolder(folder.path()));
  EXPECT_TRUE(std::filesystem::is_empty(work));
}

// Bubblewrap whose parent died while it set itself up waits for ever for a word of it.
TEST(WorkspaceTest, AStartEndsSandboxesThatWereLeftBehind) {
  const testing::TempDir folder;
  const std::string task = folder.path() + "/work/task.1";
  int input[2];
  int started[2];
  ASSERT_EQ(pipe2(input, O_CLOEXEC), 0);
  ASSERT_EQ(pipe2(started, O_CLOEXEC), 0);
  const pid_t left = fork();
  if (left == 0) {
    dup2(input[0], 0);
    execl("/bin/sh", "sh", "-c", "read word", "bwrap", "--die-with-parent", "--bind", task.c_str(), "/work", nullptr);
    _exit(127);
  }
  close(started[1]);
  char byte = 0;
  ASSERT_EQ(read(started[0], &byte, 1), 0);
  SY_ASSERT_OK(PrepareWorkFolder(folder.path()).status());
  int status = 0;
  ASSERT_EQ(waitpid(left, &status, 0), left);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  for (const int fd : {input[0], input[1], started[0]}) close(fd);
}

TEST(ProcessTableTest, SumsATree) {
  const pid_t child = fork();
  if (child == 0) {
    if (fork() == 0) {
      for (;;) pause();
    }
    for (;;) pause();
  }
  ProcessTable::Usage usage;
  for (int i = 0; i < 1000000 && usage.pids.size() < 2; ++i) usage = ProcessTable::Read().Below(child);
  EXPECT_EQ(usage.pids.size(), 2u);
  // Sanitizers have threads of their own.
  EXPECT_GE(usage.threads, 2u);
  EXPECT_GT(usage.rss_bytes, 0u);
  EXPECT_LT(ProportionalBytes(usage.pids, usage.rss_bytes), usage.rss_bytes) << "pages they share count once";
  EXPECT_EQ(ProcessTable::Read().Below(0x7fffffff).pids.size(), 0u);
  for (const pid_t pid : usage.pids) kill(pid, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST(ProcessTableTest, MeasuresAFolderWithoutItsLinks) {
  const testing::TempDir folder;
  folder.Write("a/big", std::string(100000, 'x'));
  std::filesystem::create_directory_symlink("/usr", folder.File("a/usr"));
  const FolderUsage usage = MeasureFolder(folder.File("a"), 100);
  EXPECT_GE(usage.bytes, 100000u);
  EXPECT_LT(usage.bytes, 200000u);
  EXPECT_EQ(usage.entries, 2u);
  EXPECT_FALSE(usage.more);
  EXPECT_TRUE(MeasureFolder(folder.File("a"), 1).more);
  EXPECT_EQ(MeasureFolder(folder.File("none"), 1).bytes, 0u);
  chmod(folder.File("a").c_str(), 0700);
  std::filesystem::create_directory(folder.File("b"));
  std::filesystem::rename(folder.File("a"), folder.File("b/hidden"));
  chmod(folder.File("b/hidden").c_str(), 0300);
  EXPECT_GE(MeasureFolder(folder.File("b"), 100).bytes, 100000u) << "hiding it does not help";
}

TEST(ResourcesTest, ReadsThisHost) {
  const Resources resources = ResourceProbe("/", nullptr, "").Read();
  EXPECT_GE(resources.cpus, 1u);
  EXPECT_GT(resources.memory_bytes, resources.memory_available_bytes);
  EXPECT_GT(resources.disk_bytes, 0u);
  EXPECT_TRUE(resources.gpus.empty());
}

TEST(ResourcesTest, ReadsWhatNvidiaSmiSays) {
  const std::vector<Gpu> gpus = ParseGpus(
      "NVIDIA A100-SXM4-80GB, 81920, 1024, 37\nTesla T4, 15360, [N/A], [N/A]\nnonsense\n, , ,\nX, -1, 0, 0\nFailed to "
      "initialize NVML: Driver/library version mismatch\n");
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].name, "NVIDIA A100-SXM4-80GB");
  EXPECT_EQ(gpus[0].memory_bytes, 81920ull << 20);
  EXPECT_EQ(gpus[0].memory_used_bytes, 1024ull << 20);
  EXPECT_EQ(gpus[0].busy_percent, 37u);
  EXPECT_EQ(gpus[1].memory_used_bytes, 0u);
}

TEST(LimitsTest, TheShortestTimeCountsAndARuleSetsTheRest) {
  Limits own;
  own.memory_bytes = 64 << 20;
  const Limits merged = Merge(DefaultLimits(), own, absl::Minutes(2));
  EXPECT_EQ(merged.time, absl::Minutes(2));
  EXPECT_EQ(merged.memory_bytes, 64u << 20);
  EXPECT_EQ(merged.processes, DefaultLimits().processes);
  EXPECT_EQ(Merge(DefaultLimits(), own, absl::Hours(100)).time, DefaultLimits().time);
}

TEST(LimitsTest, SayWhatHoldsThem) {
  const auto held_by = [](const std::vector<HeldLimit>& limits, std::string_view name) {
    for (const HeldLimit& limit : limits) {
      if (limit.name == name) return limit.held_by;
    }
    return std::string("missing");
  };
  const auto plain = DescribeLimits(DefaultLimits(), false, false, false);
  EXPECT_EQ(held_by(plain, "memory"), "watchdog");
  EXPECT_EQ(held_by(plain, "processes"), "watchdog");
  EXPECT_EQ(held_by(plain, "tmp"), "none");
  const auto full = DescribeLimits(DefaultLimits(), true, true, true);
  EXPECT_EQ(held_by(full, "memory"), "cgroup");
  EXPECT_EQ(held_by(full, "processes"), "cgroup");
  EXPECT_EQ(held_by(full, "tmp"), "tmpfs");
}

TEST(CgroupTest, FindsItsPath) {
  EXPECT_EQ(CgroupPath("12:pids:/x\n0::/system.slice/yard-agent.service\n"), "/system.slice/yard-agent.service");
  EXPECT_EQ(CgroupPath("12:pids:/x\n"), "");
}

// A folder that looks like a control group: what is written into it.
TEST(CgroupTest, WritesTheLimitsOfATask) {
  const testing::TempDir folder;
  folder.Write("cgroup.controllers", "cpu memory pids\n");
  folder.Write("cgroup.subtree_control", "memory pids");
  EXPECT_THAT(Cgroups::Open(folder.path()).status(), IsError("NO_CGROUPS")) << "the kernel makes no files here";
  for (const char* name : {"cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group", "pids.max"}) {
    folder.Write(std::string("task-0/") + name, "");
    folder.Write(std::string("task-7/") + name, "");
  }
  folder.Write("cgroup.subtree_control", "memory pids");
  SY_ASSERT_OK_AND_ASSIGN(const auto cgroups, Cgroups::Open(folder.path()));
  Limits limits;
  limits.memory_bytes = 1000;
  limits.processes = 10;
  SY_ASSERT_OK_AND_ASSIGN(const auto group, cgroups->Make(7, limits, 3));
  std::string text;
  std::getline(std::ifstream(folder.File("task-7/memory.max")), text);
  EXPECT_EQ(text, "1000");
  std::getline(std::ifstream(folder.File("task-7/pids.max")), text);
  EXPECT_EQ(text, "13");
  EXPECT_FALSE(group->RanOutOfMemory());
  folder.Write("task-7/memory.events", "oom 1\noom_kill 1\n");
  folder.Write("task-7/memory.peak", "4096\n");
  EXPECT_TRUE(group->RanOutOfMemory());
  EXPECT_EQ(group->PeakMemory(), 4096u);
}

class RunnerTest : public ExecutorFixture {
 protected:
  RunSpec Plain(std::vector<std::string> argv) {
    SandboxHost host;
    host.shim = shim_;
    return {.argv = PlainCommand(host, {.argv = std::move(argv), .workspace = ""}),
            .environment = CleanEnvironment({}, {}, false, "/tmp"),
            .directory = "/",
            .user = std::nullopt,
            .sandboxed = false,
            .stdin_data = "",
            .limits = limits_,
            .folder = ""};
  }

  // Whether a process with this in its command line is still there after many looks: what is killed goes at once, but
  // not before the kill returns.
  static bool StaysAlive(const std::string& mark) {
    bool left = true;
    for (int i = 0; i < 2000 && left; ++i) {
      left = false;
      for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream file(entry.path() / "cmdline");
        std::ostringstream line;
        line << file.rdbuf();
        left = left || line.str().find(mark) != std::string::npos;
      }
    }
    return left;
  }
};

class SilentObserver final : public RunObserver {
 public:
  void OnStarted() override {}
  void OnLog(LogChunk) override {}
  void OnEnded(Evidence) override {}
};

TEST_F(RunnerTest, RefusesMoreThanItsBound) {
  Runner small(clock_, slow_, {.max_runs = 1});
  SilentObserver observer;
  EXPECT_THAT(small.Run(Plain({"/bin/true"}), observer).status(), IsError("SHUTTING_DOWN"));
  SY_ASSERT_OK(small.Start());
  SY_ASSERT_OK(small.Run(Plain({"/bin/sleep", "100"}), observer).status());
  EXPECT_THAT(small.Run(Plain({"/bin/true"}), observer).status(), IsError("TOO_MANY_RUNS"));
  small.Stop();
  EXPECT_EQ(small.running(), 0u);
}

TEST_F(RunnerTest, AFailedStartIsToldToTheObserver) {
  RunSpec spec = Plain({"/bin/true"});
  spec.argv[0] = "/nonexistent";
  const Evidence evidence = RunAndWait(runner_, spec);
  EXPECT_EQ(evidence.outcome, Outcome::kNotStarted);
  EXPECT_EQ(evidence.reason, "SPAWN_FAILED");
  EXPECT_TRUE(evidence.executor_fault);
}

TEST_F(RunnerTest, AProgramThatPretendsToBeTheShimIsNotBelieved) {
  RunSpec spec = Plain({"/bin/true"});
  spec.argv = {"/bin/true"};
  EXPECT_EQ(RunAndWait(runner_, spec).reason, "SPAWN_FAILED");
}

// Where this machine lets us make a real control group: a program without a sandbox that ended its shim.
TEST_F(RunnerTest, AControlGroupLeavesNothingBehind) {
  std::string folder;
  for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    const std::string path = std::string(mount) + "/switchyard-test-" + std::to_string(getpid());
    if (access((std::string(mount) + "/cgroup.procs").c_str(), W_OK) == 0 && mkdir(path.c_str(), 0755) == 0) {
      folder = path;
    }
  }
  if (folder.empty()) GTEST_SKIP() << "no control group can be made on this machine";
  {
    auto cgroups = Cgroups::Open(folder);
    ASSERT_TRUE(cgroups.ok()) << cgroups.status();
    Runner runner(clock_, slow_, Runner::Options());
    runner.UseCgroups(*std::move(cgroups));
    SY_ASSERT_OK(runner.Start());
    const std::string mark = "cgroup-mark-" + std::to_string(getpid());
    const Evidence evidence = RunAndWait(runner, Plain({probe_, "desert", mark}));
    EXPECT_EQ(evidence.outcome, Outcome::kFailed) << evidence.message;
    EXPECT_FALSE(StaysAlive(mark));
  }
  EXPECT_EQ(rmdir(folder.c_str()), 0);
}

// The executor itself is killed: what it runs must go too.
TEST_F(RunnerTest, NothingOutlivesAKilledExecutor) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer starts no threads after a fork";
#endif
  for (const bool sandboxed : {false, true}) {
    if (sandboxed && !HasSandbox()) continue;
    const std::string mark = "orphan-mark-" + std::to_string(getpid()) + (sandboxed ? "s" : "p");
    int ready[2];
    ASSERT_EQ(pipe(ready), 0);
    const pid_t executor = fork();
    if (executor == 0) {
      DisciplinedClock clock;
      InlineExecutor slow;
      Runner runner(clock, slow, Runner::Options());
      if (!runner.Start().ok()) _exit(1);
      class Teller final : public RunObserver {
       public:
        explicit Teller(int fd) : fd_(fd) {}
        void OnStarted() override {}
        void OnLog(LogChunk) override { [[maybe_unused]] const ssize_t size = write(fd_, "x", 1); }
        void OnEnded(Evidence) override {}

       private:
        const int fd_;
      } teller(ready[1]);
      RunSpec spec = Plain({probe_, "stubborn", mark});
      if (sandboxed) {
        const auto workspace = MakeWorkspace(work_, "orphan", host_->user, "");
        spec.argv = SandboxCommand(*host_, {.argv = {probe_, "stubborn", mark}, .workspace = *workspace});
        spec.sandboxed = true;
        spec.user = host_->user;
      }
      if (!runner.Run(spec, teller).ok()) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte = 0;
    ASSERT_EQ(read(ready[0], &byte, 1), 1);
    kill(executor, SIGKILL);
    waitpid(executor, nullptr, 0);
    EXPECT_FALSE(StaysAlive(mark)) << (sandboxed ? "sandboxed" : "plain");
    close(ready[0]);
  }
}

TEST_F(RunnerTest, TheConfigurationMakesABackEnd) {
  config::v1::ExecutorConfig config;
  SY_ASSERT_OK(config::Load({.file = "",
                             .environment = {},
                             .flags = {"--data-dir=" + data_, "--sandbox.shim=" + shim_, "--sandbox.user=nobody",
                                       "--limits.memory=64MiB", "--sandbox.cgroups=false"}},
                            config));
  SY_ASSERT_OK_AND_ASSIGN(const auto programs, MakePrograms(config, runner_));
  checks::Checker checker(*programs, nullptr, clock_, slow_, CheckLimitsOf(config.limits()));
  const auto backend = std::make_unique<LocalExec>(*programs, checker, slow_);
  EXPECT_THAT(backend->Check(Of({"say", "x"})), IsError("NOT_ALLOWED"));
  folder_.Write("data/allowlist.yaml", "rules:\n- {name: probe, program: " + probe_ + ", rest: ['any:']}\n");
  SY_ASSERT_OK(ReloadAllowlist(config, *programs));
  SY_EXPECT_OK(backend->Check(Of({"say", "x"})));
  folder_.Write("data/allowlist.yaml", "rules: [{}]\n");
  EXPECT_THAT(ReloadAllowlist(config, *programs), IsError("INVALID_FIELD"));
  SY_EXPECT_OK(backend->Check(Of({"say", "x"})));
  EXPECT_THAT(MakePrograms(config, runner_).status(), IsError("INVALID_FIELD"));
  EXPECT_EQ(LimitsOf(config.limits()).memory_bytes, 64u << 20);
}

}  // namespace
}  // namespace switchyard::executor
