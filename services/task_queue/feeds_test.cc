// The streams of the task queue over an in-memory store and a real server: what readers are told, and how those end who
// cannot follow.
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/status_convert.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "services/task_queue/decide.h"
#include "services/task_queue/dependency_desk.h"
#include "services/task_queue/directive_feed.h"
#include "services/task_queue/event_pump.h"
#include "services/task_queue/in_memory_task_store.h"
#include "services/task_queue/inline_lanes.h"
#include "services/task_queue/ready_feed.h"
#include "services/task_queue/verifying_feed.h"
#include "services/task_queue/watch_hub.h"
#include "switchyard/task_queue/v1/task_ledger_service.grpc.pb.h"
#include "switchyard/task_queue/v1/task_queue_service.grpc.pb.h"

namespace switchyard::task_queue {
namespace {

using ::switchyard::testing::FakeClock;
using ::switchyard::testing::FakeIdSource;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// Large enough that only the bound of all streams together ends any.
constexpr rpc::StreamLimits kVast{.max_messages = 1'000'000, .max_bytes = 1u << 30};

class Tasks final : public v1::TaskQueueService::CallbackService {
 public:
  Tasks(rpc::CallGate& gate, WatchHub& hub) : rpc_(gate, v1::TaskQueueService::service_full_name()), hub_(hub) {}

  grpc::ServerWriteReactor<v1::WatchTasksResponse>* WatchTasks(grpc::CallbackServerContext* context,
                                                               const v1::WatchTasksRequest* request) override {
    return rpc_.Stream<v1::WatchTasksResponse>(
        context, watch_, request, kVast,
        [this](const rpc::CallContext&, const v1::WatchTasksRequest& request,
               std::shared_ptr<WatchHub::Stream> stream) { return hub_.Open(request, std::move(stream)); });
  }

 private:
  rpc::Handlers rpc_;
  WatchHub& hub_;
  const rpc::Method& watch_ = rpc_.Find("WatchTasks");
};

class Ledger final : public v1::TaskLedgerService::CallbackService {
 public:
  Ledger(rpc::CallGate& gate, ReadyFeed& ready, DirectiveFeed& directives, VerifyingFeed& verifying)
      : rpc_(gate, v1::TaskLedgerService::service_full_name()),
        ready_(ready),
        directives_(directives),
        verifying_(verifying) {}

  grpc::ServerWriteReactor<v1::WatchVerifyingResponse>* WatchVerifying(
      grpc::CallbackServerContext* context, const v1::WatchVerifyingRequest* request) override {
    return rpc_.Stream<v1::WatchVerifyingResponse>(
        context, watch_verifying_, request, {.max_messages = 16, .max_bytes = 1u << 20},
        [this](const rpc::CallContext&, const v1::WatchVerifyingRequest& request,
               std::shared_ptr<VerifyingFeed::Stream> stream) { return verifying_.Open(request, std::move(stream)); });
  }

  grpc::ServerWriteReactor<v1::WatchReadyResponse>* WatchReady(grpc::CallbackServerContext* context,
                                                               const v1::WatchReadyRequest* request) override {
    return rpc_.Stream<v1::WatchReadyResponse>(
        context, watch_ready_, request, {.max_messages = 16, .max_bytes = 1u << 20},
        [this](const rpc::CallContext&, const v1::WatchReadyRequest& request,
               std::shared_ptr<ReadyFeed::Stream> stream) { return ready_.Open(request, std::move(stream)); });
  }
  grpc::ServerWriteReactor<v1::WatchDirectivesResponse>* WatchDirectives(
      grpc::CallbackServerContext* context, const v1::WatchDirectivesRequest* request) override {
    return rpc_.Stream<v1::WatchDirectivesResponse>(
        context, watch_directives_, request, {.max_messages = 16, .max_bytes = 1u << 20},
        [this](const rpc::CallContext&, const v1::WatchDirectivesRequest& request,
               std::shared_ptr<DirectiveFeed::Stream> stream) { return directives_.Open(request, std::move(stream)); });
  }

 private:
  rpc::Handlers rpc_;
  ReadyFeed& ready_;
  DirectiveFeed& directives_;
  VerifyingFeed& verifying_;
  const rpc::Method& watch_verifying_ = rpc_.Find("WatchVerifying");
  const rpc::Method& watch_ready_ = rpc_.Find("WatchReady");
  const rpc::Method& watch_directives_ = rpc_.Find("WatchDirectives");
};

template <class Response>
struct Reading {
  std::unique_ptr<grpc::ClientContext> context;
  std::unique_ptr<grpc::ClientReaderInterface<Response>> reader;

