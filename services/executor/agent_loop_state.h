// The inside of AgentLoop. What has no lock belongs to the loop's thread.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "services/executor/agent_loop.h"

namespace switchyard::executor {

// One run's reports, made events of the loop. Output goes straight into the buffer.
class AgentLoop::Sink final : public BackendSink {
 public:
  Sink(State& state, TaskKey key) : state_(state), key_(std::move(key)) {}
  void OnPhase(WorkPhase phase) override;
  void OnLog(LogChunk chunk) override;
  void OnProgress(std::string message) override;
  void OnRouteQuestion(RouteQuestion question) override;
  void OnStep(StepNews news) override;
  void OnConfirmationWanted() override;
  void OnFinished(Evidence evidence) override;

  std::unique_ptr<BackendRun> run;

 private:
  State& state_;
  const TaskKey key_;
};

// One stream's events, as long as gRPC may call.
class AgentLoop::Stream final : public HubStreamEvents {
 public:
  Stream(State& state, int number) : state_(state), number_(number) {}
  void OnMessage(agent::v1::HubMessage message) override;
  void OnWritable() override;
  void OnEnded(absl::Status status) override;

  std::unique_ptr<HubStream> stream;
  bool welcomed = false;
  bool writable = true;
  bool hello_sent = false;
  bool closing = false;
  bool logs = false;
  bool phases = false;
  bool progress = false;
  bool route_grants = false;
  bool confirms = false;
  absl::Time since;
  absl::Duration retry_after;
  bool permanent = false;
  absl::Status goodbye;
  std::size_t max_reports = 100;
  // What output may still be sent now; refilled over time.
  double log_budget = 0;
  double log_rate = 4 << 20;
  absl::Time log_refilled;
  std::deque<agent::v1::AgentMessage> replies;

 private:
  State& state_;
  const int number_;
};

class AgentLoop::Checker final : public WorkChecker {
 public:
  explicit Checker(std::vector<Backend*> backends) : backends_(std::move(backends)) {}
  absl::Status Check(Assignment& assignment) override;
  void SetAgent(std::string name) { agent_ = std::move(name); }

 private:
  const std::vector<Backend*> backends_;
  std::string agent_;
};

struct AgentLoop::State {
  State(AgentLoopOptions options, Deps deps);

  absl::Status Start();
  void Post(std::function<void()> event);
  void Run();
  bool Step();
  void BeginDrain();

  // The stream.
  void Dial();
  void Hear(int number, agent::v1::HubMessage message);
  void Welcome(const agent::v1::Welcome& welcome);
  void StreamEnded(int number, const absl::Status& status);
  void Pump();
  bool WriteNext();
  bool TakeConfirm(agent::v1::AgentMessage& message);
  bool TakeLogs(agent::v1::AgentMessage& message);
  bool TakeRouteRequest(agent::v1::AgentMessage& message);
  bool TakeProgress(agent::v1::AgentMessage& message);
  bool TakeWishedConfirm(agent::v1::AgentMessage& message);
  // Whether it was one of running work.
  bool HearWishedConfirm(const agent::v1::ConfirmResult& result);
  // As RenewRouteQuestions.
  void RenewConfirms();
  void AnswerConfirm(const TaskKey& key, Confirmation confirmation);
  void HearRouteGrant(agent::v1::RouteGrant grant);
  // Every question goes to the new stream again, or is answered when its hub grants nothing.
  void RenewRouteQuestions();
  void AnswerRoute(const TaskKey& key, RouteAnswer answer);
  agent::v1::AgentMessage MakeHello();
  agent::v1::AgentMessage MakeHeartbeat(const HeartbeatFacts& facts);

  // The work.
  void Perform(Actions actions);
  void StartWork(const Assignment& assignment);
  void RunProbe(const Assignment& assignment);
  void Finished(const TaskKey& key, const Evidence& evidence);

  // The host.
  void LookAtHost();
  void TestBackends();
  std::vector<agent::v1::SelfTest> RunTests();
  std::vector<std::string> FindCapabilities();
  void Publish();
  bool ReadyToLeave();
  absl::Time NextWake() const;

  const AgentLoopOptions options;
  const Deps deps;
  Checker checker;
  ExecutorCore core;
  Reconnect reconnect;
  LogBuffer logs;
  std::function<void(const AgentStatus&)> observer;
  std::thread thread;

  std::map<TaskKey, std::unique_ptr<Sink>> runs;
  std::unique_ptr<Stream> stream;
  int stream_number = 0;
  // Questions on the open stream, and those to be put.
  std::map<std::int64_t, TaskKey> confirms;
  std::deque<TaskKey> asking;
  std::int64_t confirm_number = 0;
  // Wanted by running work; request 0: not sent on the open stream yet.
  struct RouteWish {
    RouteQuestion question;
    std::int64_t request = 0;
  };
  std::map<TaskKey, RouteWish> route_wishes;
  std::int64_t route_number = 0;
  // Running work that asks whether it is still current, with the question on the open stream; 0: not sent there yet.
  std::map<TaskKey, std::int64_t> confirm_wishes;
  // The last word of each, not sent yet.
  std::map<TaskKey, std::string> progress;
  // Checks that were made, the oldest first, not sent yet.
  std::deque<std::pair<TaskKey, StepNews>> steps;
  std::size_t address = 0;
  absl::Time dial_at = absl::InfinitePast();
  std::vector<agent::v1::SelfTest> self_tests;
  std::vector<std::string> capabilities;
  bool capabilities_news = false;
  bool tests_known = false;
  bool tests_news = false;
  bool testing = false;
  absl::Time test_at = absl::InfinitePast();
  agent::v1::AgentResources resources;
  bool resources_news = false;
  bool looking = false;
  absl::Time look_at = absl::InfinitePast();
  absl::Time publish_at = absl::InfinitePast();
  absl::Time release_at = absl::InfiniteFuture();
  absl::Time leave_at = absl::InfiniteFuture();
  bool draining = false;
  bool stop_now = false;
  bool refused = false;
  AgentStatus seen;

  Mutex mutex;
  CondVar changed;
  CondVar ended;
  std::deque<std::function<void()>> events ABSL_GUARDED_BY(mutex);
  AgentStatus status ABSL_GUARDED_BY(mutex);
  std::string advice ABSL_GUARDED_BY(mutex);
  LoopExit exit ABSL_GUARDED_BY(mutex) = LoopExit::kDrained;
  bool over ABSL_GUARDED_BY(mutex) = false;
};

}  // namespace switchyard::executor
