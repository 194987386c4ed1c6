// Remotes that lie, hang or want a credential.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "libs/base/log.h"
#include "libs/base/mutex.h"
#include "services/executor/repository/mirror.h"
#include "services/executor/repository/repository_fixture.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor::repository {
namespace {

using switchyard::testing::IsError;
using switchyard::testing::IsOk;
using switchyard::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kSecret = "s3cretTokenOfTheTest";

std::filesystem::path MirrorOf(const Worktree& worktree) {
  return std::filesystem::path(worktree.facts().folder).parent_path().parent_path().parent_path() / "mirror.git";
}

void EmptyObjects(const std::filesystem::path& mirror) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(mirror / "objects")) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_write, std::filesystem::perm_options::add);
    std::filesystem::resize_file(entry.path(), 0);
  }
}

// The arguments and environments of all processes that can be read.
std::string AllCommandLines() {
  std::string all;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos) continue;
    all += ReadText(entry.path() / "cmdline") + "\n" + ReadText(entry.path() / "environ") + "\n";
  }
  return all;
}

std::string HeaderOf(const std::string& request, const std::string& name) {
  const std::size_t at = request.find("\r\n" + name + ": ");
  if (at == std::string::npos || at > request.find("\r\n\r\n")) return "";
  const std::size_t from = at + name.size() + 4;
  return request.substr(from, request.find("\r\n", from) - from);
}