  Response Next() {
    Response message;
    EXPECT_TRUE(reader->Read(&message)) << "the stream ended";
    return message;
  }
  // Reads what is left; how it ended.
  absl::Status End() {
    for (Response message; reader->Read(&message);) {
    }
    return rpc::FromGrpcStatus(reader->Finish());
  }
};

class FeedsTest : public ::testing::Test {
 protected:
  FeedsTest() { MakeHub({}); }
  ~FeedsTest() override {
    watching_.clear();
    server_.Stop();
  }

  void MakeHub(WatchHub::Limits limits) {
    hub_.emplace(store_, clock_, limits);
    pump_.emplace(store_, cache_,
                  EventPump::Hearers{.watchers = *hub_,
                                     .ready = ready_,
                                     .directives = directives_,
                                     .verifying = verifying_,
                                     .dependencies = dependencies_});
  }
  void Start() {
    tasks_.emplace(server_.gate(), *hub_);
    ledger_.emplace(server_.gate(), ready_, directives_, *verified_by_);
    server_.Register(*tasks_, v1::TaskQueueService::service_full_name());
    server_.Register(*ledger_, v1::TaskLedgerService::service_full_name());
    server_.Start();
    task_stub_ = v1::TaskQueueService::NewStub(server_.channel());
    ledger_stub_ = v1::TaskLedgerService::NewStub(server_.channel());
    ASSERT_THAT(pump_->Tick(), IsOk());
  }
  std::unique_ptr<grpc::ClientContext> Context(std::string_view token) {
    auto context = std::make_unique<grpc::ClientContext>();
    server_.caller(token).Prepare(*context, absl::InfiniteDuration(), std::nullopt);
    return context;
  }
  Reading<v1::WatchTasksResponse> Watch(const std::string& token = "", const std::string& project = "") {
    v1::WatchTasksRequest request;
    request.set_resume_token(token);
    if (!project.empty()) request.add_projects(project);
    const std::size_t before = hub_->watchers();
    Reading<v1::WatchTasksResponse> reading{Context("read-token"), nullptr};
    reading.reader = task_stub_->WatchTasks(reading.context.get(), request);
    while (hub_->watchers() == before) std::this_thread::yield();
    EXPECT_THAT(hub_->CatchUp(), IsOk());
    return reading;
  }

