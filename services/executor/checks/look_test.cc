// What stands in a folder, from harmless to hostile.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"
#include "services/executor/checks/folder.h"

namespace switchyard::executor::checks {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A repository that says what the test tells it to.
class FakeChanges final : public ChangeView {
 public:
  absl::StatusOr<Changes> Look(absl::Duration, const std::atomic<bool>&) override {
    if (!status.ok()) return status;
    return changes;
  }
  std::optional<std::string> Before(const std::string&, std::size_t) override { return before; }

  absl::Status status;
  Changes changes;
  std::optional<std::string> before;
};

class LookTest : public ::testing::Test {
 protected:
  LookTest() : patience_(clock_, clock_.Now() + absl::Minutes(1), stop_) {
    place_.folder = folder_.File("task");
    std::filesystem::create_directory(place_.folder);
    folder_.Write("outside", "not the task's");
  }
  void Write(const std::string& name, const std::string& content) { folder_.Write("task/" + name, content); }
  void Link(const std::string& name, const std::string& target) {
    std::filesystem::create_symlink(target, place_.folder + "/" + name);
  }
  void Change(const std::string& path, ChangedPath::Kind kind = ChangedPath::Kind::kChanged, int added = 1,
              int removed = 0) {
    changes_.changes.paths.push_back({.path = path, .kind = kind, .lines_added = added, .lines_removed = removed});
    place_.changes = &changes_;
  }
  StepResult Make(const Check& check) {
    StepResult result = LookAt(check, place_, limits_, patience_);
    EXPECT_FALSE(result.evidence.empty());
    EXPECT_LE(result.evidence.size(), kEvidenceBytes);
    return result;
  }
  StepStatus Status(const Check& check) { return Make(check).status; }