// A web server that answers every request by one function; on its own thread.
class WebServer {
 public:
  using Answer = std::function<std::string(const std::string& request)>;
  explicit WebServer(Answer answer)
      : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_.get(), 16), 0);
    getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(pipe2(end_, O_CLOEXEC), 0);
    thread_ = std::thread([this] { Serve(); });
  }
  ~WebServer() {
    close(end_[1]);
    thread_.join();
    close(end_[0]);
  }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }
  std::string requests() {
    MutexLock lock(mutex_);
    return requests_;
  }

 private:
  // With its body, when it says how long that is.
  std::string ReadRequest(int client) {
    std::string request;
    char buffer[65536];
    std::size_t wanted = std::string::npos;
    while (request.size() < wanted && Wait(client)) {
      const ssize_t size = read(client, buffer, sizeof(buffer));
      if (size <= 0) break;
      request.append(buffer, static_cast<std::size_t>(size));
      const std::size_t end = request.find("\r\n\r\n");
      if (end == std::string::npos || wanted != std::string::npos) continue;
      wanted = end + 4;
      if (const std::string length = HeaderOf(request, "Content-Length"); !length.empty()) wanted += std::stoul(length);
    }
    return request;
  }
  bool Wait(int fd) {
    pollfd waits[2] = {{fd, POLLIN, 0}, {end_[0], POLLIN, 0}};
    while (poll(waits, 2, -1) < 0 && errno == EINTR) {
    }
    return waits[1].revents == 0;
  }
  void Serve() {
    while (Wait(listener_.get())) {
      const UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const std::string request = ReadRequest(client.get());
      {
        MutexLock lock(mutex_);
        requests_ += request;
      }
      const std::string answer = answer_(request);
      // No answer at all: the connection stays open.
      if (answer.empty()) Wait(-1);
      if (!answer.empty()) send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  const Answer answer_;
  const UniqueFd listener_;
  int port_ = 0;
  int end_[2] = {-1, -1};
  Mutex mutex_;
  std::string requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

class RemoteTest : public RepositoryTest {
 protected:
  GitWorktrees::Options WebOptions(const std::string& url) {
    GitWorktrees::Options options = Options();
    options.policy =
        *RepositoryPolicy::Make({url + "/"}, {"env:TOKEN " + url + "/"},
                                [](const std::string&) -> absl::StatusOr<std::string> { return std::string(kSecret); });
    return options;
  }
  static RepositoryWork At(const std::string& url) {
    RepositoryWork work;
    work.repository = url;
    return work;
  }
  // Shell that moves main at the remote, from within a fake git.
  std::string MoveMain() const {
    return "env -i PATH=$PATH HOME=/nonexistent GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a GIT_COMMITTER_NAME=a "
           "GIT_COMMITTER_EMAIL=a "
           "sh -c 'cd " +
           people_ + " && git commit -q --allow-empty -m moved && git push -q " + remote_ + " HEAD:main'\n";
  }
};

TEST_F(RemoteTest, AFetchThatDidNothingIsAFailure) {
  GitWorktrees::Options options = Options();
  options.git = FakeGit("for a in \"$@\"; do [ \"$a\" = fetch ] && exit 0; done\nexec $REAL \"$@\"\n");
  EXPECT_THAT(Open(options)->Prepare("t1", App(), never_), IsError("FETCH_MISMATCH"));
}

TEST_F(RemoteTest, AFetchThatStoppedWorkingSilentlyIsAFailure) {
  { EXPECT_NE(Prepare(*Open()), nullptr); }
  PeoplePush("more");
  GitWorktrees::Options options = Options();
  options.git = FakeGit("for a in \"$@\"; do [ \"$a\" = fetch ] && exit 0; done\nexec $REAL \"$@\"\n");
  EXPECT_THAT(Open(options)->Prepare("t1", App(), never_), IsError("FETCH_MISMATCH"));
}

TEST_F(RemoteTest, ABaseThatNeverRestsIsAFailure) {
  GitWorktrees::Options options = Options();
  options.git = FakeGit("$REAL \"$@\"; code=$?\ncase \"$*\" in *fetch*) " + MoveMain() + ";; esac\nexit $code\n");
  EXPECT_THAT(Open(options)->Prepare("t1", App(), never_), IsError("FETCH_MISMATCH"));
}

TEST_F(RemoteTest, ABaseThatMovedOnceIsFetchedAgain) {
  GitWorktrees::Options options = Options();
  const std::string moved = dir_.File("moved");
  options.git = FakeGit("$REAL \"$@\"; code=$?\ncase \"$*\" in *fetch*) if [ ! -e " + moved + " ]; then touch " +
                        moved + "; " + MoveMain() + "fi;; esac\nexit $code\n");
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(worktree->facts().base_commit, AtRemote("refs/heads/main"));
}

TEST_F(RemoteTest, APushThatDidNothingIsAFailure) {
  GitWorktrees::Options options = Options();
  options.git = FakeGit("for a in \"$@\"; do [ \"$a\" = --porcelain ] && exit 0; done\nexec $REAL \"$@\"\n");
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "b", "b\n");
  ASSERT_THAT(worktree->Commit("b", never_), IsOk());
  EXPECT_THAT(worktree->Push(never_), IsError("PUSH_MISMATCH"));
}

TEST_F(RemoteTest, ABranchThatMovesDuringAPushIsNotOverwritten) {
  const std::string theirs = PeoplePush("theirs");
  GitWorktrees::Options options = Options();
  const std::string other =
      "env -i PATH=$PATH sh -c 'cd " + people_ + " && git push -q " + remote_ + " HEAD:agent/t1'\n";
  options.git = FakeGit("case \"$*\" in *--porcelain*) " + other + ";; esac\nexec $REAL \"$@\"\n");
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  Write(*worktree, "b", "b\n");
  ASSERT_THAT(worktree->Commit("b", never_), IsOk());
  EXPECT_THAT(worktree->Push(never_), IsError("PUSH_REJECTED"));
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), theirs);
}

