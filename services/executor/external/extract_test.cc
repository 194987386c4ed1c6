#include "services/executor/external/extract.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "re2/re2.h"

namespace switchyard::executor::external {
namespace {

using ::testing::ElementsAre;
using ::testing::Optional;

Extract Pattern(const char* text, bool sum = false) {
  return {.pointer = "", .pattern = std::make_shared<const RE2>(text), .sum = sum};
}
Extract Pointer(const char* text, bool sum = false) { return {.pointer = text, .pattern = nullptr, .sum = sum}; }

std::optional<std::string> In(const Extract& extract, std::string_view document) {
  Finder finder(extract);
  finder.Document(document);
  return finder.text();
}

TEST(ExtractTest, AmountsAreReadAsPeopleWriteThem) {
  EXPECT_THAT(ParseAmount("1234"), Optional(1234));
  EXPECT_THAT(ParseAmount(" 1,234 "), Optional(1234));
  EXPECT_THAT(ParseAmount("2.5k"), Optional(2500));
  EXPECT_THAT(ParseAmount("1.2M"), Optional(1.2e6));
  EXPECT_THAT(ParseAmount("$0.0031"), Optional(0.0031));
  for (const char* bad : {"", "-1", "nan", "inf", "1e300", "12x", "k", "$", "0x10", ",1", "--"}) {
    EXPECT_EQ(ParseAmount(bad), std::nullopt) << bad;
  }
}

TEST(ExtractTest, PointersLeadThroughObjectsAndLists) {
  const char* json = R"({"a": {"b": [1, {"c": "x"}]}, "n": null, "t~/": true, "f": 0.5})";
  EXPECT_THAT(In(Pointer("/a/b/1/c"), json), Optional(std::string("x")));
  EXPECT_THAT(In(Pointer("/a/b/0"), json), Optional(std::string("1")));
  EXPECT_THAT(In(Pointer("/t~0~1"), json), Optional(std::string("true")));
  EXPECT_THAT(In(Pointer("/f"), json), Optional(std::string("0.5")));
  for (const char* none : {"/n", "/x", "/a/b/2", "/a/b/-1", "/a/b/c", "/f/g", "/"}) {
    EXPECT_EQ(In(Pointer(none), json), std::nullopt) << none;
  }
}

TEST(ExtractTest, OfManyLinesTheLastCountsUnlessTheyAreAdded) {
  const std::string lines = "noise\n{\"u\": 3}\r\n{broken\n{\"u\": 4}\n[]\n{\"v\": 9}\n";
  EXPECT_THAT(In(Pointer("/u"), lines), Optional(std::string("4")));
  Finder sum(Pointer("/u", true));
  sum.Document(lines);
  EXPECT_THAT(sum.amount(), Optional(7));
  EXPECT_THAT(In(Pattern("^Tokens: (\\S+)"), "Tokens: 1k\nx Tokens: 9\nTokens: 2k"), Optional(std::string("2k")));
  Finder added(Pattern("n=(\\d+)", true));
  added.Document("n=1 n=2\nn=x\nn=4");
  EXPECT_THAT(added.amount(), Optional(7));
}

TEST(ExtractTest, ADocumentOfManyLinesIsOneDocument) {
  EXPECT_THAT(In(Pointer("/usage/out"), "{\n  \"usage\": {\n    \"out\": 12\n  }\n}\n"), Optional(std::string("12")));
}

TEST(ExtractTest, DeepOrHostileJsonIsPassedOver) {
  EXPECT_EQ(In(Pointer("/a"), std::string(100'000, '[')), std::nullopt);
  EXPECT_EQ(In(Pointer("/a"), std::string("{\"a\":\0}", 7)), std::nullopt);
  EXPECT_EQ(In(Extract(), "anything"), std::nullopt);
  EXPECT_THAT(In(Pattern("(x*)"), "aaaa"), Optional(std::string())) << "an empty match ends";
}

TEST(ExtractTest, LinesAreCutWhereverTheyArrive) {
  std::vector<std::string> lines;
  LineCutter cutter;
  const auto each = [&](std::string_view line) { lines.emplace_back(line); };
  for (const char* piece : {"a", "b\nc", "\r", "\n\n", "d"}) cutter.Push(piece, each);
  cutter.Finish(each);
  EXPECT_THAT(lines, ElementsAre("ab", "c", "", "d"));
}

TEST(ExtractTest, ALineWithoutEndIsGivenUp) {
  std::vector<std::string> lines;
  LineCutter cutter;
  const auto each = [&](std::string_view line) { lines.emplace_back(line); };
  for (int i = 0; i < 3; ++i) cutter.Push(std::string(LineCutter::kMaxLine / 2, 'x'), each);
  cutter.Push("y\nnext\n", each);
  EXPECT_THAT(lines, ElementsAre("next"));
}

}  // namespace
}  // namespace switchyard::executor::external
