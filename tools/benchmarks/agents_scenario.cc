#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/agent_swarm.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/measure.h"
#include "tools/benchmarks/process_memory.h"
#include "tools/benchmarks/scenarios.h"

namespace switchyard::bench {
namespace {

// Two heartbeats of each agent.
constexpr double kAgentsSeconds = 20;
constexpr int kFew = 1'000;
constexpr int kMost = 5'000;
// What a process opens beside the streams.
constexpr int kOtherFiles = 500;
constexpr double kMegabytes = 250;
constexpr double kShare = 0.05;
constexpr double kRecoverySeconds = 30;
constexpr absl::Duration kAgentsPatience = absl::Minutes(2);

// Nothing at all.
class Rest final : public Load {
 public:
  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
};

double SecondsSince(std::int64_t nanos) { return static_cast<double>(SteadyNanos() - nanos) / 1e9; }

}  // namespace

absl::StatusOr<Report> Agents(const Options& options) {
  const int most = options.agents > 0 ? options.agents : kMost;
  if (const std::int64_t files = RaiseOpenFiles(); files < most + kOtherFiles) {
    return absl::FailedPreconditionError(absl::StrCat("a process may have only ", files, " open files here"));
  }
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create({.agents = true}));
  std::fprintf(stderr, "%d agents join\n", most);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> swarm,
                      AgentSwarm::Create(*installation, "idle-", most, {.slots = 4}));
  Report report;
  report.details.emplace_back("hub_mb_0", static_cast<double>(installation->HubBytes()) / 1e6);
  Rest rest;
  int connected = 0;
  double share = 0, megabytes = 0;
  for (const int count : {1, std::min(kFew, most), most}) {
    if (count <= connected) continue;
    const std::int64_t begun = SteadyNanos();
    SY_RETURN_IF_ERROR(swarm->Connect(connected, count - connected, true));
    SY_RETURN_IF_ERROR(swarm->Await(count, true, kAgentsPatience));
    const double took = SecondsSince(begun);
    WarmUp(options);
    SY_ASSIGN_OR_RETURN(const Window window, MeasureWindow(*installation, rest, options.SecondsOr(kAgentsSeconds),
                                                           count == most ? options.profile : ""));
    connected = count;
    share = absl::ToDoubleSeconds(window.spent.hub) / window.seconds;
    megabytes = static_cast<double>(installation->HubBytes()) / 1e6;
    report.details.emplace_back(absl::StrCat("hub_mb_", count), megabytes);
    report.details.emplace_back(absl::StrCat("hub_share_of_a_processor_", count), share);
    report.details.emplace_back(absl::StrCat("task_queue_share_of_a_processor_", count),
                                absl::ToDoubleSeconds(window.spent.service) / window.seconds);
    report.details.emplace_back(absl::StrCat("connect_seconds_", count), took);
    if (count == most) report.details.emplace_back("others_share_of_processors", window.OthersShare());
  }
  swarm->Cut();
  const std::int64_t begun = SteadyNanos();
  SY_RETURN_IF_ERROR(swarm->Connect(0, most, false));
  SY_RETURN_IF_ERROR(swarm->Await(most, false, kAgentsPatience));
  const double recovery = SecondsSince(begun);
  report.details.emplace_back("hub_mb_after_recovery", static_cast<double>(installation->HubBytes()) / 1e6);
  report.details.emplace_back("dialled_again", swarm->redialled());
  swarm->Cut();
  SY_RETURN_IF_ERROR(installation->StopServices());
  report.targets.push_back({.name = "hub_mb", .wanted = kMegabytes, .measured = megabytes, .at_most = true});
  report.targets.push_back({.name = "hub_share_of_a_processor", .wanted = kShare, .measured = share, .at_most = true});
  report.targets.push_back(
      {.name = "recovery_seconds", .wanted = kRecoverySeconds, .measured = recovery, .at_most = true});
  return report;
}

}  // namespace switchyard::bench
