// What a task tries to get out of its sandbox, and what stays of it. Works as root, where tasks become another user,
// and as a plain user.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "services/executor/executor_fixture.h"

namespace switchyard::executor {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class EscapeTest : public ExecutorFixture {
 protected:
  void SetUp() override {
    ExecutorFixture::SetUp();
    if (!HasSandbox()) GTEST_SKIP() << "no sandbox on this machine";
  }

  // Processes on this host whose command line holds the text.
  static int CountProcesses(const std::string& text) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      std::ifstream file(entry.path() / "cmdline");
      std::ostringstream line;
      line << file.rdbuf();
      count += line.str().find(text) != std::string::npos ? 1 : 0;
    }
    return count;
  }
};

// A server on the loopback interface.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    bind(fd_, reinterpret_cast<sockaddr*>(&address), size);
    listen(fd_, 8);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listener() { close(fd_); }
  std::string port() const { return std::to_string(port_); }

 private:
  int fd_;
  int port_ = 0;
};

// A process that a task would like to reach.
class Bystander {
 public:
  Bystander() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
  }
  ~Bystander() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string pid() const { return std::to_string(pid_); }
  bool alive() const { return waitpid(pid_, nullptr, WNOHANG) == 0; }

 private:
  pid_t pid_;
};

TEST_F(EscapeTest, NeverRunsAsRoot) {
  const Evidence evidence = Try({"uid"});
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_THAT(evidence.output, Not(HasSubstr("uid 0\n")));
  EXPECT_NE(evidence.uid, 0u);
  EXPECT_EQ(evidence.sandbox, "bubblewrap");
}

TEST_F(EscapeTest, SeesNeitherTheHostsSecretsNorTheExecutors) {
  for (const std::string& path :
       {std::string("/etc/shadow"), token_, data_ + "/journal", std::string("/root/.ssh/id_rsa"),
        std::string("/proc/1/root/etc/shadow"), "/proc/self/root" + token_, std::string("/proc/kcore"),
        std::string("/dev/mem"), std::string("/sys/kernel/notes"), std::string("/var/log/syslog")}) {
    const Evidence evidence = Try({"read", path});
    EXPECT_THAT(evidence.output, Not(HasSubstr("read ok"))) << path;
    EXPECT_EQ(evidence.exit_code, 1) << path;
  }
}

TEST_F(EscapeTest, WritesOnlyIntoItsFolders) {
  for (const char* path : {"/escape", "/usr/escape", "/etc/escape", "/etc/passwd", "/dev/escape", "/run/escape",
                           "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
                           "/run/switchyard/shim", "/workspace/../escape"}) {
    EXPECT_THAT(Try({"write", path}).output, Not(HasSubstr("write ok"))) << path;
  }
  EXPECT_THAT(Try({"write", probe_}).output, Not(HasSubstr("write ok")));
  for (const char* path : {"/workspace/inside", "/tmp/inside", "inside"}) {
    EXPECT_THAT(Try({"write", path}).output, HasSubstr("write ok")) << path;
  }
}

TEST_F(EscapeTest, HasNoNetworkUnlessTheRuleGrantsIt) {
  const Listener listener;
  EXPECT_THAT(Try({"connect", "127.0.0.1", listener.port()}).output, Not(HasSubstr("connect ok")));
  EXPECT_THAT(Try({"connect", "192.0.2.1", "80"}).output, HasSubstr("ENETUNREACH"));
  Work work = Of({"connect", "127.0.0.1", listener.port()});
  work.network = true;
  CollectingSink sink;
  EXPECT_THAT(backend_->Start(work, sink), testing::IsError("NOT_ALLOWED"));

  Rebuild("  network: true\n");
  EXPECT_THAT(Try({"connect", "127.0.0.1", listener.port()}).output, Not(HasSubstr("connect ok")))
      << "granted, but the work does not ask for it";
  const Evidence evidence = Run(work);
  EXPECT_THAT(evidence.output, HasSubstr("connect ok"));
  EXPECT_TRUE(evidence.network);
}

TEST_F(EscapeTest, ReachesNoProcessOutside) {
  const Bystander bystander;
  for (const std::string& pid : {bystander.pid(), std::to_string(getpid()), std::to_string(getppid())}) {
    EXPECT_THAT(Try({"kill", pid}).output, HasSubstr("ESRCH"));
    EXPECT_THAT(Try({"ptrace", pid}).output, Not(HasSubstr("ptrace ok")));
  }
  Try({"kill", "-1"});
  EXPECT_TRUE(bystander.alive());
}

