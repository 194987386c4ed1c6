// Tries, as a task, what a task must not be able to do. Each try prints one word, `ok` or what stopped it. For tests.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

extern char** environ;

namespace {

int Say(const char* what, bool worked) {
  printf("%s %s\n", what, worked ? "ok" : strerrorname_np(errno));
  fflush(stdout);
  return worked ? 0 : 1;
}

int Read(const char* path) {
  char byte = 0;
  const int fd = open(path, O_RDONLY);
  return Say("read", fd >= 0 && read(fd, &byte, 1) >= 0);
}

int Write(const char* path) {
  const int fd = open(path, O_WRONLY | O_CREAT, 0644);
  return Say("write", fd >= 0 && write(fd, "x", 1) == 1);
}

int Connect(const char* host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host, &address.sin_addr);
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  timeval limit = {2, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  return Say("connect", connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
}

[[noreturn]] void SleepForever() {
  for (;;) pause();
}

int ForkBomb() {
  int count = 0;
  for (; count < 5000; ++count) {
    const pid_t pid = fork();
    if (pid < 0) break;
    if (pid == 0) SleepForever();
  }
  printf("forked %d\n", count);
  fflush(stdout);
  return 0;
}

int Daemon() {
  const pid_t first = fork();
  if (first == 0) {
    setsid();
    if (fork() != 0) _exit(0);
    for (const int ignored : {SIGTERM, SIGHUP, SIGINT}) signal(ignored, SIG_IGN);
    SleepForever();
  }
  waitpid(first, nullptr, 0);
  return Say("daemon", true);
}

// Leaves a daemon and ends the shim, which would have ended the daemon.
int Desert() {
  Daemon();
  return kill(getppid(), SIGKILL);
}

int Allocate(long mib) {
  for (long done = 0; done < mib; ++done) {
    void* block = malloc(1 << 20);
    if (block == nullptr) return Say("allocate", false);
    memset(block, 1, 1 << 20);
  }
  Say("allocate", true);
  SleepForever();
}

// Shared memory is no process' data: only who looks at the whole sees it.
int Share(long mib) {
  const int fd = open("/dev/shm/block", O_RDWR | O_CREAT, 0600);
  char block[4096];
  memset(block, 1, sizeof(block));
  for (long done = 0; done < mib * 256; ++done) {
    if (fd < 0 || write(fd, block, sizeof(block)) != static_cast<ssize_t>(sizeof(block))) return Say("share", false);
  }
  return Say("share", true);
}

int Fill(long mib, bool many) {
  static char block[1 << 20];
  int fd = -1;
  for (long done = 0; done < mib; ++done) {
    char name[32];
    snprintf(name, sizeof(name), "block%ld", many ? done : 0);
    if (many && fd >= 0) close(fd);
    if (many || fd < 0) fd = open(name, O_WRONLY | O_CREAT, 0600);
    memset(block, 1, sizeof(block));
    if (fd < 0 || write(fd, block, sizeof(block)) != static_cast<ssize_t>(sizeof(block))) return Say("fill", false);
  }
  Say("fill", true);
  SleepForever();
}

int Spew(long long bytes) {
  char line[1024];
  memset(line, 'y', sizeof(line));
  line[sizeof(line) - 1] = '\n';
  for (long long done = 0; done < bytes; done += static_cast<long long>(sizeof(line))) {
    if (write(1, line, sizeof(line)) < 0) return 1;
  }
  return 0;
}

int Environment() {
  for (char** entry = environ; *entry != nullptr; ++entry) puts(*entry);
  return 0;
}

int Link() {
  if (symlink("/etc", "out") != 0) return Say("link", false);
  Read("out/shadow");
  return Write("out/switchyard-escape");
}

// The shim is our parent: its socket could tell the executor lies.
int Shim() {
  char path[64];
  snprintf(path, sizeof(path), "/proc/%d/fd/3", getppid());
  Say("open", open(path, O_RDWR) >= 0);
  snprintf(path, sizeof(path), "/proc/%d/mem", getppid());
  return Say("memory", open(path, O_RDWR) >= 0);
}

int Mount() { return Say("mount", mount("none", "/tmp", "tmpfs", 0, nullptr) == 0); }

int Echo() {
  char buffer[4096];
  ssize_t size = 0;
  while ((size = read(0, buffer, sizeof(buffer))) > 0) {
    if (write(1, buffer, static_cast<size_t>(size)) < 0) return 1;
  }
  return 0;
}

int Folder() {
  char path[4096];
  puts(getcwd(path, sizeof(path)) == nullptr ? "" : path);
  struct stat info {};
  for (int fd = 3; fd < 256; ++fd) {
    if (fstat(fd, &info) == 0) printf("descriptor %d is open\n", fd);
  }
  return 0;
}

// Hides a folder's content from whoever lists it.
int Hide() {
  mkdir("hidden", 0700);
  const int fd = open("hidden/file", O_WRONLY | O_CREAT, 0600);
  close(fd);
  return Say("hide", chmod("hidden", 0) == 0);
}

int Stubborn() {
  signal(SIGTERM, SIG_IGN);
  Say("stubborn", true);
  SleepForever();
}

int Polite() {
  static const auto leave = [](int) {
    [[maybe_unused]] const ssize_t written = write(1, "bye\n", 4);
    _exit(0);
  };
  signal(SIGTERM, leave);
  Say("polite", true);
  SleepForever();
}

}  // namespace

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* with = argc > 2 ? argv[2] : "0";
  const auto is = [what](const char* name) { return strcmp(what, name) == 0; };
  if (is("read")) return Read(with);
  if (is("write")) return Write(with);
  if (is("connect")) return Connect(with, argc > 3 ? atoi(argv[3]) : 0);
  if (is("kill")) return Say("kill", kill(atoi(with), SIGKILL) == 0);
  if (is("ptrace")) return Say("ptrace", ptrace(PTRACE_ATTACH, atoi(with), nullptr, nullptr) == 0);
  if (is("userns")) return Say("userns", unshare(CLONE_NEWUSER) == 0);
  if (is("mount")) return Mount();
  if (is("forkbomb")) return ForkBomb();
  if (is("daemon")) return Daemon();
  if (is("desert")) return Desert();
  if (is("allocate")) return Allocate(atol(with));
  if (is("share")) return Share(atol(with));
  if (is("fill")) return Fill(atol(with), false);
  if (is("fill-many")) return Fill(atol(with), true);
  if (is("spew")) return Spew(atoll(with));
  if (is("environment")) return Environment();
  if (is("link")) return Link();
  if (is("symlink")) return Say("symlink", symlink(with, "out") == 0);
  if (is("shim")) return Shim();
  if (is("hide")) return Hide();
  if (is("echo")) return Echo();
  if (is("folder")) return Folder();
  if (is("stubborn")) return Stubborn();
  if (is("polite")) return Polite();
  if (is("uid")) return printf("uid %d\n", static_cast<int>(getuid())) < 0;
  if (is("say")) return puts(with) < 0;
  if (is("fail")) return atoi(with);
  if (is("crash")) abort();
  if (is("unshim")) return kill(getppid(), SIGKILL);
  return 64;
}
