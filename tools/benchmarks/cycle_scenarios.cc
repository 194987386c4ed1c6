#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/history_check.h"
#include "tools/benchmarks/history_fill.h"
#include "tools/benchmarks/lives_load.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/sql_floor.h"

namespace switchyard::bench {
namespace {

constexpr double kCycleSeconds = 10;
constexpr double kSnapshotSeconds = 60;

LivesLoad::Settings SettingsOf(const Options& options) {
  LivesLoad::Settings settings;
  if (options.in_flight > 0) settings.in_flight = options.in_flight;
  return settings;
}

double CostMicros(const Window& window) {
  return absl::ToDoubleMicroseconds(window.spent.service + window.spent.postgres) / std::max(1.0, window.done);
}

struct Lives {
  Window window;
  std::int64_t total = 0;
  Report errors;
};

// One stretch of lives with a load of its own.
absl::StatusOr<Lives> RunLives(const Installation& installation, const Options& options, double seconds) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(installation, options.connections));
  LivesLoad load(*client, SettingsOf(options));
  SY_RETURN_IF_ERROR(load.Start());
  WarmUp(options);
  Lives lives;
  SY_ASSIGN_OR_RETURN(lives.window, MeasureWindow(installation, load, seconds, options.profile));
  load.Stop();
  lives.total = load.done();
  Describe(load, lives.errors);
  lives.errors.details.emplace_back("ready_feed_reopened", static_cast<double>(load.reopened()));
  lives.errors.details.emplace_back("offered_again", static_cast<double>(load.offered_again()));
  return lives;
}

void AddErrors(const Lives& lives, Report& report) {
  report.errors += lives.errors.errors;
  if (report.first_error.empty()) report.first_error = lives.errors.first_error;
  report.details.insert(report.details.end(), lives.errors.details.begin(), lives.errors.details.end());
}

}  // namespace

absl::StatusOr<Report> QueueCycle(const Options& options) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create());
  const double seconds = options.SecondsOr(kCycleSeconds);
  SY_ASSIGN_OR_RETURN(const Lives lives, RunLives(*installation, options, seconds));
  SY_RETURN_IF_ERROR(installation->StopServices());
  SY_RETURN_IF_ERROR(CheckHistory(*installation, lives.total));
  const auto batch = [&](const char* lane) {
    return std::max(1, static_cast<int>(std::lround(lives.window.MeanBatch(lane))));
  };
  SY_ASSIGN_OR_RETURN(const Floor floor, MeasureFloor(*installation, {.submit = batch("submit"),
                                                                      .assign = batch("assign"),
                                                                      .report = batch("report"),
                                                                      .seconds = std::min(seconds, 5.0)}));
  Report report;
  Describe(lives.window, report);
  AddErrors(lives, report);
  report.sql_floor_per_s = floor.rate;
  report.ratio = lives.window.rate() / floor.rate;
  report.details.emplace_back("sql_floor_client_us_per_task", floor.client_us);
  report.details.emplace_back("sql_floor_postgres_us_per_task", floor.postgres_us);
  report.targets.push_back({.name = "rate_per_s", .wanted = 16'000, .measured = lives.window.rate()});
  report.targets.push_back({.name = "ratio", .wanted = 0.45, .measured = *report.ratio});
  return report;
}

absl::StatusOr<Report> QueueBacklog(const Options& options) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create());
  const double seconds = options.SecondsOr(kCycleSeconds);
  SY_ASSIGN_OR_RETURN(const Lives empty, RunLives(*installation, options, seconds));
  SY_RETURN_IF_ERROR(installation->StopServices());
  std::fprintf(stderr, "empty queue: %.0f lives/s; now storing %d queued and %d finished tasks\n", empty.window.rate(),
               options.backlog, options.backlog);
  SY_RETURN_IF_ERROR(FillHistory(*installation, task_queue::Lane::kLow, task_queue::Stage::kReady, options.backlog));
  SY_RETURN_IF_ERROR(FillHistory(*installation, task_queue::Lane::kNormal, task_queue::Stage::kDone, options.backlog));
  SY_RETURN_IF_ERROR(Settle(*installation));
  SY_RETURN_IF_ERROR(installation->StartTaskQueue());
  SY_ASSIGN_OR_RETURN(const Lives full, RunLives(*installation, options, seconds));
  SY_RETURN_IF_ERROR(installation->StopServices());
  SY_RETURN_IF_ERROR(CheckHistory(*installation, empty.total + full.total + options.backlog));
  Report report;
  Describe(full.window, report);
  AddErrors(empty, report);
  AddErrors(full, report);
  report.ratio = empty.window.rate() / full.window.rate();
  report.details.emplace_back("backlog", options.backlog);
  report.details.emplace_back("empty_rate_per_s", empty.window.rate());
  report.details.emplace_back("empty_cost_us", CostMicros(empty.window));
  report.details.emplace_back("backlog_cost_us", CostMicros(full.window));
  report.details.emplace_back("empty_others_share_of_processors", empty.window.OthersShare());
  report.targets.push_back(
      {.name = "time_per_life_against_empty", .wanted = 1.3, .measured = *report.ratio, .at_most = true});
  return report;
}

absl::StatusOr<Report> QueueHeldSnapshot(const Options& options) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create());
  const double seconds = options.SecondsOr(kSnapshotSeconds);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, options.connections));
  LivesLoad load(*client, SettingsOf(options));
  SY_RETURN_IF_ERROR(load.Start());
  WarmUp(options);
  // The last third of each stretch is what counts: what a snapshot costs grows with its age.
  const double third = seconds / 3;
  SY_ASSIGN_OR_RETURN(const Window before, MeasureWindow(*installation, load, third, ""));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Session> holder, installation->Connect());
  SY_RETURN_IF_ERROR(holder->RunScript("BEGIN ISOLATION LEVEL REPEATABLE READ"));
  SY_RETURN_IF_ERROR(holder->RunScript("SELECT count(*) FROM task_queue.ready"));
  SY_ASSIGN_OR_RETURN(const Window early, MeasureWindow(*installation, load, seconds - third, ""));
  SY_ASSIGN_OR_RETURN(const Window late, MeasureWindow(*installation, load, third, options.profile));
  SY_RETURN_IF_ERROR(holder->RunScript("ROLLBACK"));
  load.Stop();
  Report report;
  Describe(late, report);
  Describe(load, report);
  report.ratio = late.rate() / before.rate();
  report.details.emplace_back("rate_before_per_s", before.rate());
  report.details.emplace_back("rate_first_two_thirds_per_s", early.rate());
  report.details.emplace_back("held_seconds", early.seconds + late.seconds);
  report.details.emplace_back("cost_before_us", CostMicros(before));
  report.details.emplace_back("cost_late_us", CostMicros(late));
  report.details.emplace_back("before_others_share_of_processors", before.OthersShare());
  report.targets.push_back({.name = "rate_against_before", .wanted = 0.9, .measured = *report.ratio});
  return report;
}

}  // namespace switchyard::bench
