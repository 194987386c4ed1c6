#include <algorithm>
#include <cmath>

#include "libs/base/status_macros.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/sql_floor.h"
#include "tools/benchmarks/submit_load.h"

namespace switchyard::bench {
namespace {

constexpr double kSubmitSeconds = 10;
constexpr int kTasksPerCall = 100;

template <class MakeLoad>
absl::StatusOr<Report> Submit(const Options& options, double wanted, MakeLoad make_load) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create());
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, options.connections));
  const std::unique_ptr<Load> load = make_load(*client);
  SY_RETURN_IF_ERROR(load->Start());
  WarmUp(options);
  const double seconds = options.SecondsOr(kSubmitSeconds);
  SY_ASSIGN_OR_RETURN(const Window window, MeasureWindow(*installation, *load, seconds, options.profile));
  load->Stop();
  SY_RETURN_IF_ERROR(installation->StopServices());
  const int batch = std::max(1, static_cast<int>(std::lround(window.MeanBatch("submit"))));
  SY_ASSIGN_OR_RETURN(const Floor floor,
                      MeasureFloor(*installation, {.submit = batch, .seconds = std::min(seconds, 5.0)}));
  Report report;
  Describe(window, report);
  Describe(*load, report);
  report.sql_floor_per_s = floor.rate;
  report.ratio = window.rate() / floor.rate;
  report.details.emplace_back("sql_floor_client_us_per_task", floor.client_us);
  report.details.emplace_back("sql_floor_postgres_us_per_task", floor.postgres_us);
  report.targets.push_back({.name = "rate_per_s", .wanted = wanted, .measured = window.rate()});
  return report;
}

}  // namespace

absl::StatusOr<Report> QueueSubmit(const Options& options) {
  return Submit(options, 16'000, [&](Client& client) {
    return std::make_unique<SingleSubmitLoad>(client, options.in_flight > 0 ? options.in_flight : 64);
  });
}

absl::StatusOr<Report> QueueSubmitBatch(const Options& options) {
  return Submit(options, 35'000, [&](Client& client) {
    return std::make_unique<BatchSubmitLoad>(client, options.in_flight > 0 ? options.in_flight : 16, kTasksPerCall);
  });
}

}  // namespace switchyard::bench
