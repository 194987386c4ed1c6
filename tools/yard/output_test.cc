#include "tools/yard/output.h"

#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"
#include "tools/yard/errors.h"
#include "tools/yard/table.h"
#include "tools/yard/task_card.h"
#include "tools/yard/task_names.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

Table Sample() {
  Table table;
  table.columns = {{"ID"}, {.title = "N", .right = true}, {.title = "MORE", .wide = true}, {"TITLE"}};
  table.rows = {{{"a"}, {"1"}, {"x"}, {"first"}}, {{"bbb"}, {"22"}, {"y"}, {"a\tb\x1b[31m\nc"}}};
  return table;
}

TEST(TableTest, AlignsAndHidesWideColumns) {
  EXPECT_EQ(RenderTable(Sample(), {}), "ID    N  TITLE\na     1  first\nbbb  22  a\\tb\\x1b[31m\\nc\n");
}

TEST(TableTest, PlainRowsHaveOneTabBetweenFieldsWhateverTheTextHolds) {
  EXPECT_EQ(RenderPlain(Sample()), "a\t1\tfirst\nbbb\t22\ta\\tb\\x1b[31m\\nc\n");
}

TEST(TableTest, CutsTheLastColumnToTheTerminal) {
  Table table;
  table.columns = {{"ID"}, {"TITLE"}};
  table.rows = {{{"a"}, {std::string(200, 'x')}}};
  std::istringstream lines(RenderTable(table, {.columns = 40}));
  std::string line;
  while (std::getline(lines, line)) EXPECT_LE(DisplayWidth(line), 40) << line;
}

TEST(TableTest, CountsWideCharactersTwice) {
  EXPECT_EQ(DisplayWidth("日本"), 4);
  EXPECT_EQ(DisplayWidth("é"), 1);
  EXPECT_EQ(Shorten("日本語", 4), "日…");
}

TEST(TableTest, ColoursOnlyWhenAsked) {
  EXPECT_EQ(Paint("x", Tone::kGood, false), "x");
  EXPECT_THAT(Paint("x", Tone::kGood, true), HasSubstr("\033[32m"));
}

TEST(YamlTest, QuotesWhatWouldReadAsSomethingElse) {
  const Json json = {{"word", "queued"},      {"number", "12"},  {"boolean", "true"},  {"empty", ""},
                     {"list", Json::array()}, {"colon", "a: b"}, {"escape", "\x1b[0m"}};
  const std::string yaml = ToYaml(json);
  EXPECT_THAT(yaml, HasSubstr("word: queued\n"));
  EXPECT_THAT(yaml, HasSubstr("number: \"12\"\n"));
  EXPECT_THAT(yaml, HasSubstr("boolean: \"true\"\n"));
  EXPECT_THAT(yaml, HasSubstr("empty: \"\"\n"));
  EXPECT_THAT(yaml, HasSubstr("colon: \"a: b\"\n"));
  EXPECT_THAT(yaml, HasSubstr("list: []\n"));
  EXPECT_THAT(yaml, Not(HasSubstr("\x1b")));
}

