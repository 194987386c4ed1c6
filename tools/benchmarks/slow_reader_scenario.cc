#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/agent_load.h"
#include "tools/benchmarks/agent_swarm.h"
#include "tools/benchmarks/scenarios.h"

namespace switchyard::bench {
namespace {

constexpr double kSlowReaderSeconds = 10;
constexpr int kAgents = 8;
constexpr double kRate = 1'000;
// The slow reader's own work: so much in all that it exceeds what the hub holds for one agent, of which half fits into
// buffers of the connection.
constexpr double kSlowRate = 100;
constexpr double kSlowBytes = 24e6;
constexpr std::size_t kLongestArgument = 30'000;
constexpr int kSlowSlots = 10'000;
constexpr char kSlow[] = "slow";
constexpr char kQuick[] = "quick";
// Against the same without a slow reader; and what the hub may need for it.
constexpr double kP99Ratio = 1.2;
constexpr double kMegabytes = 64;
constexpr absl::Duration kSlowReaderPatience = absl::Seconds(30);

// Looks at the hub's memory until it goes.
class Watcher {
 public:
  explicit Watcher(const Installation& installation)
      : thread_([this, &installation] {
          while (!stop_) {
            most_ = std::max<std::int64_t>(most_, installation.HubBytes());
            absl::SleepFor(absl::Milliseconds(20));
          }
        }) {}
  ~Watcher() {
    stop_ = true;
    thread_.join();
  }
  double most_mb() const { return static_cast<double>(most_) / 1e6; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> most_{0};
  std::thread thread_;
};

AgentLoad::Settings Work(const std::string& capability, double rate, std::size_t bytes) {
  AgentLoad::Settings settings;
  settings.in_flight = 512;
  settings.rate = rate;
  settings.adorn = [capability, bytes](v1::TaskSpec& spec) {
    spec.add_capabilities(capability);
    // A project of its own: fair share between the two is not what is measured.
    spec.set_project(capability);
    for (std::size_t left = bytes; left > 0;) {
      const std::size_t length = std::min(left, kLongestArgument);
      spec.mutable_command()->add_argv(std::string(length, 'x'));
      left -= length;
    }
  };
  return settings;
}

}  // namespace

absl::StatusOr<Report> SlowReader(const Options& options) {
  const double seconds = options.SecondsOr(kSlowReaderSeconds);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create({.agents = true}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, options.connections));
  AgentLoad load(*client, Work(kQuick, kRate, 0));
  const auto bytes = static_cast<std::size_t>(kSlowBytes / (kSlowRate * seconds));
  AgentLoad slow_load(*client, Work(kSlow, kSlowRate, bytes));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> others,
                      AgentSwarm::Create(*installation, "quick-", options.agents > 0 ? options.agents : kAgents,
                                         {.slots = 256, .accepts = options.accepts, .capabilities = {kQuick}}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> slow,
                      AgentSwarm::Create(*installation, "slow-", 1, {.slots = kSlowSlots, .capabilities = {kSlow}}));
  others->SetEvents(&load);
  slow->SetEvents(&slow_load);
  for (AgentSwarm* const swarm : {others.get(), slow.get()}) {
    SY_RETURN_IF_ERROR(swarm->Connect());
    SY_RETURN_IF_ERROR(swarm->Await(swarm->size(), true, kSlowReaderPatience));
  }
  SY_RETURN_IF_ERROR(load.Start());
  SY_RETURN_IF_ERROR(slow_load.Start());
  WarmUp(options);
  SY_ASSIGN_OR_RETURN(const Window before, MeasureWindow(*installation, load, seconds, ""));
  const double before_mb = static_cast<double>(installation->HubBytes()) / 1e6;
  slow->agent(0).SetReading(false);
  double most_mb = 0;
  absl::StatusOr<Window> during = absl::InternalError("not measured");
  {
    const Watcher watcher(*installation);
    during = MeasureWindow(*installation, load, seconds, options.profile);
    most_mb = watcher.most_mb();
  }
  // By now it holds more than fits; what is left is the work that others do.
  slow_load.Abandon();
  load.Stop();
  const double after_mb = static_cast<double>(installation->HubBytes()) / 1e6;
  SY_RETURN_IF_ERROR(during.status());
  others->SetEvents(nullptr);
  slow->SetEvents(nullptr);
  others->Cut();
  slow->Cut();
  SY_RETURN_IF_ERROR(installation->StopServices());

  Report report;
  Describe(*during, report);
  Describe(load, report);
  // Without any life in one of the stretches nothing was compared.
  report.ratio =
      before.done > 0 && during->done > 0 ? during->p99_ms / before.p99_ms : std::numeric_limits<double>::infinity();
  report.details.emplace_back("without_rate_per_s", before.rate());
  report.details.emplace_back("without_p50_ms", before.p50_ms);
  report.details.emplace_back("without_p99_ms", before.p99_ms);
  report.details.emplace_back("bytes_of_each_slow_task", static_cast<double>(bytes));
  report.details.emplace_back("slow_tasks_read_before", static_cast<double>(slow_load.done()));
  report.details.emplace_back("hub_mb_before", before_mb);
  report.details.emplace_back("hub_mb_most", most_mb);
  report.details.emplace_back("hub_mb_after", after_mb);
  report.details.emplace_back("slow_reader_cut_off",
                              during->Grown("switchyard_agent_hub_violations_total{reason=\"SLOW_READER\"}"));
  report.details.emplace_back("without_others_share_of_processors", before.OthersShare());
  report.targets.push_back(
      {.name = "p99_against_without", .wanted = kP99Ratio, .measured = *report.ratio, .at_most = true});
  report.targets.push_back(
      {.name = "hub_mb_grown", .wanted = kMegabytes, .measured = most_mb - before_mb, .at_most = true});
  return report;
}

}  // namespace switchyard::bench
