#include "services/executor/edits/syntax.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;

TEST(SyntaxTest, ReadsJson) {
  EXPECT_EQ(SyntaxFault("a.json", "{\"a\": [1, 2.5, null, \"x\"]}\n"), std::nullopt);
  EXPECT_EQ(SyntaxFault("a.json", "\xEF\xBB\xBF{}"), std::nullopt);
  EXPECT_THAT(SyntaxFault("a.json", "{\n  \"a\": 1,\n}\n"), Optional(HasSubstr("line 3")));
  EXPECT_THAT(SyntaxFault("a.json", ""), Optional(HasSubstr("is not JSON")));
  EXPECT_THAT(SyntaxFault("dir/A.JSON", "{} {}"), Optional(HasSubstr("line 1")));
}

TEST(SyntaxTest, LeavesJsonWithCommentsAlone) {
  for (const char* path :
       {"tsconfig.json", "web/tsconfig.base.json", ".vscode/settings.json", "a.jsonc", "a.json5", "a.txt"}) {
    EXPECT_EQ(SyntaxFault(path, "{ // yes\n}"), std::nullopt) << path;
  }
}

TEST(SyntaxTest, ReadsYaml) {
  EXPECT_EQ(SyntaxFault("a.yaml", "a: 1\nb:\n  - x\n---\nc: 2\n"), std::nullopt);
  EXPECT_EQ(SyntaxFault("a.yml", ""), std::nullopt);
  EXPECT_EQ(SyntaxFault("a.yml", "a: !custom {b: &x 1, c: *x}\n"), std::nullopt);
  EXPECT_THAT(SyntaxFault("a.yaml", "a: 1\n b: [2\n"), Optional(HasSubstr("is not YAML")));
  EXPECT_THAT(SyntaxFault("a.yaml", "a:\n\t- 1\n"), Optional(HasSubstr("line 2")));
  EXPECT_THAT(SyntaxFault("a.yaml", "a: \x01\n"), Optional(HasSubstr("control")));
  EXPECT_NE(SyntaxFault("a.yaml", "a: 1\n,\n"), std::nullopt);
  EXPECT_NE(SyntaxFault("a.yaml", "]\n"), std::nullopt);
}

TEST(SyntaxTest, LeavesTemplatesAlone) {
  EXPECT_EQ(SyntaxFault("a.yaml", "a: {{ .Values.a }}\n{{- if }}\n"), std::nullopt);
  EXPECT_EQ(SyntaxFault("a.yaml", "{% if x %}\na: 1\n"), std::nullopt);
}

TEST(SyntaxTest, ComesBackFromDepthAndSize) {
  EXPECT_NE(SyntaxFault("a.json", std::string(500'000, '[')), std::nullopt);
  EXPECT_NE(SyntaxFault("a.yaml", std::string(100'000, '[')), std::nullopt);
  EXPECT_EQ(SyntaxFault("a.json", std::string(2'000'000, '[')), std::nullopt);
  const std::optional<std::string> fault = SyntaxFault("a.json", std::string(5'000, 'x'));
  ASSERT_TRUE(fault.has_value());
  EXPECT_LE(fault->size(), 300u);
}

TEST(SyntaxTest, FindsWhatAPlanWouldBreak) {
  const Files files = {{"a.json", "{\n}\n"}, {"broken.json", "{\n"}, {"c.txt", "x\n"}};
  MemoryFiles view(files);
  const Resolution resolution = ResolveText(files, Block("a.json", "}\n", "\n") + Block("broken.json", "{\n", "{{\n") +
                                                       Block("c.txt", "x\n", "{\n") + Block("new.yaml", "", "a: [\n"));
  ASSERT_TRUE(resolution.ok());
  const std::vector<SyntaxFinding> findings = SyntaxFaults(resolution.plan, view);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].path, "a.json");
  EXPECT_EQ(findings[1].path, "new.yaml");
}

}  // namespace
}  // namespace switchyard::executor::edits