TEST(TimeTextTest, ReadsSpans) {
  EXPECT_EQ(*ParseSpan("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseSpan("2d"), absl::Hours(48));
  EXPECT_EQ(*ParseSpan("250ms"), absl::Milliseconds(250));
  EXPECT_EQ(*ParseSpan("1.5h"), absl::Minutes(90));
  for (const char* bad : {"", "5", "m", "-5m", "5x", "1.2.3s", "9999999999d", "inf"})
    EXPECT_FALSE(ParseSpan(bad).ok()) << bad;
}

TEST(TimeTextTest, WritesSpansAndMoments) {
  EXPECT_EQ(SpanText(absl::Milliseconds(350)), "350ms");
  EXPECT_EQ(SpanText(absl::Seconds(192)), "3m12s");
  EXPECT_EQ(SpanText(absl::Hours(30)), "1d6h");
  EXPECT_EQ(TimeText(kNow - absl::Minutes(3), kNow, TimeForm::kRelative), "3m ago");
  EXPECT_EQ(TimeText(kNow + absl::Seconds(5), kNow, TimeForm::kRelative), "in 5s");
  EXPECT_EQ(TimeText(kNow, kNow, TimeForm::kIso), "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(TimeText(absl::InfinitePast(), kNow, TimeForm::kIso), "");
}

TEST(NamesTest, EnumsGoBothWays) {
  EXPECT_EQ(Text(tq::TASK_STATE_DEAD_LETTER), "dead-letter");
  EXPECT_EQ(Parse<tq::TaskState>("dead-letter"), tq::TASK_STATE_DEAD_LETTER);
  EXPECT_EQ(Parse<tq::Lane>("LANE_HIGH"), tq::LANE_HIGH);
  EXPECT_EQ(Parse<tq::Lane>("nonsense"), tq::LANE_UNSPECIFIED);
}

tq::Task Dead() {
  tq::Task task;
  task.set_id("0199");
  task.mutable_spec()->set_title("evil\x1b]0;title\x07");
  task.set_state(tq::TASK_STATE_DEAD_LETTER);
  task.mutable_failure()->set_reason("EXIT_STATUS");
  task.mutable_failure()->set_message("exit 2");
  tq::Attempt* attempt = task.add_history();
  attempt->set_generation(1);
  attempt->set_outcome(tq::ATTEMPT_OUTCOME_FAILED);
  ToProto(kNow - absl::Seconds(20), attempt->mutable_accept_time());
  ToProto(kNow - absl::Seconds(10), attempt->mutable_finish_time());
  task.mutable_result()->set_output("line 1\nline 2 \x1b[2J\n");
  return task;
}

google::protobuf::RepeatedPtrField<tq::TaskEvent> Life() {
  google::protobuf::RepeatedPtrField<tq::TaskEvent> events;
  const auto add = [&](tq::EventKind kind, tq::TaskState state, int second) {
    tq::TaskEvent* event = events.Add();
    event->set_kind(kind);
    event->set_state(state);
    if (state == tq::TASK_STATE_RUNNING) event->set_agent_id("a-1");
    ToProto(kNow + absl::Seconds(second), event->mutable_time());
  };
  add(tq::EVENT_KIND_SUBMITTED, tq::TASK_STATE_QUEUED, 0);
  add(tq::EVENT_KIND_READY, tq::TASK_STATE_QUEUED, 0);
  add(tq::EVENT_KIND_ASSIGNED, tq::TASK_STATE_ASSIGNED, 4);
  add(tq::EVENT_KIND_ACCEPTED, tq::TASK_STATE_RUNNING, 5);
  add(tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED, 10);
  return events;
}

std::string NameOf(const std::string& agent) { return agent.empty() ? "" : "machine"; }

TEST(CardTest, SaysWhyAndEscapesWhatOthersWrote) {
  const std::string card = TaskCard(Dead(), Life(), {kNow, TimeForm::kRelative}, OutputStyle(), NameOf);
  EXPECT_THAT(card, HasSubstr("EXIT_STATUS: exit 2"));
  EXPECT_THAT(card, HasSubstr("failed"));
  EXPECT_THAT(card, HasSubstr("10s"));
  EXPECT_THAT(card, HasSubstr("line 1\nline 2 \\x1b[2J"));
  EXPECT_THAT(card, Not(HasSubstr("\x1b")));
}

TEST(CardTest, WaterfallFollowsTheStates) {
  const std::vector<Stretch> stretches = Stretches(Life(), kNow + absl::Hours(1), NameOf);
  ASSERT_EQ(stretches.size(), 4u);
  EXPECT_EQ(stretches[0].name, "queued");
  EXPECT_EQ(stretches[0].end - stretches[0].begin, absl::Seconds(4));
  EXPECT_EQ(stretches[2].name, "running");
  const std::string text = Waterfall(stretches, 10, false);
  EXPECT_EQ(text,
            "  queued     +0ms  ████        4s\n"
            "  assigned    +4s      █       1s\n"
            "  running     +5s       █████  5s  machine\n"
            "  succeeded  +10s           ▌\n");
}

TEST(CardTest, WaterfallShowsQuestionsRetriesAndWhatLastsStill) {
  google::protobuf::RepeatedPtrField<tq::TaskEvent> events = Life();
  events.RemoveLast();
  const auto add = [&](tq::EventKind kind, tq::TaskState state, absl::Duration after) {
    tq::TaskEvent* event = events.Add();
    event->set_kind(kind);
    event->set_state(state);
    ToProto(kNow + after, event->mutable_time());
    return event;
  };
  add(tq::EVENT_KIND_BLOCKED, tq::TASK_STATE_RUNNING, absl::Seconds(6))->set_phase(tq::PHASE_BLOCKED);
  add(tq::EVENT_KIND_ANSWERED, tq::TASK_STATE_RUNNING, absl::Seconds(8))->set_phase(tq::PHASE_EXECUTING);
  tq::TaskEvent* back = add(tq::EVENT_KIND_RETURNED, tq::TASK_STATE_QUEUED, absl::Microseconds(8'000'400));
  back->set_hold_reason(tq::HOLD_REASON_BACKOFF);
  back->set_cause("FAILED");
  const std::vector<Stretch> stretches = Stretches(events, kNow + absl::Seconds(16), NameOf);
  std::vector<std::string> names;
  for (const Stretch& stretch : stretches) names.push_back(stretch.name);
  EXPECT_THAT(names, ElementsAre("queued", "assigned", "running", "blocked", "running", "held: backoff"));
  EXPECT_EQ(stretches.back().end, kNow + absl::Seconds(16));
  const std::string text = Waterfall(stretches, 16, false);
  EXPECT_THAT(text, HasSubstr("<1ms\n"));
  EXPECT_THAT(text, HasSubstr("FAILED\n"));
}

TEST(ErrorsTest, MapsReasonsAndCodes) {
  const auto exit = [](absl::StatusCode code, std::string_view reason) {
    return static_cast<int>(ExitCodeOf(MakeError(code, reason, "text")));
  };
  EXPECT_EQ(exit(absl::StatusCode::kInvalidArgument, "INVALID_FIELD"), 2);
  EXPECT_EQ(exit(absl::StatusCode::kNotFound, "TASK_NOT_FOUND"), 3);
  EXPECT_EQ(exit(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID"), 4);
  EXPECT_EQ(exit(absl::StatusCode::kPermissionDenied, "SCOPE_MISSING"), 4);
  EXPECT_EQ(exit(absl::StatusCode::kFailedPrecondition, "COUNT_CHANGED"), 5);
  EXPECT_EQ(exit(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED"), 5);
  EXPECT_EQ(exit(absl::StatusCode::kFailedPrecondition, "APPROVAL_REQUIRED"), 6);
  EXPECT_EQ(exit(absl::StatusCode::kPermissionDenied, "POLICY_DENIED"), 7);
  EXPECT_EQ(exit(absl::StatusCode::kResourceExhausted, "BUDGET_EXHAUSTED"), 8);
  EXPECT_EQ(exit(absl::StatusCode::kDeadlineExceeded, "WAIT_TIMED_OUT"), 9);
  EXPECT_EQ(exit(absl::StatusCode::kFailedPrecondition, "TASK_FAILED"), 10);
  EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::UnavailableError("refused"))), 11);
  EXPECT_EQ(exit(absl::StatusCode::kInternal, "BROKEN"), 1);
}

TEST(ErrorsTest, EnvelopeHasTheStableKeysAndTheViolations) {
  ErrorDetails details;
  details.reason = "INVALID_FIELD";
  details.violations = {{"spec.command.argv", "must not be empty"}};
  const std::string line = ErrorAsJson(MakeError(absl::StatusCode::kInvalidArgument, "bad", details), "id-1");
  const Json error = Json::parse(line)["error"];
  EXPECT_EQ(error["code"], "invalid.field");
  EXPECT_EQ(error["message"], "bad");
  EXPECT_EQ(error["request_id"], "id-1");
  EXPECT_EQ(error["retryable"], false);
  EXPECT_TRUE(error.contains("next"));
  EXPECT_EQ(error["violations"][0]["field"], "spec.command.argv");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

TEST(ErrorsTest, TextHasOneLinePerViolationAndEscapesTheServersWords) {
  ErrorDetails details;
  details.reason = "INVALID_FIELD";
  details.violations = {{"a", "first"}, {"b", "second\x1b[0m"}};
  const std::string text = ErrorAsText(MakeError(absl::StatusCode::kInvalidArgument, "bad", details), "id", false);
  EXPECT_THAT(text, HasSubstr("  a: first\n  b: second\\x1b[0m\n"));
}

}  // namespace
}  // namespace switchyard::yard
