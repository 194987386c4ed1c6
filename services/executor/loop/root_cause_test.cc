#include "services/executor/loop/root_cause.h"

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

std::string Noise(int lines, std::string_view word = "building") {
  std::string text;
  for (int i = 0; i < lines; ++i) absl::StrAppend(&text, std::string(word), " ", i, "\n");
  return text;
}

struct Case {
  const char* name;
  const char* output;
  // All of these are told, and none of those.
  std::vector<std::string> told;
  std::vector<std::string> left_out;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class RootCauseTest : public ::testing::TestWithParam<Case> {};

TEST_P(RootCauseTest, FindsWhatMatters) {
  const std::string output = absl::StrCat(Noise(80), GetParam().output, Noise(80, "done"));
  const std::string cause = RootCause(output, {.lines = 30});
  for (const std::string& part : GetParam().told) EXPECT_THAT(cause, HasSubstr(part));
  for (const std::string& part : GetParam().left_out) EXPECT_THAT(cause, Not(HasSubstr(part)));
  EXPECT_THAT(cause, Not(HasSubstr("building 10\n")));
  EXPECT_THAT(cause, HasSubstr("lines left out]"));
}

INSTANTIATE_TEST_SUITE_P(
    Tools, RootCauseTest,
    ::testing::Values(
        Case{"gcc",
             "src/a.c: In function 'main':\nsrc/a.c:3:5: error: 'x' undeclared (first use in this function)\n    3 |   "
             "x = 1;\n"
             "      |   ^\n",
             {"In function 'main'", "'x' undeclared", "x = 1;"},
             {}},
        Case{"clang",
             "a.cpp:7:3: fatal error: 'y.h' file not found\n#include \"y.h\"\n         ^~~~~\n",
             {"'y.h' file not found"},
             {}},
        Case{"linker",
             "/usr/bin/ld: main.o: in function `main':\nmain.c:(.text+0x5): undefined reference to `sum'\n"
             "collect2: error: ld returned 1 exit status\n",
             {"undefined reference to `sum'"},
             {}},
        Case{"make", "make: *** [Makefile:3: all] Error 2\n", {"Error 2"}, {}},
        Case{"make without a rule",
             "make: *** No rule to make target 'x', needed by 'all'.  Stop.\n",
             {"No rule to make target"},
             {}},
        Case{"ninja",
             "FAILED: CMakeFiles/a.o \n/usr/bin/c++ -o a.o a.cc\na.cc:1:1: error: unknown type name 'foo'\n"
             "ninja: build stopped: subcommand failed.\n",
             {"unknown type name 'foo'"},
             {}},
        Case{"CMake",
             "CMake Error at CMakeLists.txt:3 (find_package):\n  Could not find a package\n",
             {"CMake Error", "Could not find"},
             {}},
        Case{"pytest",
             "    def test_sum():\n>       assert add(1, 2) == 3\nE       assert -1 == 3\nE        +  where -1 = "
             "add(1, 2)\n\n"
             "test_calc.py:5: AssertionError\n",
             {"assert add(1, 2) == 3", "assert -1 == 3"},
             {}},
        Case{"unittest",
             "FAIL: test_sum (test_calc.CalcTest)\nTraceback (most recent call last):\n  File \"test_calc.py\", line "
             "5, in test_sum\n"
             "    self.assertEqual(add(1, 2), 3)\nAssertionError: -1 != 3\n",
             {"FAIL: test_sum", "self.assertEqual(add(1, 2), 3)", "AssertionError: -1 != 3"},
             {}},
        Case{"Python",
             "Traceback (most recent call last):\n  File \"a.py\", line 1, in <module>\nModuleNotFoundError: No module "
             "named 'x'\n",
             {"No module named 'x'"},
             {}},
        Case{"Python's syntax",
             "  File \"a.py\", line 2\n    def f(:\n          ^\nSyntaxError: invalid syntax\n",
             {"def f(:", "SyntaxError"},
             {}},
        Case{"go", "--- FAIL: TestSum (0.00s)\n    sum_test.go:9: got 4, want 3\nFAIL\n", {"got 4, want 3"}, {}},
        Case{"go build", "./sum.go:4:2: undefined: x\n", {"undefined: x"}, {}},
        Case{"go panic",
             "panic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\n",
             {"index out of range"},
             {}},
        Case{"cargo",
             "error[E0308]: mismatched types\n --> src/main.rs:2:5\n  |\n2 |     1\n",
             {"mismatched types", "src/main.rs:2:5"},
             {}},
        Case{"cargo test",
             "---- tests::adds stdout ----\nthread 'tests::adds' panicked at src/lib.rs:9:9:\n"
             "assertion `left == right` failed\n  left: 3\n right: 4\n",
             {"panicked at", "left: 3", "right: 4"},
             {}},
        Case{"node",
             "node:internal/modules\n  throw err;\n\nError: Cannot find module './x'\n    at Module\n",
             {"Cannot find module"},
             {}},
        Case{"jest",
             "  ● adds › two numbers\n\n    expect(received).toBe(expected)\n\n    Expected: 3\n    Received: 4\n",
             {"adds › two numbers", "Expected: 3", "Received: 4"},
             {}},
        Case{"TAP", "ok 1 - a\nnot ok 2 - adds\n  ---\n  got: 4\n", {"not ok 2 - adds", "got: 4"}, {}},
        Case{"GoogleTest",
             "[ RUN      ] Sum.Adds\nsum_test.cc:5: Failure\nExpected equality of these values:\n  Sum(1, 2)\n    "
             "Which is: 4\n  3\n"
             "[  FAILED  ] Sum.Adds (0 ms)\n",
             {"sum_test.cc:5: Failure", "Sum(1, 2)"},
             {}},
        Case{"sanitizer",
             "==77==ERROR: AddressSanitizer: heap-buffer-overflow\n    #0 0x1 in f a.c:3\n",
             {"heap-buffer-overflow"},
             {}},
        Case{"assert", "a.out: a.c:4: main: Assertion `x == 1' failed.\n", {"Assertion `x == 1' failed"}, {}},
        Case{"shell", "run.sh: line 3: frob: command not found\n", {"frob: command not found"}, {}},
        Case{"words", "the upload was refused by the server\n", {"refused by the server"}, {}},
        Case{"warnings", "a.c:1:1: warning: failed to inline\nlib.c:9:1: error: no\n", {"error: no"}, {}}));

TEST(RootCauseTest, ShowsTheFirstErrorBeforeItsConsequences) {
  std::string output;
  for (int i = 0; i < 200; ++i) absl::StrAppend(&output, "a.c:", i + 1, ":1: error: number ", i, "\n");
  const std::string cause = RootCause(output);
  EXPECT_THAT(cause, StartsWith("a.c:1:1: error: number 0\n"));
  EXPECT_THAT(cause, Not(HasSubstr("number 150")));
}

TEST(RootCauseTest, KeepsWhatLooksLikeSuccessOutOfTheErrors) {
  EXPECT_THAT(ErrorLines("Build finished: 0 errors, 3 warnings\ng++ -Werror -c a.c\n"), IsEmpty());
}

TEST(RootCauseTest, GivesHeadAndTailOfWhatItDoesNotUnderstand) {
  const std::string cause = RootCause(Noise(500, "row"));
  EXPECT_THAT(cause, AllOf(HasSubstr("row 0\n"), HasSubstr("row 499\n"), Not(HasSubstr("row 250\n"))));
  EXPECT_EQ(RootCause("all of it\n"), "all of it\n");
  EXPECT_EQ(RootCause(""), "");
}

TEST(RootCauseTest, TakesColoursAndCarriageReturnsAway) {
  EXPECT_EQ(RootCause("\x1b[1m\x1b[31ma.c:1:1: error: x\x1b[0m\r\n"), "a.c:1:1: error: x\n");
  EXPECT_EQ(RootCause(" 10%\r 50%\rerror: disk\n"), "error: disk\n");
}

TEST(RootCauseTest, ShortensLongLines) {
  const std::string cause = RootCause(absl::StrCat("error: ", std::string(5'000, 'x'), "end\n"));
  EXPECT_LT(cause.size(), 600u);
  EXPECT_THAT(cause, HasSubstr("xxxend"));
}

TEST(RootCauseTest, StaysWithinItsBoundsWhateverItIsGiven) {
  static const char* const kLines[] = {"error: a",          "ok",   "\xff\xfe", "make: *** [x] Error 1",
                                       "E   assert",        "ü😀",   "",         "\x1b[31m",
                                       "a.c:1:1: error: b", "FAIL", "\r\r",     "Traceback (most recent call last):"};
  const std::unique_ptr<Rng> rng = MakeSeededRng(3);
  for (int i = 0; i < 400; ++i) {
    std::string output;
    const std::uint64_t count = rng->Next() % 300;
    for (std::uint64_t n = 0; n < count; ++n) {
      output += kLines[rng->Next() % std::size(kLines)];
      if (rng->Next() % 10 == 0) output += std::string(rng->Next() % 900, 'y');
      if (rng->Next() % 20 != 0) output += '\n';
    }
    const CauseLimits limits{.bytes = 200 + rng->Next() % 3'000, .lines = 5 + rng->Next() % 50};
    const std::string cause = RootCause(output, limits);
    ASSERT_LE(cause.size(), limits.bytes);
    ASSERT_TRUE(text::IsValidUtf8(cause));
  }
}

TEST(RootCauseTest, CutsLongTextInItsMiddle) {
  const std::string cut = HeadAndTail(Noise(1'000, "row"), 500);
  EXPECT_LE(cut.size(), 500u);
  EXPECT_THAT(cut, AllOf(StartsWith("row 0\n"), HasSubstr("bytes left out]\n"), HasSubstr("row 999\n")));
  EXPECT_EQ(HeadAndTail("short", 500), "short");
}

}  // namespace
}  // namespace switchyard::executor::loop