  testing::TempDir folder_;
  testing::FakeClock clock_;
  std::atomic<bool> stop_{false};
  const Patience patience_;
  Place place_;
  FakeChanges changes_;
  LookLimits limits_ = {.file_bytes = 1 << 20, .scan_bytes = 1 << 22, .scan_files = 100};
};

TEST_F(LookTest, AFileThatIsThereExists) {
  Write("a/b.txt", "hello\n");
  StepResult result = Make(FileExists{"a/b.txt"});
  EXPECT_EQ(result.status, StepStatus::kPassed);
  EXPECT_EQ(result.facts["bytes"], "6");
  EXPECT_EQ(result.facts["sha256"], "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  result = Make(FileExists{"a/c.txt"});
  EXPECT_EQ(result.status, StepStatus::kFailed);
  EXPECT_THAT(result.evidence, HasSubstr("a/c.txt"));
  EXPECT_EQ(Status(FileExists{"a/b.txt/c"}), StepStatus::kFailed);
  EXPECT_EQ(Status(FileExists{"a"}), StepStatus::kFailed) << "a folder";
}

TEST_F(LookTest, NoPathLeadsOutside) {
  for (const char* path : {"../outside", "/etc/passwd", "a/../../outside", "", ".", "./x", "a//b", "x/"}) {
    EXPECT_EQ(Status(FileExists{path}), StepStatus::kError) << path;
    EXPECT_EQ(Status(FileContains{path, "x"}), StepStatus::kError) << path;
    EXPECT_EQ(Status(JsonValid{path, ""}), StepStatus::kError) << path;
  }
  EXPECT_EQ(Status(FileExists{std::string("a\0b", 3)}), StepStatus::kError);
  EXPECT_EQ(Status(FileExists{std::string(5000, 'a')}), StepStatus::kError);
  EXPECT_EQ(Status(FileExists{std::string(300, 'a')}), StepStatus::kError) << "longer than a name can be";
}

TEST_F(LookTest, NoLinkLeadsOutside) {
  Write("real", "hello");
  Write("inner/x", "x");
  Link("up", "../outside");
  Link("absolute", folder_.File("outside"));
  Link("folder", "..");
  Link("loop", "loop");
  Link("proc", "/proc/self/root");
  Link("hanging", "nowhere");
  for (const char* path : {"up", "absolute", "folder/outside", "loop", "proc/etc/passwd", "hanging"}) {
    const StepResult result = Make(FileExists{path});
    EXPECT_EQ(result.status, StepStatus::kFailed) << path << ": " << result.evidence;
    EXPECT_EQ(Status(FileContains{path, "not"}), StepStatus::kFailed) << path;
  }
  // Inside they may lead; where the kernel cannot watch over that, they lead nowhere.
  Link("alias", "real");
  EXPECT_NE(Status(FileExists{"alias"}), StepStatus::kError);
}

TEST_F(LookTest, WhatIsNoFileNeitherBlocksNorCounts) {
  ASSERT_EQ(mkfifo((place_.folder + "/pipe").c_str(), 0600), 0);
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = place_.folder + "/socket";
  ASSERT_LT(path.size(), sizeof(address.sun_path));
  path.copy(address.sun_path, path.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  close(fd);
  for (const char* name : {"pipe", "socket"}) {
    EXPECT_EQ(Status(FileExists{name}), StepStatus::kFailed) << name;
    EXPECT_EQ(Status(FileContains{name, "x"}), StepStatus::kFailed) << name;
    EXPECT_EQ(Status(JsonValid{name, ""}), StepStatus::kFailed) << name;
  }
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kPassed);
}

TEST_F(LookTest, ADeviceIsNotRead) {
  if (geteuid() != 0 || mknod((place_.folder + "/zero").c_str(), S_IFCHR | 0666, 1 << 8 | 5) != 0) {
    GTEST_SKIP() << "devices cannot be made here";
  }
  EXPECT_EQ(Status(FileContains{"zero", "x"}), StepStatus::kFailed);
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kPassed);
}

TEST_F(LookTest, NamesMayHoldAnything) {
  for (const std::string& name :
       {std::string("a\nb"), std::string("-rf"), std::string("\xFF\xFE"), std::string(" "), std::string("$(id)")}) {
    Write(name, "x");
    const StepResult result = Make(FileExists{name});
    EXPECT_EQ(result.status, StepStatus::kPassed) << result.evidence;
    EXPECT_EQ(result.evidence.find('\n'), std::string::npos);
  }
}

TEST_F(LookTest, TextIsFoundAsItStands) {
  Write("a.txt", "first\nsecond line\n");
  StepResult result = Make(FileContains{"a.txt", "second"});
  EXPECT_EQ(result.status, StepStatus::kPassed);
  EXPECT_EQ(result.facts["line"], "2");
  EXPECT_EQ(Status(FileContains{"a.txt", "first\nsecond"}), StepStatus::kPassed);
  result = Make(FileContains{"a.txt", "third"});
  EXPECT_EQ(result.status, StepStatus::kFailed);
  EXPECT_EQ(result.facts["bytes"], "18");
  EXPECT_EQ(Status(FileContains{"b.txt", "x"}), StepStatus::kFailed);
  EXPECT_EQ(Status(FileContains{"a.txt", ""}), StepStatus::kError);
  Write("binary", std::string("\0\xFF needle \0", 12));
  EXPECT_EQ(Status(FileContains{"binary", std::string("needle \0", 8)}), StepStatus::kPassed);
}

TEST_F(LookTest, EvidenceQuotesNothingOfTheFile) {
  Write("a.txt", "hush: something private\n");
  for (const char* text : {"hush", "other"}) {
    EXPECT_THAT(Make(FileContains{"a.txt", text}).evidence, Not(HasSubstr("private")));
  }
}

TEST_F(LookTest, HugeFilesAreReadAsFarAsTheLimit) {
  Write("huge", "begin");
  std::filesystem::resize_file(place_.folder + "/huge", std::uintmax_t{1} << 40);
  EXPECT_EQ(Status(FileExists{"huge"}), StepStatus::kPassed);
  EXPECT_EQ(Status(FileContains{"huge", "begin"}), StepStatus::kPassed);
  EXPECT_EQ(Status(FileContains{"huge", "end"}), StepStatus::kError) << "it may stand further down";
  EXPECT_EQ(Status(JsonValid{"huge", ""}), StepStatus::kError);
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kError) << "what was not looked at may hold some";
}

