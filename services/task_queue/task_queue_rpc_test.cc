#include "services/task_queue/task_queue_rpc.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/rpc/retry.h"
#include "libs/testing/bad_requests.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"
#include "tests/sim/forwarding_store.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using QueueStub = v1::TaskQueueService::StubInterface;

// Notes how tasks are read.
class NotedReads final : public sim::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  absl::StatusOr<StoredTask> Get(const TaskId& id, const ReadOptions& options) override {
    reads.push_back(options);
    return ForwardingStore::Get(id, options);
  }
  absl::StatusOr<TaskPage> List(const TaskFilter& filter, bool newest_first, std::optional<TaskId> cursor, int limit,
                                const ReadOptions& options) override {
    reads.push_back(options);
    if (endless.has_value()) {
      before_list();
      return TaskPage{.tasks = {}, .next = endless};
    }
    return ForwardingStore::List(filter, newest_first, cursor, limit, options);
  }
  std::vector<ReadOptions> reads;
  // Lists are pages without end and without a match, once it is set.
  std::optional<TaskId> endless;
  std::function<void()> before_list;
};

// As the real ones refuse what does not fit; note until when answers are wanted.
class FullLanes final : public TaskLanes {
 public:
  FullLanes(TaskStore& store, TaskQueue& queue) : lanes_(store, queue) {}
  void Submit(Submission submission, SubmitAnswer answer) override {
    wanted_until.push_back(submission.wanted_until);
    if (room-- > 0) return lanes_.Submit(std::move(submission), std::move(answer));
    answer(MakeError(absl::StatusCode::kResourceExhausted, "QUEUE_FULL", "too many operations wait"));
  }
  void Execute(Command command, ExecuteAnswer answer) override {
    wanted_until.push_back(command.wanted_until);
    lanes_.Execute(std::move(command), std::move(answer));
  }
  int room = 1'000'000;
  std::vector<absl::Time> wanted_until;

 private:
  InlineLanes lanes_;
};

class TaskQueueRpcTest : public ::testing::Test {
 protected:
  TaskQueueRpcTest() {
    reading_.Start();
    server_.Register(rpc_, v1::TaskQueueService::service_full_name());
    server_.Start();
    stub_ = v1::TaskQueueService::NewStub(server_.channel());
  }
  ~TaskQueueRpcTest() override {
    stub_ = nullptr;
    server_.Stop();
    reading_.Stop();
  }

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (QueueStub::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request, const rpc::CallOptions& options = {}) {
    return rpc::CallUnary(server_.caller("admin-token"), *stub_, method, request, options);
  }
  static v1::SubmitTaskRequest Task(std::size_t bytes = 1) {
    v1::SubmitTaskRequest request;
    request.mutable_spec()->mutable_prompt()->set_instruction(std::string(bytes, 'x'));
    return request;
  }
  void Submit(int count, std::size_t bytes = 1) {
    for (int i = 0; i < count; ++i) ASSERT_THAT(Call(&QueueStub::SubmitTask, Task(bytes)), IsOk());
  }
  std::vector<std::string> ReasonsOf(const v1::SubmitTasksResponse& answer) {
    std::vector<std::string> reasons;
    for (const v1::SubmitTasksResult& result : answer.results()) reasons.push_back(result.error().reason());
    return reasons;
  }