TEST_F(RemoteTest, ARemoteThatIsGoneIsAFailureForAWhile) {
  std::filesystem::rename(remote_, remote_ + ".away");
  const auto worktrees = Open();
  const absl::Status status = worktrees->Prepare("t1", App(), never_).status();
  EXPECT_THAT(status, IsError("FETCH_FAILED"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  std::filesystem::rename(remote_ + ".away", remote_);
  EXPECT_NE(Prepare(*worktrees), nullptr);
}

TEST_F(RemoteTest, ADamagedCloneIsFetchedAnew) {
  const auto worktrees = Open();
  std::filesystem::path mirror;
  {
    const auto worktree = Prepare(*worktrees);
    mirror = MirrorOf(*worktree);
    worktree->Release(Release::kRemove);
  }
  PeoplePush("more");
  EmptyObjects(mirror);
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(Read(*worktree, "README"), "hello\n");
}

TEST_F(RemoteTest, ACloneStaysWhateverARemoteSaysOfIt) {
  // The first says it as the remote, the second as git itself would.
  for (const std::string said :
       {"remote: error: object is corrupt\nfatal: remote error: corrupt", "fatal: bad object"}) {
    GitWorktrees::Options options = Options();
    options.git = FakeGit("case \" $* \" in *\" fetch \"*) [ -e " + dir_.File("lies") + " ] && { printf '" + said +
                          "\\n' >&2; exit 128; } ;; esac\nexec $REAL \"$@\"\n");
    const auto worktrees = Open(options);
    const auto worktree = Prepare(*worktrees);
    ASSERT_NE(worktree, nullptr);
    const std::string mark = MirrorOf(*worktree) / "mark";
    std::ofstream(mark) << "here";
    worktree->Release(Release::kRemove);
    dir_.Write("lies", "");
    EXPECT_THAT(worktrees->Prepare("t2", App(), never_).status(), IsError("FETCH_FAILED"));
    EXPECT_TRUE(std::filesystem::exists(mark)) << said;
    std::filesystem::remove(dir_.File("lies"));
  }
}

TEST_F(RemoteTest, ADamagedCloneStaysWhileAnotherTaskUsesIt) {
  GitWorktrees::Options options = Options();
  options.git = FakeGit(
      "case \" $* \" in *\" fetch \"*) [ -e \"$GIT_DIR/mark\" ] && { echo 'fatal: bad object' >&2; exit 128; } ;; "
      "esac\n"
      "exec $REAL \"$@\"\n");
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  const std::string mark = MirrorOf(*worktree) / "mark";
  std::ofstream(mark) << "here";
  EmptyObjects(MirrorOf(*worktree));
  EXPECT_THAT(worktrees->Prepare("t2", App(), never_).status(), IsError("FETCH_FAILED"));
  EXPECT_TRUE(std::filesystem::exists(mark));
  worktree->Release(Release::kRemove);
  EXPECT_NE(Prepare(*worktrees, "t2"), nullptr);
  EXPECT_FALSE(std::filesystem::exists(mark));
}

TEST_F(RemoteTest, NothingIsTakenIntoACloneWhileAnotherTaskFetches) {
  GitWorktrees::Options options = Options();
  const std::string fetching = dir_.File("fetching");
  const std::string taken = dir_.File("taken");
  // A fetch waits a while for what must not come; what comes says whether a fetch was under way.
  options.git = FakeGit(
      "case \" $* \" in\n"
      "*\" fetch \"*) if [ -e " +
      dir_.File("slow") + " ]; then touch " + fetching + "; i=0; while [ $i -lt 20 ] && [ ! -e " + taken +
      " ]; do sleep 0.05; i=$((i+1)); done; $REAL \"$@\"; e=$?; rm " + fetching +
      "; exit $e; fi ;;\n"
      "*\" push --quiet \"*) if [ -e " +
      fetching + " ]; then echo during >" + taken + "; else echo after >" + taken +
      "; fi ;;\n"
      "esac\nexec $REAL \"$@\"\n");
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  Write(*worktree, "b", "b\n");
  SY_ASSERT_OK(worktree->Commit("b", never_).status());
  dir_.Write("slow", "");
  std::thread other([&] { EXPECT_NE(Prepare(*worktrees, "t2"), nullptr); });
  while (!std::filesystem::exists(fetching)) std::this_thread::yield();
  worktree->Release(Release::kKeep);
  other.join();
  EXPECT_EQ(ReadText(taken), "after\n");
}

TEST_F(RemoteTest, ThePasswordBehindANameIsNotToldWhenAPushIsRefused) {
  mkdir(dir_.File("home").c_str(), 0755);
  SY_ASSERT_OK_AND_ASSIGN(
      const GitHome home,
      GitHome::Make(
          {.git = FakeGit("printf '!\\ta:b\\t[remote rejected] (not zq7pass)\\n'; echo zq7pass >&2; exit 1\n"),
           .folder = dir_.File("home"),
           .author = "A <a@x>",
           .fetch_timeout = absl::Minutes(1),
           .local_timeout = absl::Minutes(1)}));
  SY_ASSERT_OK_AND_ASSIGN(const RepositoryUrl url, ParseRepositoryUrl("https://example.com/app"));
  const Mirror mirror(home, url, {.key_file = "", .secret = "robot:zq7pass"}, dir_.File("home"));
  const absl::Status status = mirror.Push(std::string(40, 'a'), "agent/t1", "", "", never_);
  EXPECT_THAT(status, IsError("PUSH_REJECTED"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("zq7pass")));
}

TEST_F(RemoteTest, AHangingFetchEndsOnStop) {
  Stop stop(false);
  // Seen by the server: git is waiting for it.
  WebServer server([&stop](const std::string&) {
    stop = true;
    return std::string();
  });
  const auto worktrees = Open(WebOptions(server.url()));
  EXPECT_THAT(worktrees->Prepare("t1", At(server.url() + "/app"), stop), StatusIs(absl::StatusCode::kCancelled));
  // Nothing is left that would keep the next attempt out.
  EXPECT_THAT(worktrees->Prepare("t1", At(server.url() + "/app"), stop), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RemoteTest, AHangingFetchEndsAtItsTime) {
  WebServer server([](const std::string&) { return std::string(); });
  GitWorktrees::Options options = WebOptions(server.url());
  options.fetch_timeout = absl::Milliseconds(300);
  EXPECT_THAT(Open(options)->Prepare("t1", At(server.url() + "/app"), never_), IsError("GIT_TIMEOUT"));
}

TEST_F(RemoteTest, WhoWaitsForAFetchOfTheSameRepositoryCanBeStopped) {
  Stop first(false);
  Stop second(false);
  WebServer server([&second](const std::string&) {
    second = true;
    return std::string();
  });
  const auto worktrees = Open(WebOptions(server.url()));
  std::thread holder([&] {
    EXPECT_THAT(worktrees->Prepare("t1", At(server.url() + "/app"), first), StatusIs(absl::StatusCode::kCancelled));
  });
  while (!second) std::this_thread::yield();
  EXPECT_THAT(worktrees->Prepare("t2", At(server.url() + "/app.git"), second), StatusIs(absl::StatusCode::kCancelled));
  first = true;
  holder.join();
}

std::string* captured_log = nullptr;

TEST_F(RemoteTest, ACredentialReachesTheRemoteAndNothingElse) {
  std::string lines;
  captured_log = &lines;
  SetLogWriter([](std::string_view line) { captured_log->append(line); });
  std::string seen;
  WebServer server([&seen](const std::string& request) -> std::string {
    if (request.find("Authorization:") == std::string::npos) {
      return "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    }
    seen = AllCommandLines();
    return absl::StrCat("HTTP/1.1 403 No\r\nContent-Length: 20\r\nConnection: close\r\n\r\n", kSecret);
  });
  const absl::Status status = Open(WebOptions(server.url()))->Prepare("t1", At(server.url() + "/app"), never_).status();
  SetLogWriter(nullptr);
  EXPECT_THAT(status, IsError("REMOTE_UNAUTHORIZED"));
  EXPECT_THAT(server.requests(), HasSubstr(absl::Base64Escape(absl::StrCat("x-access-token:", kSecret))));
  EXPECT_THAT(seen, HasSubstr("ls-remote"));
  for (const std::string& text : {seen, lines, std::string(status.message())}) {
    EXPECT_EQ(text.find(kSecret), std::string::npos);
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_.File("data"))) {
    if (!entry.is_regular_file()) continue;
    EXPECT_THAT(ReadText(entry.path()), Not(HasSubstr(kSecret))) << entry.path();
  }
}

TEST_F(RemoteTest, ACredentialGoesToNoPlaceThatTheRemoteNames) {
  WebServer thief([](const std::string&) {
    return "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  });
  WebServer server([&thief](const std::string&) {
    return absl::StrCat("HTTP/1.1 302 Elsewhere\r\nLocation: ", thief.url(),
                        "/app/info/refs?service=git-upload-pack\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  EXPECT_THAT(Open(WebOptions(server.url()))->Prepare("t1", At(server.url() + "/app"), never_), Not(IsOk()));
  EXPECT_THAT(thief.requests(), IsEmpty());
}

// What a forge does with git's requests.
std::string AnswerAsForge(const std::string& root, const std::string& request) {
  const std::size_t end = request.find("\r\n\r\n");
  const std::vector<std::string> line = absl::StrSplit(request.substr(0, request.find("\r\n")), ' ');
  const std::vector<std::string> target = absl::StrSplit(line[1], absl::MaxSplits('?', 1));
  GitCall call;
  call.arguments = {"http-backend"};
  call.input = request.substr(end + 4);
  call.environment = {"PATH=/usr/bin:/bin",
                      "GIT_CONFIG_COUNT=1",
                      "GIT_CONFIG_KEY_0=safe.directory",
                      "GIT_CONFIG_VALUE_0=*",
                      "GIT_PROJECT_ROOT=" + root,
                      "GIT_HTTP_EXPORT_ALL=1",
                      "REMOTE_USER=robot",
                      "REQUEST_METHOD=" + line[0],
                      "PATH_INFO=" + target[0],
                      "QUERY_STRING=" + (target.size() > 1 ? target[1] : ""),
                      "CONTENT_TYPE=" + HeaderOf(request, "Content-Type"),
                      "CONTENT_LENGTH=" + std::to_string(call.input.size()),
                      "HTTP_CONTENT_ENCODING=" + HeaderOf(request, "Content-Encoding"),
                      "HTTP_GIT_PROTOCOL=" + HeaderOf(request, "Git-Protocol")};
  const Stop never(false);
  const absl::StatusOr<GitAnswer> answer = RunGit("/usr/bin/git", call, never);
  EXPECT_THAT(answer, IsOk());
  const std::string output = answer.ok() ? answer->output : "\r\n\r\n";
  const std::size_t split = output.find("\r\n\r\n");
  const std::size_t status = output.find("Status: ");
  const std::string code =
      status < split ? output.substr(status + 8, output.find("\r\n", status) - status - 8) : "200 OK";
  return absl::StrCat("HTTP/1.1 ", code, "\r\nContent-Length: ", output.size() - split - 4, "\r\nConnection: close\r\n",
                      output.substr(0, split), "\r\n\r\n", output.substr(split + 4));
}

TEST_F(RemoteTest, WorksWithAForgeThatWantsACredential) {
  const std::string wanted = absl::StrCat("Basic ", absl::Base64Escape("robot:pass:word"));
  WebServer server([&](const std::string& request) {
    if (HeaderOf(request, "Authorization") == wanted) return AnswerAsForge(dir_.path(), request);
    return std::string(
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  });
  GitWorktrees::Options options = Options();
  options.policy = *RepositoryPolicy::Make(
      {"app=" + server.url() + "/remote.git"}, {"env:TOKEN " + server.url() + "/"},
      [](const std::string&) -> absl::StatusOr<std::string> { return std::string("robot:pass:word"); });
  const auto worktrees = Open(options);
  const auto worktree = Prepare(*worktrees);
  ASSERT_NE(worktree, nullptr);
  EXPECT_EQ(worktree->facts().repository, server.url() + "/remote.git");
  Write(*worktree, "b", "b\n");
  SY_ASSERT_OK_AND_ASSIGN(const Commitment made, worktree->Commit("b", never_));
  EXPECT_THAT(worktree->Push(never_), switchyard::testing::IsOkAndHolds(made.commit));
  EXPECT_EQ(AtRemote("refs/heads/agent/t1"), made.commit);
}

TEST_F(RemoteTest, ManyTasksOfOneRepositoryAtOnce) {
  const auto worktrees = Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      const auto worktree = Prepare(*worktrees, absl::StrCat("t", i));
      ASSERT_NE(worktree, nullptr);
      Write(*worktree, "file", std::to_string(i));
      EXPECT_THAT(worktree->Commit("work", never_), IsOk());
      EXPECT_THAT(worktree->Push(never_), IsOk());
      worktree->Release(Release::kRemove);
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(People({"show", absl::StrCat("agent/t", i, ":file")}, remote_), std::to_string(i));
  }
}

}  // namespace
}  // namespace switchyard::executor::repository
