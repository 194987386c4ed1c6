#include "services/executor/loop/fingerprint.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard::executor::loop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

struct Pair {
  const char* name;
  const char* one;
  const char* other;
};
void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

class SameFailureTest : public ::testing::TestWithParam<Pair> {};

TEST_P(SameFailureTest, HasTheSameFingerprint) {
  EXPECT_EQ(Fingerprint(GetParam().one), Fingerprint(GetParam().other)) << NormaliseFailure(GetParam().one) << "--\n"
                                                                        << NormaliseFailure(GetParam().other);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, SameFailureTest,
    ::testing::Values(
        Pair{"line numbers", "src/sum.c:12:5: error: expected ';'", "src/sum.c:14:9: error: expected ';'"},
        Pair{"folders", "/work/a1/src/sum.c:1:1: error: bad", "/srv/b2/c/src/sum.c:1:1: error: bad"},
        Pair{"relative folders", "./src/sum.c:3: error: bad", "src/sum.c:4: error: bad"},
        Pair{"addresses", "AddressSanitizer: heap-use-after-free error on 0x602000000010",
             "AddressSanitizer: heap-use-after-free error on 0x7f1200ab3c40"},
        Pair{"process ids", "==123==ERROR: AddressSanitizer: SEGV", "==98765==ERROR: AddressSanitizer: SEGV"},
        Pair{"durations", "1 failed, 3 passed in 0.02s\nE   assert 3 == 4",
             "1 failed, 3 passed in 1.50s\nE   assert 3 == 4"},
        Pair{"times", "2026-01-02T03:04:05Z error: no route", "2027-11-12 13:14:15.678 error: no route"},
        Pair{"clock times", "[12:00:01] error: no route", "[23:59:59.120] error: no route"},
        Pair{"temporary folders", "/tmp/pytest-12/test_a0/x.py: error: bad", "/tmp/pytest-77/test_a0/x.py: error: bad"},
        Pair{"object files", "/usr/bin/ld: /tmp/ccAb12Cd.o: undefined reference to `sum'",
             "/usr/bin/ld: /tmp/ccZz98Yy.o: undefined reference to `sum'"},
        Pair{"Python's lines", "  File \"/a/t.py\", line 12, in test\nValueError: bad",
             "  File \"/b/t.py\", line 21, in test\nValueError: bad"},
        Pair{"colours", "\x1b[31merror:\x1b[0m no such file", "error: no such file"},
        Pair{"ids", "error: task 123e4567-e89b-12d3-a456-426614174000 is gone",
             "error: task 00000000-e89b-12d3-a456-426614174999 is gone"},
        Pair{"order", "a.c:1: error: one\nb.c:2: error: two", "b.c:2: error: two\na.c:1: error: one"},
        Pair{"repetition", "a.c:1: error: one", "a.c:1: error: one\na.c:9: error: one"},
        Pair{"noise around it", "compiling a\na.c:1: error: one\n", "compiling b\nlinking\na.c:1: error: one\n"},
        Pair{"blanks", "a.c:1: error:   one", "a.c:1: error: one  "}));

class OtherFailureTest : public ::testing::TestWithParam<Pair> {};

TEST_P(OtherFailureTest, HasAnotherFingerprint) {
  EXPECT_NE(Fingerprint(GetParam().one), Fingerprint(GetParam().other)) << NormaliseFailure(GetParam().one);
}

INSTANTIATE_TEST_SUITE_P(Cases, OtherFailureTest,
                         ::testing::Values(Pair{"values", "E   assert 3 == 4", "E   assert 5 == 4"},
                                           Pair{"files", "a.c:1: error: bad", "b.c:1: error: bad"},
                                           Pair{"messages", "a.c:1: error: bad", "a.c:1: error: worse"},
                                           Pair{"tests", "FAILED t.py::test_a", "FAILED t.py::test_b"},
                                           Pair{"more errors", "a.c:1: error: bad",
                                                "a.c:1: error: bad\na.c:1: error: worse"},
                                           Pair{"words without errors", "expectations were 3", "expectations were 4"}));

TEST(FingerprintTest, IsSixteenHexadecimalDigits) {
  EXPECT_THAT(Fingerprint("error: x"), SizeIs(16));
  EXPECT_THAT(Fingerprint(""), SizeIs(16));
  EXPECT_EQ(Fingerprint("error: x").find_first_not_of("0123456789abcdef"), std::string::npos);
}

TEST(FingerprintTest, KeepsTheNameOfAFileAndDropsItsFolder) {
  const std::string normal = NormaliseFailure("/home/u/repo/src/a/sum.c:12:3: error: x");
  EXPECT_THAT(normal, HasSubstr("sum.c:<n>: error: x"));
  EXPECT_THAT(normal, Not(HasSubstr("repo")));
}

// Text of the pieces that the rules look for, put together at random.
std::string RandomText(Rng& rng) {
  static const char* const kPieces[] = {"/tmp/",
                                        "cc",
                                        "Ab12Cd",
                                        ".o",
                                        ":",
                                        "12",
                                        "0x1f",
                                        " ",
                                        "\n",
                                        "error",
                                        "line ",
                                        "s",
                                        "1.5",
                                        "ms",
                                        "==",
                                        "/",
                                        "..",
                                        "a.py",
                                        "\x1b[1m",
                                        "\xff",
                                        "(",
                                        "2026-01-02",
                                        "T03:04:05",
                                        "pid ",
                                        "pytest-",
                                        "|",
                                        "ü",
                                        "<n>",
                                        "deadbeefdeadbeef"};
  std::string text;
  const std::uint64_t count = rng.Next() % 30;
  for (std::uint64_t i = 0; i < count; ++i) text += kPieces[rng.Next() % std::size(kPieces)];
  return text;
}

TEST(FingerprintTest, NormalisingTwiceChangesNothingMore) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(7);
  for (int i = 0; i < 3'000; ++i) {
    const std::string once = NormaliseFailure(RandomText(*rng));
    ASSERT_EQ(NormaliseFailure(once), once);
  }
}

TEST(FingerprintTest, DoesNotSeeWhereAFolderIs) {
  const std::unique_ptr<Rng> rng = MakeSeededRng(8);
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(rng->Next() % 9'000 + 1);
    const std::string folder = "/srv/w" + std::to_string(rng->Next() % 1'000) + "/" + std::to_string(rng->Next() % 10);
    EXPECT_EQ(Fingerprint(folder + "/lib/a.cc:" + number + ": error: no member named 'x'"),
              Fingerprint("lib/a.cc:1: error: no member named 'x'"));
  }
}

}  // namespace
}  // namespace switchyard::executor::loop
