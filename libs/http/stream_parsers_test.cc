#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "libs/http/json_lines_parser.h"
#include "libs/http/sse_parser.h"
#include "libs/testing/status_matchers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::http {
namespace {

using switchyard::testing::IsError;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// "type|data|id" of each event, with the text cut into pieces of `step` bytes.
std::vector<std::string> Events(std::string_view text, std::size_t step) {
  std::vector<std::string> found;
  SseParser parser([&found](const SseEvent& event) {
    found.push_back(event.type + "|" + event.data + "|" + event.id);
    return true;
  });
  for (std::size_t at = 0; at < text.size(); at += step) SY_EXPECT_OK(parser.Push(text.substr(at, step)));
  return found;
}

std::vector<std::string> Events(std::string_view text) { return Events(text, text.size()); }

std::vector<std::string> Lines(std::string_view text, std::size_t step) {
  std::vector<std::string> found;
  JsonLinesParser parser([&found](std::string_view line) {
    found.emplace_back(line);
    return true;
  });
  for (std::size_t at = 0; at < text.size(); at += step) SY_EXPECT_OK(parser.Push(text.substr(at, step)));
  SY_EXPECT_OK(parser.Finish());
  return found;
}

TEST(SseParserTest, GivesTypeDataAndId) {
  EXPECT_THAT(Events("event: ping\nid: 7\ndata: {}\n\ndata: next\n\n"), ElementsAre("ping|{}|7", "|next|7"));
}

TEST(SseParserTest, TakesEveryKindOfLineEnd) {
  for (const std::string end : {"\n", "\r", "\r\n"}) {
    EXPECT_THAT(Events("event: a" + end + "data: 1" + end + end + "data: 2" + end + end), ElementsAre("a|1|", "|2|"));
  }
}

TEST(SseParserTest, FindsTheSameWhereverThePiecesAreCut) {
  const std::string text =
      "\xEF\xBB\xBF: hello\r\nevent: message_start\r\ndata: {\"a\":\r\ndata: 1}\r\n\r\n\r\nevent: ping\rdata\r\rdata: "
      "[DONE]\n\nid: 9\ndata:  two blanks\n\nretry: 5\nunknown: x\n\n";
  const std::vector<std::string> whole = Events(text);
  EXPECT_THAT(whole, ElementsAre("message_start|{\"a\":\n1}|", "ping||", "|[DONE]|", "| two blanks|9"));
  for (std::size_t step = 1; step < text.size(); ++step) EXPECT_EQ(Events(text, step), whole) << step;
}

TEST(SseParserTest, CommentsAndEventsWithoutDataAreNoEvents) {
  EXPECT_THAT(Events(": keep-alive\n\nevent: nothing\n\n\n\n"), IsEmpty());
}

TEST(SseParserTest, AnEventThatNoBlankLineEndedIsNotGiven) {
  SseParser parser([](const SseEvent&) { return true; });
  EXPECT_FALSE(parser.unfinished());
  SY_EXPECT_OK(parser.Push("data: half\n"));
  EXPECT_TRUE(parser.unfinished());
  SY_EXPECT_OK(parser.Push("\n"));
  EXPECT_FALSE(parser.unfinished());
}

TEST(SseParserTest, RefusesLinesAndEventsBeyondTheBoundForGood) {
  SseParser long_line([](const SseEvent&) { return true; }, 16);
  EXPECT_THAT(long_line.Push("data: 0123456789a"), IsError("SSE_TOO_LARGE"));
  EXPECT_THAT(long_line.Push("\n\n"), IsError("SSE_TOO_LARGE"));
  SseParser long_event([](const SseEvent&) { return true; }, 16);
  SY_EXPECT_OK(long_event.Push("data: 01234567\n"));
  EXPECT_THAT(long_event.Push("data: 01234567\n"), IsError("SSE_TOO_LARGE"));
}

TEST(SseParserTest, StopsWhenItsReaderHasEnough) {
  int seen = 0;
  SseParser parser([&seen](const SseEvent&) { return ++seen < 2; });
  SY_EXPECT_OK(parser.Push("data: 1\n\ndata: 2\n\ndata: 3\n\n"));
  SY_EXPECT_OK(parser.Push("data: 4\n\n"));
  EXPECT_EQ(seen, 2);
  EXPECT_TRUE(parser.stopped());
}

TEST(JsonLinesParserTest, FindsTheSameWhereverThePiecesAreCut) {
  const std::string text = "{\"a\":1}\n\r\n  \n{\"b\":\"\xC3\xBC\"}\r\n{\"done\":true}";
  const std::vector<std::string> whole = Lines(text, text.size());
  EXPECT_THAT(whole, ElementsAre("{\"a\":1}", "{\"b\":\"\xC3\xBC\"}", "{\"done\":true}"));
  for (std::size_t step = 1; step < text.size(); ++step) EXPECT_EQ(Lines(text, step), whole) << step;
}

TEST(JsonLinesParserTest, RefusesALineBeyondTheBoundForGood) {
  int seen = 0;
  JsonLinesParser parser(
      [&seen](std::string_view) {
        ++seen;
        return true;
      },
      8);
  SY_EXPECT_OK(parser.Push("12345678\n1234"));
  EXPECT_THAT(parser.Push("56789\n"), IsError("JSON_LINE_TOO_LARGE"));
  EXPECT_THAT(parser.Push("1\n"), IsError("JSON_LINE_TOO_LARGE"));
  EXPECT_THAT(parser.Finish(), IsError("JSON_LINE_TOO_LARGE"));
  EXPECT_EQ(seen, 1);
}

TEST(JsonLinesParserTest, StopsWhenItsReaderHasEnough) {
  int seen = 0;
  JsonLinesParser parser([&seen](std::string_view) { return ++seen < 2; });
  SY_EXPECT_OK(parser.Push("1\n2\n3\n"));
  SY_EXPECT_OK(parser.Push("4\n"));
  SY_EXPECT_OK(parser.Finish());
  EXPECT_EQ(seen, 2);
}

// What the fuzz program checks, on inputs that are likely to mean something.
TEST(StreamParsersTest, RandomStreamsHoldTheirInvariants) {
  constexpr std::uint64_t kSeed = 20260101;
  const std::unique_ptr<Rng> rng = MakeSeededRng(kSeed);
  const std::vector<std::string> words = {"data",
                                          "event",
                                          "id",
                                          ":",
                                          " ",
                                          "\n",
                                          "\r",
                                          "\r\n",
                                          "\n\n",
                                          "{",
                                          "}",
                                          "stop",
                                          "\xEF\xBB\xBF",
                                          std::string(1, '\0'),
                                          "0123456789012345678901234567"};
  for (int round = 0; round < 20000; ++round) {
    std::string input(1, static_cast<char>(rng->Below(256)));
    for (std::uint64_t left = rng->Below(24); left > 0; --left) input += words[rng->Below(words.size())];
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
  }
}

}  // namespace
}  // namespace switchyard::http
