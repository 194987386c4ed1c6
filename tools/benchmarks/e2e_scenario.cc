#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/agent_load.h"
#include "tools/benchmarks/agent_swarm.h"
#include "tools/benchmarks/coordination.h"
#include "tools/benchmarks/history_check.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/sql_floor.h"

namespace switchyard::bench {
namespace {

constexpr double kLivesSeconds = 10;
constexpr int kAgents = 16;
constexpr int kSlots = 256;
// Calls that an open loop may have under way: enough that it hardly ever waits for one.
constexpr int kOpenCalls = 2048;
constexpr double kOpenP99Millis = 20;
// What a short task may cost.
constexpr double kMessagesPerTask = 5;
constexpr absl::Duration kLivesPatience = absl::Seconds(30);

struct Lives {
  Window window;
  std::int64_t total = 0;
  double dispatch_p50_ms = 0, dispatch_p99_ms = 0;
  std::int64_t most_late = 0;
};

absl::StatusOr<Lives> RunLives(const Installation& installation, const Options& options, AgentSwarm& swarm,
                               const AgentLoad::Settings& settings, Report& errors) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(installation, options.connections));
  AgentLoad load(*client, settings);
  swarm.SetEvents(&load);
  SY_RETURN_IF_ERROR(load.Start());
  WarmUp(options);
  load.dispatch().Reset();
  Lives lives;
  const auto window = MeasureWindow(installation, load, options.SecondsOr(kLivesSeconds), options.profile);
  lives.dispatch_p50_ms = load.dispatch().QuantileMillis(0.5);
  lives.dispatch_p99_ms = load.dispatch().QuantileMillis(0.99);
  load.Stop();
  swarm.SetEvents(nullptr);
  SY_RETURN_IF_ERROR(window.status());
  lives.window = *window;
  lives.total = load.done();
  lives.most_late = load.most_late();
  Describe(load, errors);
  return lives;
}

absl::StatusOr<Report> Measure(const Options& options, bool all_in_one, double wanted) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation,
                      Installation::Create({.agents = true, .all_in_one = all_in_one}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<AgentSwarm> swarm,
                      AgentSwarm::Create(*installation, "worker-", options.agents > 0 ? options.agents : kAgents,
                                         {.slots = kSlots, .accepts = options.accepts}));
  SY_RETURN_IF_ERROR(swarm->Connect());
  SY_RETURN_IF_ERROR(swarm->Await(swarm->size(), true, kLivesPatience));

  Report report;
  AgentLoad::Settings settings;
  if (options.in_flight > 0) settings.in_flight = options.in_flight;
  SY_ASSIGN_OR_RETURN(const Lives most, RunLives(*installation, options, *swarm, settings, report));
  settings.in_flight = kOpenCalls;
  settings.rate = std::max(1.0, most.window.rate() / 2);
  std::fprintf(stderr, "%.0f lives/s; now an open loop of %.0f/s\n", most.window.rate(), settings.rate);
  SY_ASSIGN_OR_RETURN(const Lives open, RunLives(*installation, options, *swarm, settings, report));

  swarm->Cut();
  SY_RETURN_IF_ERROR(installation->StopServices());
  SY_RETURN_IF_ERROR(CheckHistory(*installation, most.total + open.total));
  const auto batch = [&](const char* lane) {
    return std::max(1, static_cast<int>(std::lround(most.window.MeanBatch(lane))));
  };
  SY_ASSIGN_OR_RETURN(const Floor floor, MeasureFloor(*installation, {.submit = batch("submit"),
                                                                      .assign = batch("assign"),
                                                                      .report = batch("report"),
                                                                      .seconds = std::min(options.SecondsOr(5), 5.0)}));
  Describe(most.window, report);
  DescribeCoordination(most.window, report);
  report.sql_floor_per_s = floor.rate;
  report.ratio = most.window.rate() / floor.rate;
  report.details.emplace_back("agents", swarm->size());
  report.details.emplace_back("accepts_said", options.accepts ? 1 : 0);
  report.details.emplace_back("dispatch_p50_ms", most.dispatch_p50_ms);
  report.details.emplace_back("dispatch_p99_ms", most.dispatch_p99_ms);
  report.details.emplace_back("open_rate_per_s", open.window.rate());
  report.details.emplace_back("open_wanted_per_s", settings.rate);
  report.details.emplace_back("open_p50_ms", open.window.p50_ms);
  report.details.emplace_back("open_p99_ms", open.window.p99_ms);
  report.details.emplace_back("open_dispatch_p50_ms", open.dispatch_p50_ms);
  report.details.emplace_back("open_dispatch_p99_ms", open.dispatch_p99_ms);
  report.details.emplace_back("open_most_late", static_cast<double>(open.most_late));
  report.details.emplace_back("open_others_share_of_processors", open.window.OthersShare());
  report.targets.push_back({.name = "rate_per_s", .wanted = wanted, .measured = most.window.rate()});
  report.targets.push_back(
      {.name = "open_p99_ms", .wanted = kOpenP99Millis, .measured = open.window.p99_ms, .at_most = true});
  report.targets.push_back({.name = "messages_per_task",
                            .wanted = kMessagesPerTask,
                            .measured = report.coordination.front().second,
                            .at_most = true});
  return report;
}

}  // namespace

absl::StatusOr<Report> EndToEnd(const Options& options) { return Measure(options, false, 12'000); }
absl::StatusOr<Report> EndToEndAllInOne(const Options& options) { return Measure(options, true, 15'000); }

}  // namespace switchyard::bench
