#include "tools/route_eval/csv.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"

namespace switchyard::route_eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Records = std::vector<std::vector<std::string>>;

absl::StatusOr<Records> ReadAll(std::string_view text) {
  CsvReader reader(text);
  Records records;
  for (;;) {
    std::vector<std::string> fields;
    const absl::StatusOr<bool> more = reader.Next(fields);
    if (!more.ok()) return more.status();
    if (!*more) return records;
    records.push_back(fields);
  }
}

TEST(CsvTest, FieldsArePartedByCommasAndRecordsByLineEnds) {
  EXPECT_THAT(*ReadAll("a,b\nc,d\n"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(*ReadAll("a,b\r\nc,d"), ElementsAre(ElementsAre("a", "b"), ElementsAre("c", "d")));
  EXPECT_THAT(*ReadAll(",\n"), ElementsAre(ElementsAre("", "")));
  EXPECT_THAT(*ReadAll(" a , b "), ElementsAre(ElementsAre(" a ", " b ")));
}

TEST(CsvTest, QuotedFieldsHoldCommasQuotesAndLineEnds) {
  EXPECT_THAT(*ReadAll("\"a,b\",\"say \"\"hi\"\"\"\n\"two\nlines\",\"\r\n\"\n"),
              ElementsAre(ElementsAre("a,b", "say \"hi\""), ElementsAre("two\nlines", "\r\n")));
  EXPECT_THAT(*ReadAll("\"\",\"\"\"\""), ElementsAre(ElementsAre("", "\"")));
}

TEST(CsvTest, AByteOrderMarkAndEmptyLinesArePassedOver) {
  EXPECT_THAT(*ReadAll("\xef\xbb\xbf\n\na\n\r\n\nb"), ElementsAre(ElementsAre("a"), ElementsAre("b")));
  EXPECT_TRUE(ReadAll("")->empty());
  EXPECT_TRUE(ReadAll("\n\r\n")->empty());
}

TEST(CsvTest, ALoneCarriageReturnIsText) { EXPECT_THAT(*ReadAll("a\rb\n"), ElementsAre(ElementsAre("a\rb"))); }

TEST(CsvTest, FaultsNameTheirLine) {
  const auto fault = [](std::string_view text) { return std::string(ReadAll(text).status().message()); };
  EXPECT_THAT(fault("a\nb\"c"), HasSubstr("line 2: a quote within"));
  EXPECT_THAT(fault("a\n\"x\ny\n"), HasSubstr("line 2: a quote is never closed"));
  EXPECT_THAT(fault("\"x\ny\"z"), HasSubstr("line 2: text behind"));
  EXPECT_THAT(fault("\"x\"\"\"y"), HasSubstr("text behind"));
}

TEST(CsvTest, TheLineOfARecordIsWhereItBegan) {
  CsvReader reader("a\n\"b\nb\"\n\nc\n");
  std::vector<std::string> fields;
  std::vector<std::size_t> lines;
  while (*reader.Next(fields)) lines.push_back(reader.line());
  EXPECT_THAT(lines, ElementsAre(1u, 2u, 5u));
}

TEST(CsvTest, SizesAreBounded) {
  EXPECT_FALSE(ReadAll(std::string((4u << 20) + 1, 'x')).ok());
  EXPECT_FALSE(ReadAll("\"" + std::string((4u << 20) + 1, 'x') + "\"").ok());
  EXPECT_FALSE(ReadAll(std::string(1'000, ',')).ok());
  EXPECT_TRUE(ReadAll(std::string(999, ',')).ok());
}

// What is written by the rules is read back, whatever it holds.
TEST(CsvTest, WhatIsWrittenIsReadBack) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    constexpr std::string_view kBytes = "ab,\"\r\n \t\xc3\xa9";
    Records records;
    std::string text;
    for (std::uint64_t row = 1 + rng->Below(5); row > 0; --row) {
      std::vector<std::string>& fields = records.emplace_back();
      for (std::uint64_t column = 1 + rng->Below(4); column > 0; --column) {
        std::string& field = fields.emplace_back();
        for (std::uint64_t i = rng->Below(8); i > 0; --i) field.push_back(kBytes[rng->Below(kBytes.size())]);
        text += fields.size() > 1 ? ",\"" : "\"";
        for (const char c : field) text += c == '"' ? "\"\"" : std::string(1, c);
        text += '"';
      }
      text += rng->Below(2) == 0 ? "\n" : "\r\n";
    }
    const absl::StatusOr<Records> read = ReadAll(text);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, records);
  }
}

TEST(CsvTest, AnyBytesAreAnsweredAndTheReaderEnds) {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    SCOPED_TRACE(seed);
    const auto rng = MakeSeededRng(seed);
    constexpr std::string_view kBytes = "a,\"\r\n";
    std::string text;
    for (std::uint64_t i = rng->Below(40); i > 0; --i) text.push_back(kBytes[rng->Below(kBytes.size())]);
    const absl::StatusOr<Records> read = ReadAll(text);
    if (read.ok()) {
      EXPECT_LE(read->size(), text.size());
    }
  }
}

}  // namespace
}  // namespace switchyard::route_eval
