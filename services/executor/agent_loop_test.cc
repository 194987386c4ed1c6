#include "services/executor/agent_loop.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/in_memory_journal.h"

namespace switchyard::executor {
namespace {

using agent::v1::AgentMessage;
using agent::v1::HubMessage;
using ::testing::ElementsAre;

// A back end whose work ends when the test says so.
class FakeBackend final : public Backend {
 public:
  struct Run final : BackendRun {
    Run(FakeBackend& backend, Work work, BackendSink& sink) : backend(backend), work(std::move(work)), sink(sink) {}
    void Cancel() override { backend.Finish(work.task_id, Outcome::kCancelled, "CANCELLED"); }
    void OnRouteAnswer(RouteAnswer answer) override { backend.Answered(std::move(answer)); }
    void OnConfirmation(Confirmation confirmation) override { backend.Confirmed(confirmation); }
    FakeBackend& backend;
    Work work;
    BackendSink& sink;
  };

  std::string_view name() const override { return "local_exec"; }
  bool Serves(WorkKind) const override { return true; }
  absl::Status Check(const Work& work) const override {
    if (work.kind == WorkKind::kPrompt) {
      if (work.routing == "for a-2 only" && work.agent != "a-2") {
        return MakeError(absl::StatusCode::kFailedPrecondition, "WRONG_AGENT", "only a-2 reaches it");
      }
      if (work.routing == "for a-1 only" && work.agent != "a-1") {
        return MakeError(absl::StatusCode::kFailedPrecondition, "WRONG_AGENT", "only a-1 reaches it");
      }
      return work.routing.empty() ? MakeError(absl::StatusCode::kFailedPrecondition, "UNROUTED", "no route")
                                  : absl::OkStatus();
    }
    if (work.argv[0] != "/bin/rm") return absl::OkStatus();
    return MakeError(absl::StatusCode::kPermissionDenied, "NOT_ALLOWED", "no rule allows /bin/rm");
  }
  absl::StatusOr<std::unique_ptr<BackendRun>> Start(const Work& work, BackendSink& sink) override {
    MutexLock lock(mutex_);
    sinks_[work.task_id] = &sink;
    started_.push_back(work.task_id);
    changed_.NotifyAll();
    return std::make_unique<Run>(*this, work, sink);
  }
  std::vector<ProbeResult> SelfTest() override {
    return {{.name = "sandbox", .ok = false, .detail = "no bubblewrap"},
            {.name = "local_exec", .ok = true, .detail = "2 rules"}};
  }

  void AwaitStart(const std::string& id) {
    MutexLock lock(mutex_);
    while (!sinks_.contains(id)) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(20))) return ADD_FAILURE() << id << " was not started", void();
    }
  }
  void Say(const std::string& id, const std::string& text) { Sink(id)->OnLog({.text = text}); }
  void Progress(const std::string& id, const std::string& text) { Sink(id)->OnProgress(text); }
  void AskForRoute(const std::string& id) {
    Sink(id)->OnRouteQuestion({.reason = "ENDPOINT_OVERLOADED", .observation = "seen"});
  }
  void Made(const std::string& id, StepNews news) { Sink(id)->OnStep(std::move(news)); }
  void EnterPhase(const std::string& id, WorkPhase phase) { Sink(id)->OnPhase(phase); }
  void AskForConfirmation(const std::string& id) { Sink(id)->OnConfirmationWanted(); }
  Confirmation AwaitConfirmation() {
    MutexLock lock(mutex_);
    while (confirmations_.empty()) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(20))) {
        ADD_FAILURE() << "no confirmation came";
        return Confirmation::kStale;
      }
    }
    const Confirmation confirmation = confirmations_.front();
    confirmations_.pop_front();
    return confirmation;
  }
  RouteAnswer AwaitRouteAnswer() {
    MutexLock lock(mutex_);
    while (answers_.empty()) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(20))) {
        ADD_FAILURE() << "no answer came";
        return {};
      }
    }
    RouteAnswer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  void End(const std::string& id, Evidence evidence) {
    BackendSink* const sink = Sink(id);
    if (sink == nullptr) return;
    evidence.task_id = id;
    evidence.generation = 1;
    {
      MutexLock lock(mutex_);
      sinks_.erase(id);
    }
    sink->OnFinished(std::move(evidence));
  }
  void Finish(const std::string& id, Outcome outcome = Outcome::kSucceeded, const std::string& reason = "") {
    BackendSink* sink = Sink(id);
    if (sink == nullptr) return;
    Evidence evidence{.task_id = id, .generation = 1, .outcome = outcome, .reason = reason};
    evidence.exit_code = outcome == Outcome::kSucceeded ? 0 : 3;
    evidence.output = "some output";
    {
      MutexLock lock(mutex_);
      sinks_.erase(id);
    }
    sink->OnFinished(std::move(evidence));
  }

 private:
  void Answered(RouteAnswer answer) {
    MutexLock lock(mutex_);
    answers_.push_back(std::move(answer));
    changed_.NotifyAll();
  }
  void Confirmed(Confirmation confirmation) {
    MutexLock lock(mutex_);
    confirmations_.push_back(confirmation);
    changed_.NotifyAll();
  }
  BackendSink* Sink(const std::string& id) {
    MutexLock lock(mutex_);
    const auto found = sinks_.find(id);
    return found == sinks_.end() ? nullptr : found->second;
  }
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, BackendSink*> sinks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> started_ ABSL_GUARDED_BY(mutex_);
  std::deque<RouteAnswer> answers_ ABSL_GUARDED_BY(mutex_);
  std::deque<Confirmation> confirmations_ ABSL_GUARDED_BY(mutex_);
};

