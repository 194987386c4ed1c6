#include "services/executor/loop/syntax_checks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::executor::loop {
namespace {

using ::switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SyntaxChecksTest, ReadsGlobProgramAndArguments) {
  SY_ASSERT_OK_AND_ASSIGN(
      const std::vector<SyntaxCheck> checks,
      ParseSyntaxChecks({"*.py=/usr/bin/python3 -I -m py_compile {}", "ci/*.sh=/bin/bash -n {}"}, "f"));
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_TRUE(IsFor(checks[0], "a.py"));
  EXPECT_TRUE(IsFor(checks[0], "deep/er/a.py"));
  EXPECT_FALSE(IsFor(checks[0], "a.pyc"));
  EXPECT_TRUE(IsFor(checks[1], "ci/a.sh"));
  EXPECT_FALSE(IsFor(checks[1], "a.sh"));
  EXPECT_THAT(CommandFor(checks[0], "-x.py"), ElementsAre("/usr/bin/python3", "-I", "-m", "py_compile", "./-x.py"));
}

TEST(SyntaxChecksTest, RefusesWhatItCannotReadAllAtOnce) {
  const absl::StatusOr<std::vector<SyntaxCheck>> checks =
      ParseSyntaxChecks({"nothing", "*.a=relative {}", "*.b=/bin/x", "/abs=/bin/x {}"}, "f");
  EXPECT_THAT(checks, IsError("INVALID_FIELD"));
  for (const char* field : {"f[0]", "f[1]", "f[2]", "f[3]"}) EXPECT_THAT(checks.status().ToString(), HasSubstr(field));
}

}  // namespace
}  // namespace switchyard::executor::loop
