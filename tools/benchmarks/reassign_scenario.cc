#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/agent_swarm.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/installation.h"
#include "tools/benchmarks/run_board.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/scenarios.h"

namespace switchyard::bench {
namespace {

// Of each kind of loss; --seconds counts them here.
constexpr double kRepetitions = 20;
constexpr int kFewest = 3;
// The grace period: shorter than usual, so that the run is; what comes after it is what counts.
constexpr char kLease[] = "10s";
constexpr char kRenew[] = "2s";
constexpr double kAtOnceSeconds = 1;
constexpr double kAfterGraceSeconds = 5;
constexpr absl::Duration kReassignPatience = absl::Seconds(60);

// All times in milliseconds.
class Times {
 public:
  void Add(double millis) { millis_.push_back(millis); }
  double Quantile(double quantile) {
    if (millis_.empty()) return 0;
    std::sort(millis_.begin(), millis_.end());
    const auto at = static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(millis_.size())));
    return millis_[std::min(millis_.size(), std::max<std::size_t>(at, 1)) - 1];
  }
  void Describe(const std::string& name, double wanted_seconds, Report& report) {
    report.details.emplace_back(name + "_p50_ms", Quantile(0.5));
    report.targets.push_back(
        {.name = name + "_max_ms", .wanted = wanted_seconds * 1000, .measured = Quantile(1), .at_most = true});
  }

 private:
  std::vector<double> millis_;
};

class Losses {
 public:
  Losses(Client& client, RunBoard& board) : client_(client), board_(board) {}

  // An agent that stops hands its task back.
  absl::Status ByRelease() {
    SY_ASSIGN_OR_RETURN(const Begun begun, Begin());
    begun.run.agent->SetDraining(true);
    const std::int64_t at = SteadyNanos();
    begun.run.agent->Release(begun.task_id);
    SY_RETURN_IF_ERROR(AwaitElsewhere(begun, at, released));
    begun.run.agent->SetDraining(false);
    return absl::OkStatus();
  }
  // An agent is killed, and a new process of its own says Hello.
  absl::Status ByRestart() {
    SY_ASSIGN_OR_RETURN(const Begun begun, Begin());
    begun.run.agent->Cut();
    begun.run.agent->Forget();
    const std::int64_t at = SteadyNanos();
    SY_RETURN_IF_ERROR(begun.run.agent->Connect(true));
    return AwaitElsewhere(begun, at, restarted);
  }
  // Agents are killed together and do not come back.
  absl::Status ByGrace(int count) {
    std::vector<Begun> all;
    for (int i = 0; i < count; ++i) {
      SY_ASSIGN_OR_RETURN(all.emplace_back(), Begin());
    }
    std::vector<std::int64_t> killed;
    for (const Begun& begun : all) {
      killed.push_back(SteadyNanos());
      begun.run.agent->Cut();
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
      const std::int64_t over = killed[i] + absl::ToInt64Nanoseconds(all[i].run.agent->grace());
      SY_RETURN_IF_ERROR(AwaitElsewhere(all[i], over, after_grace));
    }
    return absl::OkStatus();
  }

  Times released, restarted, after_grace;
  int elsewhere = 0;
  int completed = 0;

 private:
  struct Begun {
    std::string task_id;
    RunBoard::Run run;
  };

  absl::StatusOr<Begun> Begin() {
    grpc::ClientContext context;
    client_.Prepare(context);
    v1::SubmitTaskRequest request;
    FillSpec(*request.mutable_spec());
    request.set_request_id(client_.NewRequestId());
    v1::SubmitTaskResponse response;
    SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client_.queue(0).SubmitTask(&context, request, &response)));
    const auto run = board_.Await(response.task_id(), 0, kReassignPatience);
    if (!run.has_value()) return absl::DeadlineExceededError(absl::StrCat(response.task_id(), " does not run"));
    return Begun{response.task_id(), *run};
  }
  absl::Status AwaitElsewhere(const Begun& begun, std::int64_t from, Times& times) {
    const auto again = board_.Await(begun.task_id, 1, kReassignPatience);
    if (!again.has_value()) return absl::DeadlineExceededError(absl::StrCat(begun.task_id, " does not run again"));
    times.Add(static_cast<double>(again->nanos - from) / 1e6);
    if (again->agent != begun.run.agent) ++elsewhere;
    again->agent->Complete(begun.task_id);
    if (!board_.AwaitCompleted(++completed, kReassignPatience)) {
      return absl::DeadlineExceededError(absl::StrCat(begun.task_id, " does not end"));
    }
    return absl::OkStatus();
  }

  Client& client_;
  RunBoard& board_;
};

}  // namespace

absl::StatusOr<Report> Reassign(const Options& options) {
  const int repetitions = std::max(kFewest, static_cast<int>(options.SecondsOr(kRepetitions)));
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<Installation> installation,
      Installation::Create({.agents = true,
                            .task_queue_flags = {absl::StrCat("--task_queue.time.session_lease=", kLease)},
                            .hub_flags = {absl::StrCat("--agent_hub.time.renew=", kRenew)}}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, 1));
  RunBoard board;
  // As many as are killed, and as many again to take over.
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> swarm,
                      AgentSwarm::Create(*installation, "mortal-", 2 * repetitions, {.slots = 1, .completes = false}));
  swarm->SetEvents(&board);
  SY_RETURN_IF_ERROR(swarm->Connect());
  SY_RETURN_IF_ERROR(swarm->Await(swarm->size(), true, kReassignPatience));
  Losses losses(*client, board);
  for (int i = 0; i < repetitions; ++i) SY_RETURN_IF_ERROR(losses.ByRelease());
  for (int i = 0; i < repetitions; ++i) SY_RETURN_IF_ERROR(losses.ByRestart());
  SY_RETURN_IF_ERROR(losses.ByGrace(repetitions));
  Report report;
  report.details.emplace_back("repetitions", repetitions);
  report.details.emplace_back("grace_seconds", absl::ToDoubleSeconds(swarm->agent(0).grace()));
  report.details.emplace_back("ran_elsewhere", static_cast<double>(losses.elsewhere) / losses.completed);
  report.details.emplace_back("reports_refused", board.refused());
  swarm->Cut();
  swarm->SetEvents(nullptr);
  SY_RETURN_IF_ERROR(installation->StopServices());
  losses.released.Describe("released", kAtOnceSeconds, report);
  losses.restarted.Describe("restarted", kAtOnceSeconds, report);
  losses.after_grace.Describe("after_grace", kAfterGraceSeconds, report);
  return report;
}

}  // namespace switchyard::bench
