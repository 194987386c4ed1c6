#include "services/task_queue/request_validation.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "services/task_queue/ledger_validation.h"

namespace switchyard::task_queue {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const absl::Time kRequestTime = absl::FromUnixSeconds(1'790'000'000);
constexpr char kSomeTask[] = "01990000-0000-7000-8000-000000000001";

template <class Message>
Message ReadRequest(std::string text) {
  for (std::size_t at; (at = text.find("$ID")) != std::string::npos;) text.replace(at, 3, kSomeTask);
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

auto RequestFault(const std::string& field, const std::string& words) {
  return AllOf(Field(&FieldViolation::field, field), Field(&FieldViolation::description, HasSubstr(words)));
}
template <class Message>
Violations Faults(const std::string& text) {
  return Validate(ReadRequest<Message>(text));
}
template <class Item>
Violations ItemFaults(const std::string& text) {
  FaultList faults;
  CheckItem(ReadRequest<Item>(text), faults);
  return std::move(faults).Take();
}

TEST(RequestValidationTest, ChecksSubmissions) {
  EXPECT_THAT(Validate(v1::SubmitTaskRequest(), kRequestTime), ElementsAre(RequestFault("spec", "must be set")));
  EXPECT_THAT(
      Validate(ReadRequest<v1::SubmitTaskRequest>("request_id: 'a\\tb' spec { command { argv: 'x' } }"), kRequestTime),
      ElementsAre(RequestFault("request_id", "control characters")));
  EXPECT_THAT(ValidateRequestId(std::string(129, 'x'), "request_id"),
              ElementsAre(RequestFault("request_id", "at most 128 bytes, got 129")));
  EXPECT_THAT(ValidateRequestId("", "request_id"), IsEmpty());
  EXPECT_THAT(Validate(v1::SubmitTasksRequest(), kRequestTime), ElementsAre(RequestFault("tasks", "1 to 1000")));
  EXPECT_THAT(Validate(ReadRequest<v1::SubmitTasksRequest>(
                           "tasks { spec { command { argv: 'x' } } } tasks { spec { prompt {} } }"),
                       kRequestTime),
              ElementsAre(RequestFault("tasks[1].spec.prompt.instruction", "must not be empty")));
  v1::SubmitTasksRequest many;
  for (int i = 0; i < 1001; ++i) many.add_tasks()->mutable_spec()->mutable_command()->add_argv("x");
  EXPECT_THAT(Validate(many, kRequestTime), ElementsAre(RequestFault("tasks", "at most 1000 entries, got 1001")));
}

TEST(RequestValidationTest, ChecksIds) {
  EXPECT_THAT(Faults<v1::GetTaskRequest>("task_id: '$ID'"), IsEmpty());
  EXPECT_THAT(Faults<v1::GetTaskRequest>(""), ElementsAre(RequestFault("task_id", "must be set")));
  EXPECT_THAT(Faults<v1::ListTaskEventsRequest>("task_id: '7'"), ElementsAre(RequestFault("task_id", "UUID")));
}

TEST(RequestValidationTest, ChecksFiltersAndPages) {
  EXPECT_THAT(Faults<v1::ListTasksRequest>(""), IsEmpty());
  EXPECT_THAT(
      Faults<v1::ListTasksRequest>("filter { states: 0 lanes: 9 projects: 'A' hold_reasons: 99 task_types: '' "
                                   "create_time_from { nanos: -1 } } order: 7 page_size: 1001"),
      ElementsAre(RequestFault("filter.states[0]", "must be set"), RequestFault("filter.lanes[0]", "got 9"),
                  RequestFault("filter.hold_reasons[0]", "got 99"), RequestFault("filter.projects[0]", "lower-case"),
                  RequestFault("filter.task_types[0]", "must not be empty"),
                  RequestFault("filter.create_time_from", "valid"), RequestFault("order", "got 7"),
                  RequestFault("page_size", "0 to 1000, got 1001")));
  v1::TaskFilter filter;
  filter.set_title_contains(std::string(201, 'x'));
  EXPECT_THAT(ValidateFilter(filter, "filter"), ElementsAre(RequestFault("filter.title_contains", "200")));
  EXPECT_THAT(Faults<v1::ListDeadLettersRequest>("page_size: -1"), ElementsAre(RequestFault("page_size", "got -1")));
}

TEST(RequestValidationTest, WantsIdsOrAFilter) {
  EXPECT_THAT(Faults<v1::CancelTasksRequest>("selection { task_ids: '$ID' }"), IsEmpty());
  EXPECT_THAT(Faults<v1::CancelTasksRequest>("selection { filter {} expected_count: 3 }"), IsEmpty());
  EXPECT_THAT(Faults<v1::CancelTasksRequest>(""), ElementsAre(RequestFault("selection", "neither")));
  EXPECT_THAT(Faults<v1::RetryTasksRequest>("selection { task_ids: '$ID' filter {} expected_count: 1 }"),
              ElementsAre(RequestFault("selection", "both")));
  EXPECT_THAT(Faults<v1::DiscardDeadLettersRequest>("selection { filter {} }"),
              ElementsAre(RequestFault("selection.expected_count", "must be set")));
  EXPECT_THAT(Faults<v1::RetryTasksRequest>("selection { filter {} expected_count: 10001 }"),
              ElementsAre(RequestFault("selection.expected_count", "got 10001")));
  v1::TaskSelection many;
  for (int i = 0; i < 1001; ++i) many.add_task_ids(kSomeTask);
  EXPECT_THAT(ValidateSelection(many, "selection"), ElementsAre(RequestFault("selection.task_ids", "got 1001")));
}

TEST(RequestValidationTest, ChecksTheRestOfTheUserCalls) {
  EXPECT_THAT(Faults<v1::PauseQueueRequest>(""), ElementsAre(RequestFault("target", "got none")));
  EXPECT_THAT(Faults<v1::PauseQueueRequest>("target { lane: 0 }"),
              ElementsAre(RequestFault("target.lane", "must be set")));
  EXPECT_THAT(Faults<v1::PauseQueueRequest>("target { project: '' }"), SizeIs(1));
  EXPECT_THAT(Faults<v1::ResumeQueueRequest>("target { task_id: 'x' }"),
              ElementsAre(RequestFault("target.task_id", "UUID")));
  EXPECT_THAT(Faults<v1::WatchTasksRequest>("task_ids: 'x' projects: '' kinds: 0"), SizeIs(3));
}

TEST(LedgerValidationTest, BoundsBatches) {
  EXPECT_THAT(Validate(v1::AssignTasksRequest()), ElementsAre(RequestFault("assignments", "1 to 1000")));
  EXPECT_THAT(Validate(v1::ReportTasksRequest()), SizeIs(1));
  EXPECT_THAT(Validate(v1::ConcludeTasksRequest()), SizeIs(1));
  EXPECT_THAT(Validate(v1::HoldTasksRequest()), SizeIs(1));
  EXPECT_THAT(Validate(v1::RenewSessionsRequest()), ElementsAre(RequestFault("sessions", "1 to 10000")));
  EXPECT_THAT(Validate(v1::ListAssignedRequest()), SizeIs(1));
  v1::ReportTasksRequest reports;
  for (int i = 0; i < 1001; ++i) reports.add_reports();
  EXPECT_THAT(Validate(reports), ElementsAre(RequestFault("reports", "at most 1000 entries, got 1001")));
}

TEST(LedgerValidationTest, ChecksSessionsShardsAndFeeds) {
  EXPECT_THAT(Faults<v1::OpenSessionRequest>("agent_id: 'a' hub_id: 'h' held { task_id: '$ID' generation: 1 }"),
              IsEmpty());
  EXPECT_THAT(
      Faults<v1::OpenSessionRequest>("held { task_id: 'x' }"),
      ElementsAre(RequestFault("agent_id", "must not be empty"), RequestFault("hub_id", "must not be empty"),
                  RequestFault("held[0].task_id", "UUID"), RequestFault("held[0].generation", "at least 1, got 0")));
  EXPECT_THAT(Faults<v1::OpenSessionRequest>("agent_id: 'a' hub_id: 'h' connection: -1"),
              ElementsAre(RequestFault("connection", "must not be negative")));
  EXPECT_THAT(Faults<v1::AcquireShardsRequest>("owner_id: 'o' want: 17"),
              ElementsAre(RequestFault("want", "0 to 16, got 17")));
  EXPECT_THAT(
      Faults<v1::WatchReadyRequest>("shards: 16 window: 10001"),
      ElementsAre(RequestFault("shards[0]", "0 to 15, got 16"), RequestFault("window", "0 to 10000, got 10001")));
  EXPECT_THAT(Faults<v1::WatchDirectivesRequest>(""), IsEmpty());
  EXPECT_THAT(Faults<v1::ConfirmGenerationRequest>("task_id: '$ID'"), ElementsAre(RequestFault("generation", "got 0")));
  EXPECT_THAT(Faults<v1::ReadVerifyingRequest>("task_id: '$ID'"), ElementsAre(RequestFault("generation", "got 0")));
}

TEST(LedgerValidationTest, ChecksItems) {
  EXPECT_THAT(ItemFaults<v1::Assignment>("task_id: '$ID' agent_id: 'a'"), IsEmpty());
  v1::Assignment assignment = ReadRequest<v1::Assignment>("task_id: '$ID' generation: -1");
  assignment.set_routing(std::string(16385, 'r'));
  FaultList faults;
  CheckItem(assignment, faults);
  EXPECT_THAT(std::move(faults).Take(),
              ElementsAre(RequestFault("generation", "at least 0, got -1"), RequestFault("agent_id", "empty"),
                          RequestFault("routing", "at most 16384 bytes, got 16385")));
  EXPECT_THAT(ItemFaults<v1::Conclusion>("task_id: '$ID' generation: 1"),
              ElementsAre(RequestFault("verdict", "must be set")));
  EXPECT_THAT(ItemFaults<v1::Hold>("task_id: '$ID' reason: HOLD_REASON_PAUSED"),
              ElementsAre(RequestFault("reason", "people")));
  EXPECT_THAT(ItemFaults<v1::Hold>("task_id: '$ID' reason: HOLD_REASON_DEPENDENCY"),
              ElementsAre(RequestFault("reason", "specification")));
  EXPECT_THAT(ItemFaults<v1::Hold>("task_id: '$ID'"), ElementsAre(RequestFault("reason", "must be set")));
}

TEST(LedgerValidationTest, ChecksReports) {
  const auto faults = [](const std::string& report) {
    return ItemFaults<v1::TaskReport>("task_id: '$ID' generation: 1 agent_id: 'a' " + report);
  };
  EXPECT_THAT(faults("accepted {}"), IsEmpty());
  EXPECT_THAT(faults("evidence {}"), IsEmpty());
  EXPECT_THAT(faults(""), ElementsAre(RequestFault("report", "got none")));
  EXPECT_THAT(faults("phase {}"), ElementsAre(RequestFault("phase.phase", "must be set")));
  EXPECT_THAT(faults("progress { percent: 101 }"), ElementsAre(RequestFault("progress.percent", "0 to 100, got 101")));
  EXPECT_THAT(faults("failed {}"), ElementsAre(RequestFault("failed.failure.reason", "must not be empty")));
  EXPECT_THAT(faults("failed { failure { reason: 'exit status' } }"),
              ElementsAre(RequestFault("failed.failure.reason", "UPPER_SNAKE_CASE")));
  EXPECT_THAT(faults("blocked { question: 'a\\000' }"), ElementsAre(RequestFault("blocked.question", "NUL")));
  EXPECT_THAT(faults("evidence { result { usage { input_tokens: -1 load_time { seconds: -1 } } outputs {} } }"),
              ElementsAre(RequestFault("evidence.result.usage.input_tokens", "got -1"),
                          RequestFault("evidence.result.usage.load_time", "negative"),
                          RequestFault("evidence.result.outputs[\"\"]", "must not be empty")));
  v1::TaskReport report = ReadRequest<v1::TaskReport>("task_id: '$ID' generation: 1 agent_id: 'a'");
  report.mutable_evidence()->mutable_result()->set_output(std::string(65537, 'x'));
  report.mutable_evidence()->mutable_result()->set_evidence(std::string(262145, 'x'));
  report.mutable_evidence()->mutable_result()->set_summary(std::string(4097, 'x'));
  report.mutable_evidence()->mutable_result()->set_checks(std::string(262145, 'x'));
  report.mutable_evidence()->mutable_result()->set_state_summary(std::string(16385, 'x'));
  FaultList list;
  CheckItem(report, list);
  EXPECT_THAT(
      std::move(list).Take(),
      ElementsAre(RequestFault("evidence.result.summary", "4096"), RequestFault("evidence.result.output", "65536"),
                  RequestFault("evidence.result.evidence", "262144"), RequestFault("evidence.result.checks", "262144"),
                  RequestFault("evidence.result.state_summary", "16384")));
  report = ReadRequest<v1::TaskReport>("task_id: '$ID' generation: 1 agent_id: 'a'");
  report.mutable_evidence()->mutable_result()->set_state_summary("a\xc3(");
  FaultList malformed;
  CheckItem(report, malformed);
  EXPECT_THAT(std::move(malformed).Take(), ElementsAre(RequestFault("evidence.result.state_summary", "UTF-8")));
}

TEST(RequestValidationTest, ChecksAnswers) {
  v1::AnswerTaskRequest request;
  EXPECT_THAT(Validate(request), SizeIs(2));
  request.set_task_id("01920000-0000-7000-8000-000000000001");
  request.set_answer("yes");
  EXPECT_THAT(Validate(request), IsEmpty());
  request.set_answer(std::string(16 * 1024 + 1, 'x'));
  EXPECT_THAT(Validate(request), ElementsAre(RequestFault("answer", "16384")));
}

}  // namespace
}  // namespace switchyard::task_queue