// A hub that says what the test tells it to.
class FakeDialer final : public HubDialer {
 public:
  struct Stream final : HubStream {
    explicit Stream(FakeDialer& dialer, int number) : dialer(dialer), number(number) {}
    void Write(const AgentMessage& message) override { dialer.Written(message); }
    void ReadNext() override {}
    void EndWrites() override { dialer.End(absl::OkStatus(), number); }
    void Cancel() override { dialer.End(absl::CancelledError("cancelled"), number); }
    FakeDialer& dialer;
    const int number;
  };

  std::size_t addresses() const override { return 1; }
  std::string address(std::size_t) const override { return "hub:1"; }
  std::unique_ptr<HubStream> Dial(std::size_t, HubStreamEvents& events) override {
    MutexLock lock(mutex_);
    ++dials_;
    if (!refusal_.ok()) {
      events.OnEnded(refusal_);
      return std::make_unique<Stream>(*this, -1);
    }
    events_ = &events;
    changed_.NotifyAll();
    return std::make_unique<Stream>(*this, dials_);
  }
  bool TokenChanged() override { return false; }

  void RefuseWith(absl::Status status) {
    MutexLock lock(mutex_);
    refusal_ = std::move(status);
  }
  // The next message of the agent; heartbeats only when asked for.
  AgentMessage Next(bool heartbeats = false) {
    MutexLock lock(mutex_);
    while (true) {
      while (written_.empty()) {
        if (!changed_.WaitFor(mutex_, absl::Seconds(20))) {
          ADD_FAILURE() << "the agent says nothing";
          return {};
        }
      }
      AgentMessage message = std::move(written_.front());
      written_.pop_front();
      if (message.has_heartbeat() == heartbeats) return message;
    }
  }
  void Send(const HubMessage& message) {
    MutexLock lock(mutex_);
    ASSERT_NE(events_, nullptr);
    events_->OnMessage(message);
  }
  void End(const absl::Status& status, int number = 0) {
    MutexLock lock(mutex_);
    if (number != 0 && number != dials_) return;
    if (HubStreamEvents* const events = std::exchange(events_, nullptr); events != nullptr) events->OnEnded(status);
  }

 private:
  void Written(const AgentMessage& message) {
    MutexLock lock(mutex_);
    if (events_ == nullptr) return;
    written_.push_back(message);
    changed_.NotifyAll();
    events_->OnWritable();
  }
  Mutex mutex_;
  CondVar changed_;
  HubStreamEvents* events_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::deque<AgentMessage> written_ ABSL_GUARDED_BY(mutex_);
  absl::Status refusal_ ABSL_GUARDED_BY(mutex_);
  int dials_ ABSL_GUARDED_BY(mutex_) = 0;
};

