#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/agent_swarm.h"
#include "tools/benchmarks/measure.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/task_stamp.h"

namespace switchyard::bench {
namespace {

constexpr double kDispatchSeconds = 10;
constexpr int kAgents = 8;
constexpr absl::Duration kDispatchPatience = absl::Seconds(30);
// Between one task's end and the next one's submission everything comes to rest, longer or shorter.
constexpr absl::Duration kLeastRest = absl::Milliseconds(2);
constexpr absl::Duration kMostRest = absl::Milliseconds(8);

// One task at a time. The latency runs from the call of SubmitTask until an agent has the assignment in hand.
class OneByOne final : public Load, public SimAgentEvents {
 public:
  explicit OneByOne(Client& client) : client_(client) {}
  ~OneByOne() override { Stop(); }

  absl::Status Start() override {
    thread_ = std::thread([this] { Run(); });
    return absl::OkStatus();
  }
  void Stop() override {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }

  void OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) override {
    Finished(absl::Nanoseconds(nanos - ParseStamp(assignment.spec())));
  }
  void OnSettled(SimAgent& agent, const SettledReport& report) override {
    if (!report.refusal.empty()) Failed(report.refusal);
    if (report.kind != SettledReport::Kind::kComplete) return;
    MutexLock lock(mutex_);
    ++ended_;
    changed_.NotifyAll();
  }
  void OnLost(SimAgent& agent, const absl::Status& status) override { Failed(status.ToString()); }

 private:
  void Run() {
    v1::SubmitTaskRequest request;
    FillSpec(*request.mutable_spec());
    for (std::int64_t round = 1; !stop_; ++round) {
      grpc::ClientContext context;
      client_.Prepare(context);
      request.set_request_id(client_.NewRequestId());
      SetStamp(SteadyNanos(), *request.mutable_spec());
      v1::SubmitTaskResponse response;
      const grpc::Status status = client_.queue(0).SubmitTask(&context, request, &response);
      if (!status.ok()) return Failed(status.error_message());
      if (!AwaitEnded(round)) return Failed(absl::StrCat("task ", response.task_id(), " does not end"));
      absl::SleepFor(kLeastRest + (kMostRest - kLeastRest) * rng_->Unit());
    }
  }
  bool AwaitEnded(std::int64_t round) {
    const absl::Time deadline = absl::Now() + kDispatchPatience;
    MutexLock lock(mutex_);
    while (ended_ < round && absl::Now() < deadline) changed_.WaitFor(mutex_, absl::Milliseconds(100));
    return ended_ >= round;
  }

  Client& client_;
  const std::unique_ptr<Rng> rng_ = MakeSystemRng();
  std::thread thread_;
  std::atomic<bool> stop_{false};
  Mutex mutex_;
  CondVar changed_;
  std::int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

absl::StatusOr<Report> Measure(const Options& options, bool all_in_one, double p50_ms, double p99_ms) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation,
                      Installation::Create({.agents = true, .all_in_one = all_in_one}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, 1));
  OneByOne load(*client);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> swarm,
                      AgentSwarm::Create(*installation, "idle-", options.agents > 0 ? options.agents : kAgents,
                                         {.slots = 4, .accepts = options.accepts}));
  swarm->SetEvents(&load);
  SY_RETURN_IF_ERROR(swarm->Connect());
  SY_RETURN_IF_ERROR(swarm->Await(swarm->size(), true, kDispatchPatience));
  SY_RETURN_IF_ERROR(load.Start());
  WarmUp(options);
  SY_ASSIGN_OR_RETURN(const Window window,
                      MeasureWindow(*installation, load, options.SecondsOr(kDispatchSeconds), options.profile));
  load.Stop();
  swarm->SetEvents(nullptr);
  Report report;
  Describe(window, report);
  Describe(load, report);
  report.details.emplace_back("agents", swarm->size());
  report.details.emplace_back("tasks", window.done);
  report.targets.push_back({.name = "p50_ms", .wanted = p50_ms, .measured = window.p50_ms, .at_most = true});
  report.targets.push_back({.name = "p99_ms", .wanted = p99_ms, .measured = window.p99_ms, .at_most = true});
  return report;
}

}  // namespace

absl::StatusOr<Report> DispatchLatency(const Options& options) { return Measure(options, false, 1.5, 4); }
absl::StatusOr<Report> DispatchLatencyAllInOne(const Options& options) { return Measure(options, true, 1, 2); }

}  // namespace switchyard::bench