  const DisciplinedClock clock_;
  testing::FakeIdSource ids_{clock_};
  const Rules rules_;
  const LaneWeights weights_;
  InMemoryTaskStore store_;
  NotedReads reads_{store_};
  RecordCache cache_{1'000, 1u << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  FullLanes lanes_{store_, queue_};
  InlineExecutor executor_;
  BoundedExecutor reading_{"reading", 1, 16};
  WatchHub watchers_{store_, clock_, {}};
  ReadyFeed ready_{store_, cache_, executor_};
  testing::RpcTestServer server_;
  TaskQueueMeter meter_{server_.metrics()};
  TaskQueueRpc rpc_{server_.gate(),
                    {.store = store_,
                     .reads = reads_,
                     .lanes = lanes_,
                     .watchers = watchers_,
                     .ready = ready_,
                     .blocking = executor_,
                     .reading = reading_,
                     .clock = clock_,
                     .meter = meter_,
                     .weights = weights_}};
  std::unique_ptr<v1::TaskQueueService::Stub> stub_;
};

TEST_F(TaskQueueRpcTest, PagesEndBeforeTheyAreLargerThanClientsTake) {
  Submit(17, 512u << 10);
  v1::ListTasksRequest request;
  std::vector<std::string> seen;
  for (;;) {
    SY_ASSERT_OK_AND_ASSIGN(const v1::ListTasksResponse page, Call(&QueueStub::ListTasks, request));
    EXPECT_LT(page.ByteSizeLong(), 3u << 20);
    for (const v1::Task& task : page.tasks()) seen.push_back(task.id());
    if (page.next_page_token().empty()) break;
    request.set_page_token(page.next_page_token());
  }
  EXPECT_THAT(seen, SizeIs(17));
  EXPECT_TRUE(std::is_sorted(seen.rbegin(), seen.rend()));
}

TEST_F(TaskQueueRpcTest, PagesEndBeforeRecordsMakeThemTooLarge) {
  v1::SubmitTaskRequest request = Task();
  for (int i = 0; i < 60; ++i)
    (*request.mutable_spec()->mutable_metadata())[std::to_string(i)] = std::string(4000, 'v');
  for (int i = 0; i < 30; ++i) ASSERT_THAT(Call(&QueueStub::SubmitTask, request), IsOk());
  SY_ASSERT_OK_AND_ASSIGN(const v1::ListTasksResponse page, Call(&QueueStub::ListTasks, v1::ListTasksRequest()));
  EXPECT_LT(page.ByteSizeLong(), 3u << 20);
  EXPECT_EQ(page.next_page_token(), page.tasks().rbegin()->id());
}

TEST_F(TaskQueueRpcTest, ReadsAreGivenWhatIsLeftOfTheCallersTime) {
  Submit(1);
  v1::GetTaskRequest get;
  get.set_task_id(store_.AllRecords()[0].id.ToString());
  EXPECT_THAT(Call(&QueueStub::GetTask, get, {.timeout = absl::Seconds(5)}), IsOk());
  v1::ListTaskEventsRequest events;
  events.set_task_id(get.task_id());
  EXPECT_THAT(Call(&QueueStub::ListTaskEvents, events, {.timeout = absl::Seconds(5)}), IsOk());
  EXPECT_THAT(Call(&QueueStub::ListTasks, v1::ListTasksRequest(), {.timeout = absl::Seconds(5)}), IsOk());
  ASSERT_THAT(reads_.reads, SizeIs(3));
  for (const ReadOptions& read : reads_.reads) {
    EXPECT_GT(read.within, absl::ZeroDuration());
    EXPECT_LT(read.within, absl::Seconds(6));
  }
}

TEST_F(TaskQueueRpcTest, AnUnfinishedSelectionEndsWithItsCaller) {
  grpc::ClientContext context;
  server_.caller("admin-token").Prepare(context, absl::Seconds(20), std::nullopt);
  reads_.endless = ids_.New<TaskId>();
  reads_.before_list = [&] {
    if (reads_.reads.size() == 3) context.TryCancel();
  };
  v1::CancelTasksRequest request;
  request.mutable_selection()->mutable_filter();
  request.mutable_selection()->set_expected_count(1);
  request.set_dry_run(true);
  v1::CancelTasksResponse response;
  EXPECT_EQ(stub_->CancelTasks(&context, request, &response).error_code(), grpc::StatusCode::CANCELLED);
  // Returns once the selection has ended.
  reading_.Stop();
  ASSERT_GE(reads_.reads.size(), 3u);
  EXPECT_FALSE(reads_.reads[0].specs);
  EXPECT_LE(reads_.reads[0].within, absl::Seconds(21));
}

TEST_F(TaskQueueRpcTest, ABatchThatHasRoomForAPartIsAnsweredItemByItem) {
  v1::SubmitTasksRequest batch;
  for (int i = 0; i < 3; ++i) *batch.add_tasks() = Task();
  lanes_.room = 2;
  SY_ASSERT_OK_AND_ASSIGN(const v1::SubmitTasksResponse answer, Call(&QueueStub::SubmitTasks, batch));
  EXPECT_THAT(ReasonsOf(answer), ::testing::ElementsAre("", "", "QUEUE_FULL"));
  EXPECT_EQ(answer.results(2).error().code(), static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(store_.AllRecords(), SizeIs(2));
  lanes_.room = 0;
  EXPECT_THAT(Call(&QueueStub::SubmitTasks, batch), IsError("QUEUE_FULL"));
  EXPECT_THAT(store_.AllRecords(), SizeIs(2));
}

TEST_F(TaskQueueRpcTest, TextThatIsNotUtf8IsNamedWithItsPath) {
  v1::SubmitTasksRequest batch;
  *batch.add_tasks() = Task();
  *batch.add_tasks() = Task();
  batch.mutable_tasks(1)->mutable_spec()->set_title("\xff\xfe");
  (*batch.mutable_tasks(1)->mutable_spec()->mutable_metadata())["team"] = "\xff";
  const absl::Status status = Call(&QueueStub::SubmitTasks, batch).status();
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  std::vector<std::string> fields;
  for (const FieldViolation& violation : DetailsOf(status).violations) fields.push_back(violation.field);
  EXPECT_THAT(fields, ::testing::UnorderedElementsAre("tasks[1].spec.title", "tasks[1].spec.metadata[\"team\"]"));
  EXPECT_THAT(Call(&QueueStub::SubmitTask, batch.tasks(1)), IsError("INVALID_FIELD"));
  EXPECT_THAT(store_.AllRecords(), IsEmpty());
}

TEST_F(TaskQueueRpcTest, NoMethodTakesTextThatIsNotUtf8OrWhatIsNoMessage) {
  const auto& service = *v1::SubmitTaskRequest::descriptor()->file()->FindServiceByName("TaskQueueService");
  EXPECT_THAT(testing::WronglyAnsweredBadRequests(server_, service, "admin-token"), IsEmpty());
  EXPECT_THAT(store_.AllRecords(), IsEmpty());
}

TEST_F(TaskQueueRpcTest, WritesAreWantedForAsLongAsTheirCallersWait) {
  const absl::Time begin = clock_.Now();
  const rpc::CallOptions options = {.timeout = absl::Seconds(5)};
  EXPECT_THAT(Call(&QueueStub::SubmitTask, Task(), options), IsOk());
  v1::SubmitTasksRequest batch;
  *batch.add_tasks() = Task();
  EXPECT_THAT(Call(&QueueStub::SubmitTasks, batch, options), IsOk());
  const std::string id = store_.AllRecords()[0].id.ToString();
  v1::PauseQueueRequest pause;
  pause.mutable_target()->set_task_id(id);
  EXPECT_THAT(Call(&QueueStub::PauseQueue, pause, options), IsOk());
  v1::ResumeQueueRequest resume;
  resume.mutable_target()->set_task_id(id);
  EXPECT_THAT(Call(&QueueStub::ResumeQueue, resume, options), IsOk());
  v1::AnswerTaskRequest answer;
  answer.set_task_id(id);
  answer.set_answer("yes");
  EXPECT_THAT(Call(&QueueStub::AnswerTask, answer, options), IsError("WRONG_STATE"));
  v1::CancelTasksRequest cancel;
  cancel.mutable_selection()->add_task_ids(id);
  EXPECT_THAT(Call(&QueueStub::CancelTasks, cancel, options), IsOk());
  ASSERT_THAT(lanes_.wanted_until, SizeIs(6));
  for (const absl::Time until : lanes_.wanted_until) {
    EXPECT_GT(until, begin + absl::Seconds(4));
    // gRPC rounds a deadline up on its way.
    EXPECT_LE(until, clock_.Now() + absl::Seconds(5.1));
  }
}

}  // namespace
}  // namespace switchyard::task_queue