class AgentLoopTest : public ::testing::Test {
 protected:
  void SetUp() override {
    slow_.Start();
    Restart();
  }
  void TearDown() override {
    if (loop_ != nullptr) loop_->Stop();
    slow_.Stop();
    loop_.reset();
  }
  void Restart() {
    if (loop_ != nullptr) {
      loop_->Stop();
      loop_->Wait();
    }
    AgentLoopOptions options;
    options.slots = 2;
    options.software_version = "1.2.3";
    options.capabilities = {"os:linux"};
    options.features = {"kind.command", "kind.prompt", "route_grant"};
    options.farewell = absl::Seconds(1);
    options.find_capabilities = [this] {
      MutexLock lock(mutex_);
      return found_;
    };
    loop_ = std::make_unique<AgentLoop>(options, AgentLoop::Deps{.clock = clock_,
                                                                 .rng = *rng_,
                                                                 .journal = journal_,
                                                                 .dialer = hub_,
                                                                 .backends = {&backend_},
                                                                 .resources = nullptr,
                                                                 .slow = slow_});
    SY_ASSERT_OK(loop_->Start());
  }
  agent::v1::Hello Connect(std::vector<std::string> features = {"logs", "phase", "confirm"}) {
    const agent::v1::Hello hello = hub_.Next().hello();
    HubMessage message;
    agent::v1::Welcome& welcome = *message.mutable_welcome();
    welcome.set_agent_name("a-1");
    welcome.mutable_heartbeat_interval()->set_seconds(10);
    welcome.mutable_grace()->set_seconds(60);
    for (const std::string& feature : features) welcome.add_features(feature);
    hub_.Send(message);
    return hello;
  }
  void Assign(const std::string& id, const std::string& program = "/bin/true", bool probe = false) {
    HubMessage message;
    agent::v1::Assignment& assignment = *message.mutable_assign()->add_assignments();
    assignment.set_number(++assignments_);
    assignment.set_task_id(id);
    assignment.set_generation(1);
    assignment.set_probe(probe);
    assignment.mutable_spec()->mutable_command()->add_argv(program);
    if (probe) assignment.mutable_spec()->mutable_command()->add_argv("nonce-1");
    hub_.Send(message);
  }
  // Accepted and started.
  void AssignPrompt(const std::string& id, const std::string& routing = "a route") {
    HubMessage message;
    agent::v1::Assignment& assignment = *message.mutable_assign()->add_assignments();
    assignment.set_number(++assignments_);
    assignment.set_task_id(id);
    assignment.set_generation(1);
    assignment.set_routing(routing);
    assignment.mutable_spec()->mutable_prompt()->set_instruction("hello");
    hub_.Send(message);
  }
  void StartPrompt(const std::string& id) {
    AssignPrompt(id);
    EXPECT_TRUE(NextReport().has_accept());
    backend_.AwaitStart(id);
  }
  void Ack(std::int64_t through) {
    HubMessage message;
    message.mutable_ack()->set_through(through);
    hub_.Send(message);
  }
  agent::v1::Report NextReport() {
    while (pending_.empty()) {
      const AgentMessage message = hub_.Next();
      if (!message.has_reports()) {
        ADD_FAILURE() << message.ShortDebugString();
        return {};
      }
      for (const agent::v1::Report& report : message.reports().reports()) pending_.push_back(report);
    }
    agent::v1::Report report = pending_.front();
    pending_.pop_front();
    return report;
  }
  void Lose(const std::string& why) {
    hub_.End(absl::UnavailableError(why));
    while (loop_->status().last_error != why) loop_->WaitFor(absl::Milliseconds(5));
  }
  void PassTime(absl::Duration by) {
    clock_.Advance(by);
    loop_->Wake();
  }

  Mutex mutex_;
  std::vector<std::string> found_ ABSL_GUARDED_BY(mutex_);
  testing::FakeClock clock_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  InMemoryJournal journal_;
  FakeDialer hub_;
  FakeBackend backend_;
  BoundedExecutor slow_{"slow", 1, 16};
  std::unique_ptr<AgentLoop> loop_;
  std::deque<agent::v1::Report> pending_;
  std::int64_t assignments_ = 0;
};

TEST_F(AgentLoopTest, SaysWhatItIsAndOffers) {
  const agent::v1::Hello hello = Connect();
  EXPECT_EQ(hello.slots(), 2);
  EXPECT_TRUE(hello.restarted());
  EXPECT_EQ(hello.software_version(), "1.2.3");
  EXPECT_THAT(hello.capabilities(), ElementsAre("os:linux"));
  EXPECT_THAT(hello.features(), ::testing::Contains("kind.command"));
  ASSERT_EQ(hello.self_tests_size(), 1);
  EXPECT_EQ(hello.self_tests(0).name(), "local_exec");
  EXPECT_TRUE(hello.self_tests(0).passed());
  EXPECT_THAT(hello.self_tests(0).message(), ::testing::HasSubstr("no bubblewrap"));
}