TEST_F(EscapeTest, GetsNoFurtherRights) {
  EXPECT_THAT(Try({"userns"}).output, Not(HasSubstr("userns ok")));
  EXPECT_THAT(Try({"mount"}).output, HasSubstr("EPERM"));
  const Evidence status = Try({"read", "/proc/self/status"});
  EXPECT_EQ(status.outcome, Outcome::kSucceeded);
  const Evidence shim = Try({"shim"});
  EXPECT_THAT(shim.output, Not(HasSubstr("open ok")));
  EXPECT_THAT(shim.output, Not(HasSubstr("memory ok")));
}

TEST_F(EscapeTest, LinksLeadNowhere) {
  const Evidence evidence = Try({"link"});
  EXPECT_THAT(evidence.output, Not(HasSubstr("read ok")));
  EXPECT_THAT(evidence.output, Not(HasSubstr("write ok")));
  EXPECT_FALSE(std::filesystem::exists("/etc/switchyard-escape"));
}

TEST_F(EscapeTest, AForkBombMeetsItsLimit) {
  limits_.processes = 20;
  Rebuild();
  const Evidence evidence = Try({"forkbomb"});
  const bool by_kernel = std::any_of(evidence.limits.begin(), evidence.limits.end(), [](const HeldLimit& limit) {
    return limit.name == "processes" && limit.held_by == "rlimit";
  });
  if (by_kernel) {
    int count = 0;
    ASSERT_EQ(sscanf(evidence.output.c_str(), "forked %d", &count), 1) << evidence.output << evidence.message;
    EXPECT_LE(count, 20);
    EXPECT_GE(count, 10);
  } else {
    EXPECT_EQ(evidence.reason, "PROCESS_LIMIT");
  }
}

TEST_F(EscapeTest, LeavesNoDaemonBehind) {
  const std::string mark = "mark-" + std::to_string(getpid());
  const Evidence evidence = Try({"daemon", mark});
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  EXPECT_EQ(CountProcesses(mark), 0);
}

TEST_F(EscapeTest, WithoutItsShimItEndsToo) {
  const std::string mark = "mark-" + std::to_string(getpid());
  const Evidence evidence = Try({"unshim", mark});
  EXPECT_EQ(evidence.outcome, Outcome::kFailed);
  EXPECT_EQ(evidence.reason, "SIGNAL");
  EXPECT_FALSE(evidence.executor_fault);
  EXPECT_EQ(CountProcesses(mark), 0);
}

TEST_F(EscapeTest, MemoryIsBounded) {
  limits_.memory_bytes = 64 << 20;
  Rebuild();
  const Evidence evidence = Try({"allocate", "100"});
  EXPECT_EQ(evidence.outcome, Outcome::kLimitExceeded) << evidence.output;
  EXPECT_EQ(evidence.reason, "MEMORY_LIMIT");
  EXPECT_FALSE(evidence.executor_fault);
  EXPECT_THAT(Try({"allocate", "1000"}).output, Not(HasSubstr("allocate ok"))) << "held by the kernel at once";
  EXPECT_THAT(Try({"share", "300"}).output, HasSubstr("ENOSPC"));
}

TEST_F(EscapeTest, DiskIsBounded) {
  limits_.disk_bytes = 8 << 20;
  Rebuild();
  EXPECT_EQ(Try({"fill", "20"}).reason, "SIGNAL") << "the largest file is held by the kernel";
  const Evidence evidence = Try({"fill-many", "20"});
  EXPECT_EQ(evidence.reason, "DISK_LIMIT") << evidence.message;
}

TEST_F(EscapeTest, NothingOfTheExecutorsEnvironmentOrDescriptorsIsThere) {
  setenv("SWITCHYARD_HUB_TOKEN", "visible-secret", 1);
  const Evidence environment = Try({"environment"});
  EXPECT_THAT(environment.output, Not(HasSubstr("visible-secret")));
  EXPECT_THAT(environment.output, HasSubstr("PATH=/usr/local/bin:/usr/bin:/bin\n"));
  unsetenv("SWITCHYARD_HUB_TOKEN");
  EXPECT_EQ(Try({"folder"}).output, "/workspace\n");
}

TEST_F(EscapeTest, ItsFolderIsGoneAfterwards) {
  EXPECT_THAT(Try({"hide"}).output, HasSubstr("hide ok"));
  slow_.Stop();
  EXPECT_TRUE(std::filesystem::is_empty(work_));
}

}  // namespace
}  // namespace switchyard::executor
