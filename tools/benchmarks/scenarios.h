#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/benchmarks/options.h"
#include "tools/benchmarks/report.h"

namespace switchyard::bench {

struct Scenario {
  std::string name;
  std::string summary;
  absl::StatusOr<Report> (*run)(const Options& options);
};
const std::vector<Scenario>& AllScenarios();
std::string HelpPage();

absl::StatusOr<Report> QueueSubmit(const Options& options);
absl::StatusOr<Report> QueueSubmitBatch(const Options& options);
absl::StatusOr<Report> QueueCycle(const Options& options);
absl::StatusOr<Report> QueueBacklog(const Options& options);
absl::StatusOr<Report> QueueHeldSnapshot(const Options& options);
absl::StatusOr<Report> QueueWatch(const Options& options);
absl::StatusOr<Report> DispatchLatency(const Options& options);
absl::StatusOr<Report> DispatchLatencyAllInOne(const Options& options);
absl::StatusOr<Report> EndToEnd(const Options& options);
absl::StatusOr<Report> EndToEndAllInOne(const Options& options);
absl::StatusOr<Report> Agents(const Options& options);
absl::StatusOr<Report> Reassign(const Options& options);
absl::StatusOr<Report> SlowReader(const Options& options);
absl::StatusOr<Report> RouteDecisions(const Options& options);
absl::StatusOr<Report> EditApply(const Options& options);
absl::StatusOr<Report> Verify(const Options& options);
absl::StatusOr<Report> LlmOverhead(const Options& options);
absl::StatusOr<Report> EndToEndLlm(const Options& options);

}  // namespace switchyard::bench
