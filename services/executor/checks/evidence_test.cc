#include "services/executor/checks/evidence.h"

#include <string>

#include "gmock/gmock.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::checks {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(EvidenceTest, ShortTextStaysAsItIs) {
  std::size_t omitted = 0;
  EXPECT_EQ(Shorten("abc", 3, omitted), "abc");
  EXPECT_EQ(omitted, 0u);
}

TEST(EvidenceTest, LongTextKeepsHeadAndTailAndSaysWhatIsMissing) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
  std::size_t omitted = 5;
  const std::string out = Shorten(text, 1000, omitted);
  EXPECT_LE(out.size(), 1000u);
  EXPECT_THAT(out, StartsWith("line 0\nline 1\n"));
  EXPECT_THAT(out, EndsWith("line 999\n"));
  EXPECT_THAT(out, HasSubstr("[... " + std::to_string(omitted - 5) + " bytes left out ...]\n"));
  const std::size_t mark = out.find("[...");
  EXPECT_EQ(out[mark - 1], '\n') << "cut at a line";
}

TEST(EvidenceTest, CutsBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += "\xE2\x82\xAC";
  for (std::size_t limit = 100; limit < 130; ++limit) {
    std::size_t omitted = 0;
    const std::string out = Shorten(text, limit, omitted);
    EXPECT_LE(out.size(), limit);
    EXPECT_TRUE(text::IsValidUtf8(out)) << limit;
  }
  std::size_t omitted = 0;
  EXPECT_TRUE(text::IsValidUtf8(Shorten(text, 10, omitted)));
}

TEST(EvidenceTest, IsRedactedAndWellFormed) {
  std::size_t omitted = 0;
  const std::string secret = "ghp_" + std::string(36, 'A');
  const std::string out = ToEvidence("a\xFF" + std::string(1, '\0') + "b " + secret, omitted);
  EXPECT_TRUE(text::IsValidUtf8(out));
  EXPECT_EQ(out.find('\0'), std::string::npos);
  EXPECT_THAT(out, Not(HasSubstr(secret)));
  EXPECT_LE(ToEvidence(std::string(1 << 20, 'x'), omitted).size(), kEvidenceBytes);
}

TEST(EvidenceTest, NamesOfAnyBytesStandInOneLine) {
  EXPECT_EQ(Quoted("a\nb"), "\"a\\nb\"");
  EXPECT_EQ(Quoted("gr\xC3\xBC\xC3\x9F"), "\"gr\xC3\xBC\xC3\x9F\"");
  EXPECT_TRUE(text::IsValidUtf8(Quoted("\xFF\xFE")));
  EXPECT_LE(Quoted(std::string(5000, '\n')).size(), 300u);
}

}  // namespace
}  // namespace switchyard::executor::checks
