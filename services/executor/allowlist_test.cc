#include "services/executor/allowlist.h"

#include <sys/stat.h>
#include <unistd.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/allowlist_file.h"

namespace switchyard::executor {
namespace {

using ::testing::HasSubstr;
using testing::IsError;

bool Matches(std::string_view pattern, std::string_view argument) {
  const auto parsed = ArgumentPattern::Parse(pattern);
  EXPECT_TRUE(parsed.ok()) << pattern << ": " << parsed.status();
  return parsed.ok() && parsed->Matches(argument);
}

TEST(ArgumentPatternTest, LiteralsMatchThemselvesOnly) {
  EXPECT_TRUE(Matches("--stat", "--stat"));
  EXPECT_FALSE(Matches("--stat", "--stats"));
  EXPECT_FALSE(Matches("a*", "ab"));
  EXPECT_TRUE(Matches("a*", "a*"));
  EXPECT_TRUE(Matches("literal:re:x", "re:x"));
  EXPECT_TRUE(Matches("", ""));
}

TEST(ArgumentPatternTest, GlobsStayWithinASegment) {
  EXPECT_TRUE(Matches("glob:*.txt", "a.txt"));
  EXPECT_FALSE(Matches("glob:*.txt", "a/b.txt"));
  EXPECT_TRUE(Matches("glob:**.txt", "a/b.txt"));
  EXPECT_TRUE(Matches("glob:file?", "file1"));
  EXPECT_FALSE(Matches("glob:file?", "file/"));
  EXPECT_TRUE(Matches("glob:[a-c]x", "bx"));
  EXPECT_FALSE(Matches("glob:[!a-c]x", "bx"));
  EXPECT_FALSE(Matches("glob:a.c", "abc"));
  EXPECT_TRUE(Matches("glob:a+(b)|c", "a+(b)|c"));
  EXPECT_FALSE(Matches("glob:[!a]", "/"));
}

TEST(ArgumentPatternTest, AStarLetsNoOptionIn) {
  EXPECT_FALSE(Matches("glob:*", "--exec=evil"));
  EXPECT_TRUE(Matches("glob:--*", "--exec"));
  EXPECT_FALSE(Matches("path:", "-rf"));
  EXPECT_TRUE(Matches("any:", "--exec=evil"));
}

TEST(ArgumentPatternTest, PathsStayInside) {
  EXPECT_TRUE(Matches("path:", "a/b.c"));
  EXPECT_TRUE(Matches("path:src/**", "src/x/y.cc"));
  EXPECT_FALSE(Matches("path:src/**", "other/y.cc"));
  for (const char* path : {"/etc/passwd", "..", "../x", "a/../../x", "a/..", "", "-x", "a\nb", "src/../../etc"}) {
    EXPECT_FALSE(Matches("path:", path)) << path;
    EXPECT_FALSE(Matches("path:**", path)) << path;
  }
}

TEST(ArgumentPatternTest, NumbersHaveOneForm) {
  EXPECT_TRUE(Matches("int:1..10", "10"));
  EXPECT_TRUE(Matches("int:-5..5", "-3"));
  for (const char* text : {"11", "0", "01", "+1", " 1", "1 ", "0x1", "", "1e0", "99999999999999999999"}) {
    EXPECT_FALSE(Matches("int:1..10", text)) << text;
  }
}

TEST(ArgumentPatternTest, ExpressionsMatchAWholeArgument) {
  EXPECT_TRUE(Matches("re:v[0-9]+", "v12"));
  EXPECT_FALSE(Matches("re:v[0-9]+", "xv12"));
  EXPECT_FALSE(Matches("re:v[0-9]+", "v12\n--evil"));
  // Where a backtracking engine would not come back.
  EXPECT_FALSE(Matches("re:(a+)+b", std::string(30000, 'a')));
}

TEST(ArgumentPatternTest, FaultyOnesAreRefused) {
  for (const char* text : {"glob:[a", "glob:[]", "glob:[!]x", "glob:[z-a]", "re:(", "re:[", "int:", "int:1", "int:5..1",
                           "int:a..b", "any:x", "path:[q"}) {
    EXPECT_FALSE(ArgumentPattern::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(ArgumentPattern::Parse(std::string(2000, 'a')).ok());
  EXPECT_FALSE(ArgumentPattern::Parse("re:(a{1000}){1000}").ok()) << "too large to compile";
}

constexpr std::string_view kRules = R"(
rules:
- name: git-log
  program: /usr/bin/git
  arguments: [log, --oneline]
  rest: ['int:1..100', 'path:']
  max_rest: 2
- name: git-fetch
  program: /usr/bin/git
  arguments: [fetch, origin]
  network: true
- name: convert
  program: /opt/tools/convert
  rest: ['glob:*.png']
  stdin: true
  environment: [QUALITY]
  set_environment: {MODE: safe}
  read_only: [/opt/tools]
  limits: {time: 2m, memory: 512MiB, processes: 8}
)";

class AllowlistTest : public ::testing::Test {
 protected:
  AllowlistTest() : list_(*ParseAllowlist(kRules)) {}
  absl::StatusOr<const Rule*> Find(std::vector<std::string> argv) {
    Work work = work_;
    work.argv = std::move(argv);
    return list_.Find(work);
  }
  std::string RuleFor(std::vector<std::string> argv) {
    const auto rule = Find(std::move(argv));
    return rule.ok() ? (*rule)->name : ReasonOf(rule.status());
  }
  Allowlist list_;
  Work work_;
};

TEST_F(AllowlistTest, IsClosedUnlessARuleSaysOtherwise) {
  Work work;
  work.argv = {"/usr/bin/true"};
  EXPECT_THAT(Allowlist().Find(work).status(), IsError("NOT_ALLOWED"));
  EXPECT_EQ(RuleFor({"true"}), "NOT_ALLOWED");
}

TEST_F(AllowlistTest, FindsTheRuleByProgramAndArguments) {
  EXPECT_EQ(RuleFor({"git", "log", "--oneline"}), "git-log");
  EXPECT_EQ(RuleFor({"/usr/bin/git", "log", "--oneline", "5", "docs/a.md"}), "git-log");
  EXPECT_EQ(RuleFor({"git", "fetch", "origin"}), "git-fetch");
  EXPECT_EQ(RuleFor({"git", "log"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"git", "log", "--oneline", "1", "2", "3"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"git", "fetch", "origin", "more"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"git", "log", "--oneline", "--output=/etc/x"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"usr/bin/git", "log", "--oneline"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"/tmp/git", "log", "--oneline"}), "NOT_ALLOWED");
}

TEST_F(AllowlistTest, SaysWhatCameClosest) {
  const auto rule = Find({"git", "push", "--force"});
  EXPECT_THAT(std::string(rule.status().message()), HasSubstr("rule git-log: argument 1 is \"push\", not \"log\""));
  const auto secret = Find({"git", "log", "ghp_" + std::string(36, 'A')});
  EXPECT_THAT(std::string(secret.status().message()), ::testing::Not(HasSubstr("AAAA")));
}

TEST_F(AllowlistTest, GrantsAreChecked) {
  work_.network = true;
  EXPECT_EQ(RuleFor({"git", "log", "--oneline"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"git", "fetch", "origin"}), "git-fetch");
  work_ = {};
  work_.stdin_data = "x";
  EXPECT_EQ(RuleFor({"git", "log", "--oneline"}), "NOT_ALLOWED");
  EXPECT_EQ(RuleFor({"convert", "a.png"}), "convert");
  work_ = {};
  work_.environment = {{"QUALITY", "5"}};
  EXPECT_EQ(RuleFor({"convert", "a.png"}), "convert");
  work_.environment = {{"MODE", "unsafe"}};
  EXPECT_EQ(RuleFor({"convert", "a.png"}), "NOT_ALLOWED");
}

TEST_F(AllowlistTest, WhatIsNoWorkIsInvalid) {
  EXPECT_EQ(RuleFor({}), "INVALID_WORK");
  EXPECT_EQ(RuleFor({""}), "INVALID_WORK");
  EXPECT_EQ(RuleFor({"git", std::string("a\0b", 3)}), "INVALID_WORK");
  work_.environment = {{"A=B", "x"}};
  EXPECT_EQ(RuleFor({"git", "fetch", "origin"}), "INVALID_WORK");
}

TEST(AllowlistFileTest, ReadsLimits) {
  const Allowlist list = *ParseAllowlist(kRules);
  EXPECT_EQ(list.rules()[2].limits.time, absl::Minutes(2));
  EXPECT_EQ(list.rules()[2].limits.memory_bytes, 512u << 20);
  EXPECT_EQ(list.rules()[2].limits.processes, 8u);
  EXPECT_EQ(list.rules()[2].set_environment.at("MODE"), "safe");
}

TEST(AllowlistFileTest, AnEmptyListAllowsNothingAndIsNoFault) {
  EXPECT_TRUE(ParseAllowlist("rules:\n").ok());
  EXPECT_TRUE(ParseAllowlist("rules: []\n").ok());
}

TEST(AllowlistFileTest, ReportsAllFaultsAtOnce) {
  const auto list = ParseAllowlist(R"(
rules:
- name: a
  program: bin/tool
  arguements: [x]
- name: a
  program: /bin/bash
  rest: ['glob:[', 5]
  network: yes
  environment: [LD_PRELOAD, 'A B']
  set_environment: {API_KEY: x}
  sandbox: never
  limits: {memory: 1KiB, time: 0s, speed: 9}
  writable: [/proc/sys, relative, /etc, /dev/sda]
)");
  ASSERT_THAT(list.status(), IsError("INVALID_FIELD"));
  std::string all;
  for (const FieldViolation& fault : DetailsOf(list.status()).violations)
    all += fault.field + ": " + fault.description + "\n";
  for (const char* part :
       {"rules[0].program", "did you mean \"arguments\"", "is the name of another rule", "is a shell", "rest[0]",
        "true or false", "would let a task choose", "is no name of a variable", "looks like a secret",
        "required or optional", "at least 16MiB", "above 0", "speed: unknown key", "writable[0]: cannot be shown",
        "writable[1]: must be an absolute", "writable[2]: cannot be shown", "writable[3]: cannot be shown"}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
}

TEST(AllowlistFileTest, NeverThrowsWhateverTheText) {
  for (const std::string text :
       {"", "x", "[]", "rules", "rules: 5", "rules: {}", "rules: [5]", "rules: [[]]", "rules: [{}]", "a: &a [*a]",
        "rules: [{name: x, program: {}}]", "rules: [{? [] : x}]", "--- a\n--- b", "rules:\n- !!binary x", "\t", "{",
        "rules: [{name: ~}]", "&a [&b [&c [*a, *b, *c]]]", "rules: &r [{name: x, program: /usr/bin/x, rest: *r}]"}) {
    EXPECT_FALSE(ParseAllowlist(text).ok()) << text;
  }
  EXPECT_FALSE(ParseAllowlist(std::string("rules: \0", 8)).ok());
  // The YAML library would loop for ever.
  EXPECT_FALSE(ParseAllowlist(", progr\xAA rules: [\x7F\xAA").ok());
  EXPECT_FALSE(ParseAllowlist(",]\n").ok());
  EXPECT_FALSE(ParseAllowlist(std::string(2 << 20, ' ')).ok());
  EXPECT_FALSE(ParseAllowlist(std::string(5000, '[')).ok());
}

TEST(AllowlistFileTest, AFileThatOthersCanChangeIsRefused) {
  const testing::TempDir folder;
  const std::string path = folder.Write("allowlist.yaml", "rules: []\n");
  chmod(path.c_str(), 0644);
  SY_EXPECT_OK(LoadAllowlist(path).status());
  chmod(path.c_str(), 0664);
  EXPECT_THAT(LoadAllowlist(path).status(), IsError("ALLOWLIST_UNSAFE"));
  chmod(path.c_str(), 0606);
  EXPECT_THAT(LoadAllowlist(path).status(), IsError("ALLOWLIST_UNSAFE"));
  EXPECT_THAT(LoadAllowlist(folder.path()).status(), IsError("ALLOWLIST_UNSAFE"));
  EXPECT_THAT(LoadAllowlist(folder.File("none")).status(), IsError("ALLOWLIST_UNREADABLE"));
  if (geteuid() == 0) {
    chmod(path.c_str(), 0644);
    ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
    EXPECT_THAT(LoadAllowlist(path).status(), IsError("ALLOWLIST_UNSAFE"));
  }
}

TEST(AllowlistFileTest, KnowsShellsAndWhatSteersThem) {
  for (const char* path : {"/bin/sh", "/usr/bin/bash", "/usr/bin/sudo", "/bin/busybox"}) EXPECT_TRUE(IsShell(path));
  EXPECT_FALSE(IsShell("/usr/bin/git"));
  for (const char* name : {"PATH", "LD_PRELOAD", "BASH_ENV", "GIT_SSH_COMMAND", "PYTHONPATH", "IFS"}) {
    EXPECT_TRUE(SteersExecution(name)) << name;
  }
  // Compilers, build tools, package managers and what they find their configuration by.
  for (const char* name : {"CC",
                           "CXX",
                           "LD",
                           "CFLAGS",
                           "LDFLAGS",
                           "MAKEFILES",
                           "COMPILER_PATH",
                           "RUSTC",
                           "RUSTC_WRAPPER",
                           "RUSTFLAGS",
                           "RUSTUP_TOOLCHAIN",
                           "CARGO",
                           "CARGO_HOME",
                           "CARGO_BUILD_RUSTC_WRAPPER",
                           "CARGO_TARGET_X86_64_LINKER",
                           "GOFLAGS",
                           "GOTOOLCHAIN",
                           "CGO_CFLAGS",
                           "npm_config_script_shell",
                           "NPM_CONFIG_NODE_OPTIONS",
                           "Npm_Config_Globalconfig",
                           "NODE_OPTIONS",
                           "YARN_RC_FILENAME",
                           "PIP_INDEX_URL",
                           "PIP_CONFIG_FILE",
                           "UV_PYTHON",
                           "VIRTUAL_ENV",
                           "XDG_CONFIG_HOME",
                           "XDG_DATA_DIRS",
                           "GIT_CONFIG_GLOBAL",
                           "GIT_EXEC_PATH",
                           "GIT_PAGER",
                           "HGRCPATH",
                           "RSYNC_RSH",
                           "PERL5DB",
                           "RUBYSHELL",
                           "GEM_HOME",
                           "BUNDLE_GEMFILE",
                           "COMPOSER_HOME",
                           "LUA_INIT",
                           "R_PROFILE_USER",
                           "JAVA_TOOL_OPTIONS",
                           "MAVEN_OPTS",
                           "GRADLE_OPTS",
                           "DOTNET_STARTUP_HOOKS",
                           "COMPlus_Version",
                           "CMAKE_CXX_COMPILER_LAUNCHER",
                           "PKG_CONFIG_PATH",
                           "CCACHE_PREFIX",
                           "OPENSSL_MODULES",
                           "DOCKER_CONFIG",
                           "KUBECONFIG",
                           "ANSIBLE_CONFIG",
                           "TAR_OPTIONS",
                           "SYSTEMD_EDITOR"}) {
    EXPECT_TRUE(SteersExecution(name)) << name;
  }
  for (const char* name : {"QUALITY", "LANG", "LC_ALL", "TZ", "SOURCE_DATE_EPOCH", "NO_COLOR", "CI", "CCX", "GOAL",
                           "NAME", "CARGOES", "LAST", "MAKESPAN", "TERM"}) {
    EXPECT_FALSE(SteersExecution(name)) << name;
  }
}

}  // namespace
}  // namespace switchyard::executor