TEST_F(LookTest, JsonIsReadAndComparedWithItsSchema) {
  Write("good.json", R"({"name": "x", "count": 3})");
  Write("bad.json", R"({"name": "x",})");
  Write("binary.json", "\x7F\xFF\x01");
  EXPECT_EQ(Status(JsonValid{"good.json", ""}), StepStatus::kPassed);
  const std::string schema = R"({"type":"object","properties":{"count":{"type":"integer","minimum":MIN}}})";
  const auto with = [&](const char* least) {
    std::string own = schema;
    return own.replace(own.find("MIN"), 3, least);
  };
  EXPECT_EQ(Status(JsonValid{"good.json", with("3")}), StepStatus::kPassed);
  const StepResult unfit = Make(JsonValid{"good.json", with("4")});
  EXPECT_EQ(unfit.status, StepStatus::kFailed);
  EXPECT_THAT(unfit.evidence, HasSubstr("/count"));
  const StepResult broken = Make(JsonValid{"bad.json", ""});
  EXPECT_EQ(broken.status, StepStatus::kFailed);
  EXPECT_THAT(broken.evidence, HasSubstr("byte"));
  EXPECT_EQ(Status(JsonValid{"binary.json", ""}), StepStatus::kFailed);
  EXPECT_EQ(Status(JsonValid{"missing.json", ""}), StepStatus::kFailed);
  EXPECT_EQ(Status(JsonValid{"good.json", "{"}), StepStatus::kError) << "the schema is at fault";
  EXPECT_EQ(Status(JsonValid{"good.json", R"({"$ref":"#"})"}), StepStatus::kError);
  Write("deep.json", std::string(100'000, '['));
  EXPECT_EQ(Status(JsonValid{"deep.json", ""}), StepStatus::kError);
}

TEST_F(LookTest, WithoutARepositoryNobodyKnowsWhatChanged) {
  for (const Check& check :
       std::initializer_list<Check>{GitClean{}, DiffNotEmpty{}, ChangedOnly{{"*"}}, MaxDiffLines{1}}) {
    const StepResult result = Make(check);
    EXPECT_EQ(result.status, StepStatus::kError) << CheckName(check);
    EXPECT_THAT(result.evidence, HasSubstr("no repository"));
  }
}

TEST_F(LookTest, ChangesAreCompared) {
  place_.changes = &changes_;
  EXPECT_EQ(Status(GitClean{}), StepStatus::kPassed);
  EXPECT_EQ(Status(DiffNotEmpty{}), StepStatus::kFailed);
  EXPECT_EQ(Status(ChangedOnly{{"src/**"}}), StepStatus::kPassed);
  Change("src/a.cc", ChangedPath::Kind::kChanged, 3, 2);
  Change("src/n\nl.cc", ChangedPath::Kind::kAdded, 5, 0);
  EXPECT_EQ(Status(DiffNotEmpty{}), StepStatus::kPassed);
  EXPECT_EQ(Status(ChangedOnly{{"docs/*", "src/**"}}), StepStatus::kPassed);
  Change("README.md", ChangedPath::Kind::kDeleted, 0, 7);
  const StepResult outside = Make(ChangedOnly{{"docs/*", "src/**"}});
  EXPECT_EQ(outside.status, StepStatus::kFailed);
  EXPECT_THAT(outside.evidence, HasSubstr("README.md"));
  EXPECT_THAT(outside.evidence, Not(HasSubstr("a.cc")));
  EXPECT_EQ(Status(ChangedOnly{{"{src/**}"}}), StepStatus::kError) << "no glob";
  EXPECT_EQ(Status(MaxDiffLines{17}), StepStatus::kPassed);
  StepResult lines = Make(MaxDiffLines{16});
  EXPECT_EQ(lines.status, StepStatus::kFailed);
  EXPECT_EQ(lines.facts["lines_removed"], "9");
  changes_.changes.uncommitted = {"src/a.cc"};
  const StepResult dirty = Make(GitClean{});
  EXPECT_EQ(dirty.status, StepStatus::kFailed);
  EXPECT_THAT(dirty.evidence, HasSubstr("src/a.cc"));
}

TEST_F(LookTest, ManyChangesStayReadable) {
  for (int i = 0; i < 10'000; ++i) Change("f" + std::to_string(i));
  StepResult result = Make(DiffNotEmpty{});
  EXPECT_THAT(result.evidence, HasSubstr("9950 more"));
  EXPECT_EQ(result.facts["files"], "10000");
}

TEST_F(LookTest, ARepositoryThatDoesNotAnswerIsAnErrorOrLate) {
  place_.changes = &changes_;
  changes_.status = absl::InternalError("git failed");
  EXPECT_EQ(Status(GitClean{}), StepStatus::kError);
  changes_.status = absl::DeadlineExceededError("late");
  EXPECT_EQ(Status(DiffNotEmpty{}), StepStatus::kTimedOut);
}

TEST_F(LookTest, SecretsAreFoundAndNotShown) {
  const std::string token = std::string("ghp_") + std::string(36, 'A');
  Write("clean.txt", "nothing here\n");
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kPassed);
  Write("deep/in/there.env", "A=1\nTOKEN=" + token + "\n");
  const StepResult found = Make(NoSecrets{});
  EXPECT_EQ(found.status, StepStatus::kFailed);
  EXPECT_THAT(found.evidence, HasSubstr("\"deep/in/there.env\" line 2"));
  EXPECT_THAT(found.evidence, Not(HasSubstr(token)));
  std::filesystem::remove(place_.folder + "/deep/in/there.env");
  Link("link", "https://x/?t=" + token);
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kFailed) << "where a link points is content too";
}

TEST_F(LookTest, OnlyWhatChangedIsLookedAtForSecrets) {
  const std::string token = std::string("ghp_") + std::string(36, 'A');
  Write("old.env", "TOKEN=" + token + "\n");
  Write("new.env", "nothing\n");
  Change("new.env", ChangedPath::Kind::kAdded);
  Change("gone.env", ChangedPath::Kind::kDeleted);
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kPassed);
  Change("old.env");
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kFailed);
  changes_.before = "x\nTOKEN=" + token;
  const StepResult known = Make(NoSecrets{});
  EXPECT_EQ(known.status, StepStatus::kPassed) << "it was there before";
  EXPECT_THAT(known.evidence, HasSubstr("before the work"));
}

TEST_F(LookTest, TooMuchToLookAtIsAnError) {
  for (int i = 0; i < 101; ++i) Write("f" + std::to_string(i), "x");
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kError);
  std::filesystem::remove(place_.folder + "/f100");
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kPassed);
  std::string deep = place_.folder;
  for (int i = 0; i < 300; ++i) {
    deep += "/d";
    ASSERT_EQ(mkdir(deep.c_str(), 0755), 0);
  }
  EXPECT_EQ(Status(NoSecrets{}), StepStatus::kError) << "deeper than is looked at";
}

TEST_F(LookTest, TimeAndCancellationEndALook) {
  Write("a", "x");
  Change("a");
  const std::initializer_list<Check> all = {
      FileExists{"a"}, FileContains{"a", "x"}, JsonValid{"a", ""}, NoSecrets{},
      GitClean{},      DiffNotEmpty{},         ChangedOnly{{"*"}}, MaxDiffLines{9}};
  clock_.Advance(absl::Minutes(2));
  for (const Check& check : all) EXPECT_EQ(Status(check), StepStatus::kTimedOut) << CheckName(check);
  stop_ = true;
  for (const Check& check : all) EXPECT_EQ(Status(check), StepStatus::kSkipped) << CheckName(check);
}

TEST_F(LookTest, ASecondNameOfSomebodyElsesFileIsNotRead) {
  if (geteuid() != 0) GTEST_SKIP() << "all files are one's own here";
  Write("own", "x");
  ASSERT_EQ(chown(place_.folder.c_str(), 65534, 65534), 0);
  const std::string secret = folder_.Write("secret", "the executor's own");
  ASSERT_EQ(link(secret.c_str(), (place_.folder + "/mine").c_str()), 0);
  EXPECT_EQ(Status(FileContains{"mine", "executor"}), StepStatus::kError);
  EXPECT_EQ(Status(FileExists{"mine"}), StepStatus::kError);
}

TEST_F(LookTest, AFolderThatIsALinkIsNotEntered) {
  std::filesystem::create_directory_symlink(place_.folder, folder_.File("alias"));
  place_.folder = folder_.File("alias");
  EXPECT_EQ(Status(FileExists{"a"}), StepStatus::kError);
}

}  // namespace
}  // namespace switchyard::executor::checks