TEST_F(AgentLoopTest, AcceptsRunsStreamsOutputAndCompletes) {
  Connect();
  Assign("t1");
  const agent::v1::Report accepted = NextReport();
  EXPECT_TRUE(accepted.has_accept());
  backend_.AwaitStart("t1");
  backend_.Say("t1", "hello\n");
  const AgentMessage logs = hub_.Next();
  ASSERT_EQ(logs.logs().chunks_size(), 1);
  EXPECT_EQ(logs.logs().chunks(0).sequence(), 1);
  EXPECT_EQ(logs.logs().chunks(0).data(), "hello\n");
  backend_.Finish("t1");
  EXPECT_TRUE(hub_.Next().logs().chunks(0).last());
  const agent::v1::Report completed = NextReport();
  ASSERT_TRUE(completed.has_complete()) << completed.ShortDebugString();
  EXPECT_EQ(completed.complete().result().exit_code(), 0);
  EXPECT_EQ(completed.complete().result().output(), "some output");
  EXPECT_GT(completed.number(), accepted.number());
}

TEST_F(AgentLoopTest, AFailureSaysWhyAndWhoseFaultItIs) {
  Connect();
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  backend_.Finish("t1", Outcome::kFailed, "EXIT_STATUS");
  const agent::v1::Report failed = NextReport();
  EXPECT_EQ(failed.fail().failure().reason(), "EXIT_STATUS");
  EXPECT_EQ(failed.fail().result().exit_code(), 3);
  EXPECT_FALSE(failed.fail().agent_fault());
}

TEST_F(AgentLoopTest, WhatIsNotAllowedIsRejected) {
  Connect();
  Assign("t1", "/bin/rm");
  const agent::v1::Report rejected = NextReport();
  EXPECT_EQ(rejected.reject().reason(), "NOT_ALLOWED");
  EXPECT_TRUE(rejected.reject().permanent());
}

TEST_F(AgentLoopTest, AnEndInTheHubsAbsenceIsDeliveredLater) {
  Connect();
  Assign("t1");
  const std::int64_t accepted = NextReport().number();
  backend_.AwaitStart("t1");
  Ack(accepted);
  Lose("gone");
  backend_.Finish("t1");
  PassTime(absl::Hours(5));
  const agent::v1::Hello hello = Connect();
  EXPECT_FALSE(hello.restarted());
  ASSERT_EQ(hello.held_size(), 1);
  EXPECT_EQ(hello.held(0).state(), agent::v1::HELD_STATE_DONE);
  const agent::v1::Report completed = NextReport();
  EXPECT_TRUE(completed.has_complete());
  Ack(completed.number());
  Lose("gone again");
  PassTime(absl::Seconds(10));
  EXPECT_EQ(Connect().held_size(), 0);
}

TEST_F(AgentLoopTest, ARestartedExecutorDoesNotNameWhatDiedWithIt) {
  Connect();
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  Restart();
  const agent::v1::Hello hello = Connect();
  EXPECT_TRUE(hello.restarted());
  EXPECT_EQ(hello.held_size(), 0);
}