  TaskId Submit(const std::string& project = "default", const std::string& matching = "") {
    Submission submission;
    submission.task.record.project = project;
    submission.task.record.matching = matching;
    TaskId id;
    lanes_.Submit(std::move(submission), [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    return id;
  }
  void Do(Command command) {
    lanes_.Execute(std::move(command), [](const absl::StatusOr<Executed>& answer) { EXPECT_THAT(answer, IsOk()); });
  }
  // Submitted, assigned and to be cancelled.
  TaskId ToBeTold(const std::string& reason) {
    const TaskId id = Submit();
    Do({id, Assign{.agent = "a", .session_epoch = session_.epoch}});
    Do({id, Cancel{reason}});
    return id;
  }

  // Submitted and worked on: a verdict is all that it waits for.
  TaskId ToBeJudged() {
    Submission submission;
    submission.task.record.policy.needs_verdict = true;
    TaskId id;
    lanes_.Submit(std::move(submission), [&](absl::StatusOr<Submitted> submitted) { id = submitted->id; });
    Do({id, Assign{.agent = "a", .session_epoch = session_.epoch}});
    Do({id, Report{.generation = Generation(1), .agent = "a", .session_epoch = session_.epoch, .what = Finished{}}});
    return id;
  }
  Reading<v1::WatchVerifyingResponse> WatchVerifying() {
    Reading<v1::WatchVerifyingResponse> reading{Context("service-token"), nullptr};
    const std::size_t before = verified_by_->readers();
    reading.reader = ledger_stub_->WatchVerifying(reading.context.get(), {});
    while (verified_by_->readers() == before) std::this_thread::yield();
    return reading;
  }
  static std::vector<std::string> IdsOf(const v1::WatchVerifyingResponse& message) {
    std::vector<std::string> ids;
    for (const v1::VerifyingTask& task : message.tasks()) ids.push_back(task.task_id());
    return ids;
  }
  void NextRound() {
    clock_.Advance(absl::Seconds(5));
    EXPECT_THAT(verifying_.Tick(), IsOk());
  }

  FakeClock clock_;
  FakeIdSource ids_{clock_};
  const Rules rules_;
  InMemoryTaskStore store_{"first"};
  const Session session_ = *store_.OpenSession("a", "hub", absl::InfiniteFuture());
  RecordCache cache_{1024, 64u << 20};
  TaskQueue queue_{rules_, clock_, ids_, cache_};
  InlineLanes lanes_{store_, queue_};
  InlineExecutor inline_;
  ReadyFeed ready_{store_, cache_, inline_};
  DirectiveFeed directives_{store_, /*per_tick=*/2};
  VerifyingFeed verifying_{store_, clock_, inline_, /*per_tick=*/2};
  VerifyingFeed verifying_all_{store_, clock_, inline_, /*per_tick=*/5'000, /*round=*/absl::ZeroDuration()};
  VerifyingFeed* verified_by_ = &verifying_;
  DependencyDesk dependencies_{store_, lanes_, clock_};
  std::optional<WatchHub> hub_;
  std::optional<EventPump> pump_;
  std::optional<Tasks> tasks_;
  std::optional<Ledger> ledger_;
  RpcTestServer server_;
  std::unique_ptr<v1::TaskQueueService::StubInterface> task_stub_;
  std::unique_ptr<v1::TaskLedgerService::StubInterface> ledger_stub_;
  std::vector<Reading<v1::WatchTasksResponse>> watching_;
};

TEST_F(FeedsTest, WatchersOfAFormerLifeOfTheDatabaseAreSentToListAnew) {
  Start();
  auto live = Watch();
  const std::string former = live.Next().resume_token();
  const TaskId remembered = Submit();
  ASSERT_NE(cache_.Find(remembered).record, nullptr);
  store_.BeginLife("second");
  ASSERT_THAT(pump_->Tick(), IsOk());
  EXPECT_THAT(live.End(), IsError("RESUME_TOKEN_EXPIRED"));
  EXPECT_EQ(cache_.Find(remembered).record, nullptr) << "what was remembered is of the former life";
  EXPECT_THAT(Watch(former).End(), IsError("RESUME_TOKEN_EXPIRED"));

  auto anew = Watch();
  const std::string token = anew.Next().resume_token();
  const TaskId id = Submit();
  ASSERT_THAT(pump_->Tick(), IsOk());
  EXPECT_EQ(anew.Next().events(0).task_id(), id.ToString());
  auto resumed = Watch(token);
  EXPECT_EQ(resumed.Next().events(0).task_id(), id.ToString());
  anew.context->TryCancel();
  resumed.context->TryCancel();
}

TEST_F(FeedsTest, ATokenBeyondWhatTheDatabaseGaveOutHasExpired) {
  Start();
  Submit();
  ASSERT_THAT(pump_->Tick(), IsOk());
  EXPECT_THAT(Watch(EncodeResumeToken("first", {.transaction = 9'000'000'000'000, .sequence = 0})).End(),
              IsError("RESUME_TOKEN_EXPIRED"));
}

TEST_F(FeedsTest, AKindThatThisVersionDoesNotKnowIsToldToThoseWhoWantAll) {
  Start();
  auto all = Watch();
  all.Next();
  v1::WatchTasksRequest some;
  some.add_kinds(v1::EVENT_KIND_FINISHED);
  auto finished_context = Context("read-token");
  auto finished = task_stub_->WatchTasks(finished_context.get(), some);
  while (hub_->watchers() < 2) std::this_thread::yield();
  ASSERT_THAT(hub_->CatchUp(), IsOk());
  EventBatch batch{.position = {.transaction = 5, .sequence = 1},
                   .events = {{.task = ids_.New<TaskId>(), .event = {.kind = static_cast<EventKind>(120)}}}};
  hub_->Publish({batch});
  EXPECT_EQ(static_cast<int>(all.Next().events(0).kind()), 120);
  all.context->TryCancel();
  finished_context->TryCancel();
}

TEST_F(FeedsTest, AllWatchersTogetherHoldNoMoreThanTheirBound) {
  constexpr std::size_t kBound = 4u << 20;
  MakeHub({.max_bytes = kBound});
  Start();
  for (int i = 0; i < 4; ++i) watching_.push_back(Watch("", "p" + std::to_string(i)));
  ASSERT_EQ(hub_->watchers(), 4u);
  const std::string large(100'000, 'x');
  EventPosition position{.transaction = 10, .sequence = 0};
  while (hub_->watchers() == 4) {
    ASSERT_LT(position.sequence, 10'000) << "nobody is cut off";
    ++position.sequence;
    EventBatch batch{.position = position, .events = {}};
    for (int i = 0; i < 4; ++i) {
      batch.events.push_back(
          {.task = ids_.New<TaskId>(), .project = "p" + std::to_string(i), .event = {.message = large}});
    }
    hub_->Publish({batch});
    ASSERT_LE(hub_->buffered_bytes(), kBound);
  }
  EXPECT_GT(hub_->watchers(), 0u) << "no more are cut off than must be";
  std::vector<absl::Status> ends(watching_.size());
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < watching_.size(); ++i) {
    readers.emplace_back([&, i] { ends[i] = watching_[i].End(); });
  }
  // Otherwise those who were not cut off would go on for ever.
  server_.server().Stop();
  for (std::thread& reader : readers) reader.join();
  EXPECT_THAT(ends, Contains(IsError("WATCH_TOO_SLOW")));
}

TEST_F(FeedsTest, OnlyWhoIsConcernedIsToldAndTheOthersMoveOn) {
  Start();
  auto mine = Watch("", "mine");
  auto other = Watch("", "other");
  mine.Next();
  const std::string before = other.Next().resume_token();
  const TaskId id = Submit("mine");
  ASSERT_THAT(pump_->Tick(), IsOk());
  EXPECT_EQ(mine.Next().events(0).task_id(), id.ToString());
  clock_.Advance(absl::Seconds(6));
  Submit("mine");
  ASSERT_THAT(pump_->Tick(), IsOk());
  const v1::WatchTasksResponse moved = other.Next();
  EXPECT_THAT(moved.events(), IsEmpty());
  EXPECT_NE(moved.resume_token(), before);
  mine.context->TryCancel();
  other.context->TryCancel();
}

TEST_F(FeedsTest, ASchedulerThatDoesNotReadIsToldThatItsFeedOverran) {
  Start();
  v1::WatchReadyRequest request;
  for (int shard = 0; shard < kShardCount; ++shard) request.add_shards(shard);
  Reading<v1::WatchReadyResponse> reading{Context("service-token"), nullptr};
  reading.reader = ledger_stub_->WatchReady(reading.context.get(), request);
  while (ready_.readers() == 0) std::this_thread::yield();
  v1::ReadyTask large;
  large.set_repository(std::string(60'000, 'r'));
  const TaskId id = Submit("default", large.SerializeAsString());
  const TaskRecord record = store_.Get(id)->record;
  // Flow control takes some megabytes; then nothing but the buffer.
  for (int i = 0; i < 2'000; ++i) {
    ready_.Push(record);
    ready_.Flush();
  }
  EXPECT_THAT(reading.End(), IsError("READY_FEED_OVERRUN"));
}

TEST_F(FeedsTest, AHubThatDoesNotReadIsToldThatItsFeedOverran) {
  Start();
  for (int i = 0; i < 2; ++i) ToBeTold(std::string(60'000, 'r'));
  Reading<v1::WatchDirectivesResponse> reading{Context("service-token"), nullptr};
  reading.reader = ledger_stub_->WatchDirectives(reading.context.get(), {});
  while (directives_.readers() == 0) std::this_thread::yield();
  for (int i = 0; i < 2'000; ++i) ASSERT_THAT(directives_.Tick(), IsOk());
  EXPECT_THAT(reading.End(), IsError("DIRECTIVE_FEED_OVERRUN"));
}

TEST_F(FeedsTest, EachOfMoreDirectivesThanOneTickSendsHasItsTurn) {
  Start();
  std::vector<std::string> wanted;
  for (int i = 0; i < 5; ++i) wanted.push_back(ToBeTold("enough").ToString());
  Reading<v1::WatchDirectivesResponse> reading{Context("service-token"), nullptr};
  reading.reader = ledger_stub_->WatchDirectives(reading.context.get(), {});
  while (directives_.readers() == 0) std::this_thread::yield();
  std::vector<std::string> told;
  for (int tick = 0; tick < 3; ++tick) {
    ASSERT_THAT(directives_.Tick(), IsOk());
    const v1::WatchDirectivesResponse message = reading.Next();
    for (const v1::Directive& directive : message.directives()) told.push_back(directive.task_id());
  }
  EXPECT_THAT(told, ElementsAreArray(wanted));
  ASSERT_THAT(directives_.Tick(), IsOk());
  EXPECT_EQ(reading.Next().directives(0).task_id(), wanted[0]) << "and then again";
  reading.context->TryCancel();
}

TEST_F(FeedsTest, AVerifierIsToldAllFirstThenEachAsItCommits) {
  Start();
  std::vector<std::string> wanted;
  for (int i = 0; i < 5; ++i) wanted.push_back(ToBeJudged().ToString());
  auto reading = WatchVerifying();
  std::vector<std::string> told;
  while (told.size() < wanted.size()) {
    for (const std::string& id : IdsOf(reading.Next())) told.push_back(id);
  }
  EXPECT_THAT(told, ElementsAreArray(wanted));
  const TaskId later = ToBeJudged();
  verifying_.Push(later, Generation(1));
  const v1::WatchVerifyingResponse news = reading.Next();
  EXPECT_THAT(IdsOf(news), ElementsAre(later.ToString()));
  EXPECT_EQ(news.tasks(0).generation(), 1);
  reading.context->TryCancel();
}

TEST_F(FeedsTest, WhatAwaitsAVerdictIsToldAgainUntilItHasOne) {
  Start();
  std::vector<TaskId> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(ToBeJudged());
  auto reading = WatchVerifying();
  for (std::size_t told = 0; told < waiting.size();) told += IdsOf(reading.Next()).size();
  NextRound();
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(waiting[0].ToString(), waiting[1].ToString()));
  ASSERT_THAT(verifying_.Tick(), IsOk());
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(waiting[2].ToString()));
  ASSERT_THAT(verifying_.Tick(), IsOk()) << "and not before the next round";
  Do({waiting[0], Conclude{.generation = Generation(1), .verdict = Verdict::kSucceeded}});
  NextRound();
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(waiting[1].ToString(), waiting[2].ToString()));
  ASSERT_THAT(verifying_.Tick(), IsOk());
  // Older than all that is told now, as one that was retried is.
  clock_.Advance(absl::Hours(1));
  const TaskId young = ToBeJudged();
  for (const TaskId& id : {waiting[1], waiting[2]}) {
    Do({id, Conclude{.generation = Generation(1), .verdict = Verdict::kFailed, .failure = {"CHECK", ""}}});
  }
  NextRound();
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(young.ToString()));
  Do({waiting[1], Assign{.seen = Generation(1), .agent = "a", .session_epoch = session_.epoch}});
  Do({waiting[1],
      Report{.generation = Generation(2), .agent = "a", .session_epoch = session_.epoch, .what = Finished{}}});
  verifying_.Push(waiting[1], Generation(2));
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(waiting[1].ToString()));
  NextRound();
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(waiting[1].ToString(), young.ToString()));
  reading.context->TryCancel();
}

TEST_F(FeedsTest, AVerifierHearsWhatAnotherReplicaCommitted) {
  Start();
  auto reading = WatchVerifying();
  const TaskId id = ToBeJudged();
  cache_.Clear();
  ASSERT_THAT(pump_->Tick(), IsOk());
  EXPECT_THAT(IdsOf(reading.Next()), ElementsAre(id.ToString()));
  reading.context->TryCancel();
}

TEST_F(FeedsTest, OneWithAStartTimeThatWaitsAtAnotherReplicaIsHeardOf) {
  ASSERT_THAT(pump_->Tick(), IsOk());
  ASSERT_THAT(dependencies_.Tick(), IsOk());
  const TaskId first = Submit();
  Submission submission;
  submission.start_time = clock_.Now() + absl::Hours(1);
  submission.task.record.awaits = {{.task = first}};
  lanes_.Submit(std::move(submission), [](const absl::StatusOr<Submitted>& answer) { ASSERT_THAT(answer, IsOk()); });
  ASSERT_THAT(pump_->Tick(), IsOk());
  Do({first, Cancel{}});
  dependencies_.Committed(store_.Get(first)->record);
  const absl::StatusOr<int> told = dependencies_.Tick();
  ASSERT_THAT(told, IsOk());
  EXPECT_EQ(*told, 1) << "not left to a sweep";
}

TEST_F(FeedsTest, AVerifierThatDoesNotReadIsToldThatItsFeedOverran) {
  verified_by_ = &verifying_all_;
  Start();
  for (int i = 0; i < 1'000; ++i) ToBeJudged();
  auto reading = WatchVerifying();
  for (int i = 0; i < 2'000; ++i) ASSERT_THAT(verifying_all_.Tick(), IsOk());
  EXPECT_THAT(reading.End(), IsError("VERIFYING_FEED_OVERRUN"));
}

}  // namespace
}  // namespace switchyard::task_queue