TEST_F(AgentLoopTest, ARefusedTokenEndsItWithAdvice) {
  hub_.Next();
  hub_.RefuseWith(MakeError(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID", "no such token"));
  Lose("gone");
  PassTime(absl::Seconds(10));
  std::string advice;
  EXPECT_EQ(loop_->Wait(&advice), LoopExit::kRefused);
  EXPECT_THAT(advice, ::testing::HasSubstr("yard-agent enroll"));
}

TEST_F(AgentLoopTest, DrainsByFinishingWhatItHas) {
  Connect();
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  loop_->Drain();
  while (!hub_.Next(true).heartbeat().draining()) {
  }
  backend_.Finish("t1");
  const agent::v1::Report completed = NextReport();
  EXPECT_TRUE(completed.has_complete());
  Ack(completed.number());
  EXPECT_EQ(loop_->Wait(), LoopExit::kDrained);
}

TEST_F(AgentLoopTest, WhatDoesNotFinishWhileDrainingIsReleased) {
  Connect();
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  loop_->Drain();
  while (!hub_.Next(true).heartbeat().draining()) {
  }
  PassTime(absl::Seconds(31));
  agent::v1::Report released = NextReport();
  EXPECT_EQ(released.released().reason(), "the executor stops");
  Ack(released.number());
  EXPECT_EQ(loop_->Wait(), LoopExit::kDrained);
}

TEST_F(AgentLoopTest, AHubThatDrainsIsLeftAndDialledAgain) {
  Connect();
  HubMessage message;
  message.mutable_drain()->mutable_reconnect_after()->set_seconds(3);
  hub_.Send(message);
  // The agent ends its messages, the stream ends.
  PassTime(absl::Seconds(0));
  while (loop_->status().last_error.empty()) loop_->WaitFor(absl::Milliseconds(5));
  PassTime(absl::Seconds(5));
  EXPECT_FALSE(Connect().restarted());
}

TEST_F(AgentLoopTest, EachStreamHasALargerNumberThanAnyBefore) {
  const std::int64_t first = Connect().connection();
  EXPECT_GT(first, 0);
  Lose("gone");
  PassTime(absl::Seconds(10));
  const std::int64_t second = hub_.Next().hello().connection();
  EXPECT_GT(second, first);
  HubMessage message;
  message.mutable_goodbye()->set_reason("STALE_CONNECTION");
  message.mutable_goodbye()->set_message("refused");
  message.mutable_goodbye()->set_connection(second + 5'000'000);
  hub_.Send(message);
  Lose("refused");
  PassTime(absl::Seconds(10));
  EXPECT_GT(Connect().connection(), second + 5'000'000);
}

TEST_F(AgentLoopTest, AHubThatNeverWelcomesIsGivenUp) {
  hub_.Next();
  PassTime(absl::Seconds(16));
  while (loop_->status().last_error.empty()) loop_->WaitFor(absl::Milliseconds(5));
  PassTime(absl::Seconds(5));
  EXPECT_EQ(hub_.Next().hello().slots(), 2);
}

TEST_F(AgentLoopTest, AProbeComesBackWithItsNonce) {
  Connect();
  Assign("probe-1", "probe", true);
  EXPECT_TRUE(NextReport().has_accept());
  const agent::v1::Report completed = NextReport();
  EXPECT_EQ(completed.number(), 0);
  EXPECT_EQ(completed.complete().result().summary(), "nonce-1");
}

TEST_F(AgentLoopTest, APingIsAnswered) {
  Connect();
  HubMessage message;
  message.mutable_ping()->set_number(42);
  hub_.Send(message);
  EXPECT_EQ(hub_.Next().pong().number(), 42);
}

TEST_F(AgentLoopTest, APromptWithoutARouteIsRejectedButNotForGood) {
  EXPECT_THAT(Connect().features(), ::testing::Contains("kind.prompt"));
  AssignPrompt("t1", "");
  const agent::v1::Report rejected = NextReport();
  EXPECT_EQ(rejected.reject().reason(), "UNROUTED");
  EXPECT_FALSE(rejected.reject().permanent());
  EXPECT_FALSE(rejected.reject().routed());
}

TEST_F(AgentLoopTest, ARejectionSaysThatAnEndpointIsHeldForIt) {
  Connect();
  AssignPrompt("t1", "for a-2 only");
  const agent::v1::Report rejected = NextReport();
  EXPECT_EQ(rejected.reject().reason(), "WRONG_AGENT");
  EXPECT_FALSE(rejected.reject().permanent());
  EXPECT_TRUE(rejected.reject().routed());
}

TEST_F(AgentLoopTest, BackEndsKnowWhichAgentTheyWorkFor) {
  Connect();
  AssignPrompt("t1", "for a-1 only");
  EXPECT_TRUE(NextReport().has_accept());
  backend_.AwaitStart("t1");
}

TEST_F(AgentLoopTest, WhatAModelUsedStandsInTheEnd) {
  Connect();
  StartPrompt("t1");
  task_queue::v1::Usage usage;
  usage.set_model("m:7b");
  Evidence evidence{.outcome = Outcome::kSucceeded};
  evidence.exit_code = 0;
  evidence.summary = "red";
  evidence.outputs["endpoint"] = "one";
  evidence.usage = usage.SerializeAsString();
  evidence.route_report = "report";
  evidence.facts = "{\"calls\":[]}";
  backend_.End("t1", evidence);
  const agent::v1::Complete complete = NextReport().complete();
  EXPECT_EQ(complete.route_report(), "report");
  EXPECT_EQ(complete.result().summary(), "red");
  EXPECT_EQ(complete.result().usage().model(), "m:7b");
  EXPECT_EQ(complete.result().outputs().at("endpoint"), "one");
  EXPECT_EQ(complete.result().evidence(), "{\"calls\":[]}");
}

TEST_F(AgentLoopTest, WhatIsGivenBackSaysWhyAndWhenToTryAgain) {
  Connect();
  StartPrompt("t1");
  Evidence evidence{.outcome = Outcome::kGivenBack, .reason = "MODEL_LOADING", .message = "it loads"};
  evidence.retry_after = absl::Seconds(9);
  evidence.route_report = "report";
  backend_.End("t1", evidence);
  const agent::v1::Released released = NextReport().released();
  EXPECT_EQ(released.reason(), "MODEL_LOADING: it loads");
  EXPECT_EQ(released.retry_after().seconds(), 9);
  EXPECT_EQ(released.route_report(), "report");
}

TEST_F(AgentLoopTest, ACancelledPromptSaysWhatItUsed) {
  Connect();
  StartPrompt("t1");
  HubMessage message;
  message.mutable_cancel()->set_task_id("t1");
  message.mutable_cancel()->set_generation(1);
  message.mutable_cancel()->set_reason("enough");
  Evidence evidence{.outcome = Outcome::kCancelled, .reason = "CANCELLED"};
  evidence.route_report = "report";
  backend_.End("t1", evidence);
  hub_.Send(message);
  EXPECT_EQ(NextReport().released().route_report(), "report");
}

TEST_F(AgentLoopTest, AsksTheHubForAnotherRouteAndPassesTheGrantOn) {
  Connect({"logs", "phase", "confirm", "route_grant", "progress"});
  StartPrompt("t1");
  backend_.AskForRoute("t1");
  const agent::v1::RouteRequest request = hub_.Next().route_request();
  EXPECT_EQ(request.task_id(), "t1");
  EXPECT_EQ(request.generation(), 1);
  EXPECT_EQ(request.reason(), "ENDPOINT_OVERLOADED");
  EXPECT_EQ(request.observation(), "seen");
  HubMessage message;
  message.mutable_route_grant()->set_request(request.request() + 7);
  message.mutable_route_grant()->set_routing("for somebody else");
  hub_.Send(message);
  message.mutable_route_grant()->set_request(request.request());
  message.mutable_route_grant()->set_routing("another route");
  hub_.Send(message);
  EXPECT_EQ(backend_.AwaitRouteAnswer().routing, "another route");
  backend_.Finish("t1");
  EXPECT_TRUE(NextReport().has_complete());
}

TEST_F(AgentLoopTest, AQuestionForARouteOutlivesItsStream) {
  Connect({"logs", "phase", "confirm", "route_grant"});
  StartPrompt("t1");
  backend_.AskForRoute("t1");
  const std::int64_t first = hub_.Next().route_request().request();
  Lose("gone");
  PassTime(absl::Seconds(10));
  Connect({"logs", "phase", "confirm", "route_grant"});
  AgentMessage again = hub_.Next();
  while (!again.has_route_request()) again = hub_.Next();
  EXPECT_NE(again.route_request().request(), first);
  HubMessage message;
  message.mutable_route_grant()->set_request(again.route_request().request());
  message.mutable_route_grant()->set_refusal("CHAIN_EXHAUSTED");
  hub_.Send(message);
  EXPECT_EQ(backend_.AwaitRouteAnswer().refusal, "CHAIN_EXHAUSTED");
}

TEST_F(AgentLoopTest, AHubThatGrantsNoRoutesIsNotAsked) {
  Connect();
  StartPrompt("t1");
  backend_.AskForRoute("t1");
  EXPECT_EQ(backend_.AwaitRouteAnswer().refusal, "NOT_OFFERED");
}

TEST_F(AgentLoopTest, WhatItOffersFollowsWhatItFinds) {
  EXPECT_THAT(Connect().capabilities(), ElementsAre("os:linux"));
  {
    MutexLock lock(mutex_);
    found_ = {"credential:env:KEY"};
  }
  PassTime(absl::Minutes(5));
  agent::v1::Heartbeat heartbeat;
  while (!heartbeat.has_capabilities()) {
    PassTime(absl::Seconds(10));
    heartbeat = hub_.Next(true).heartbeat();
  }
  EXPECT_THAT(heartbeat.capabilities().capabilities(), ElementsAre("os:linux", "credential:env:KEY"));
}

TEST_F(AgentLoopTest, SignsOfLifeAreSentWhereTheyAreWanted) {
  Connect({"logs", "phase", "confirm", "progress"});
  StartPrompt("t1");
  backend_.Progress("t1", "still waits");
  const agent::v1::Report report = NextReport();
  EXPECT_EQ(report.number(), 0);
  EXPECT_EQ(report.task_id(), "t1");
  EXPECT_EQ(report.progress().message(), "still waits");
}

TEST_F(AgentLoopTest, ChecksAreToldAsTheyAreMade) {
  Connect({"logs", "phase", "confirm", "progress"});
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  backend_.EnterPhase("t1", WorkPhase::kVerifying);
  EXPECT_EQ(NextReport().phase().phase(), task_queue::v1::PHASE_VERIFYING);
  backend_.Made("t1", {.step = 2, .passed = true, .message = "seen"});
  const agent::v1::Report report = NextReport();
  EXPECT_EQ(report.number(), 0);
  EXPECT_EQ(report.task_id(), "t1");
  EXPECT_EQ(report.generation(), 1);
  EXPECT_EQ(report.verification().step(), 2);
  EXPECT_TRUE(report.verification().passed());
  EXPECT_EQ(report.verification().message(), "seen");
  agent::v1::Heartbeat heartbeat;
  while (heartbeat.held_size() == 0) {
    PassTime(absl::Seconds(10));
    heartbeat = hub_.Next(true).heartbeat();
  }
  EXPECT_EQ(heartbeat.held(0).state(), agent::v1::HELD_STATE_VERIFYING);
  backend_.Finish("t1");
  EXPECT_TRUE(NextReport().has_complete());
}

TEST_F(AgentLoopTest, RunningWorkAsksWhetherItIsStillCurrent) {
  Connect();
  StartPrompt("t1");
  for (const Confirmation wanted : {Confirmation::kCurrent, Confirmation::kStale, Confirmation::kUnknown}) {
    backend_.AskForConfirmation("t1");
    const agent::v1::Confirm confirm = hub_.Next().confirm();
    EXPECT_EQ(confirm.task_id(), "t1");
    EXPECT_EQ(confirm.generation(), 1);
    HubMessage message;
    message.mutable_confirm_result()->set_request(confirm.request() + 1);
    message.mutable_confirm_result()->set_current(true);
    hub_.Send(message);
    message.mutable_confirm_result()->set_request(confirm.request());
    message.mutable_confirm_result()->set_current(wanted == Confirmation::kCurrent);
    message.mutable_confirm_result()->set_unavailable(wanted == Confirmation::kUnknown);
    hub_.Send(message);
    EXPECT_EQ(backend_.AwaitConfirmation(), wanted);
  }
}

TEST_F(AgentLoopTest, AQuestionWhetherItIsCurrentIsPutToTheNextHub) {
  Connect();
  StartPrompt("t1");
  backend_.AskForConfirmation("t1");
  const std::int64_t first = hub_.Next().confirm().request();
  Lose("gone");
  PassTime(absl::Seconds(10));
  Connect();
  AgentMessage again = hub_.Next();
  while (!again.has_confirm()) again = hub_.Next();
  EXPECT_NE(again.confirm().request(), first);
  HubMessage message;
  message.mutable_confirm_result()->set_request(again.confirm().request());
  message.mutable_confirm_result()->set_current(true);
  hub_.Send(message);
  EXPECT_EQ(backend_.AwaitConfirmation(), Confirmation::kCurrent);
}

TEST_F(AgentLoopTest, AHubThatConfirmsNothingIsNotAsked) {
  Connect({});
  StartPrompt("t1");
  backend_.AskForConfirmation("t1");
  EXPECT_EQ(backend_.AwaitConfirmation(), Confirmation::kUnknown);
}

TEST_F(AgentLoopTest, WithoutTheFeatureNoOutputIsSent) {
  Connect({});
  Assign("t1");
  NextReport();
  backend_.AwaitStart("t1");
  backend_.Say("t1", "hello\n");
  backend_.Finish("t1");
  EXPECT_TRUE(NextReport().has_complete());
}

}  // namespace
}  // namespace switchyard::executor
