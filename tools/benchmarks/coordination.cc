#include "tools/benchmarks/coordination.h"

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace switchyard::bench {
namespace {

// `switchyard_agent_hub_messages_total{direction="in",kind="reports"}` gives "in" and "reports".
std::string LabelOf(const std::string& series, const std::string& label) {
  const std::string begin = label + "=\"";
  const std::size_t at = series.find(begin);
  if (at == std::string::npos) return "";
  const std::size_t value = at + begin.size();
  return series.substr(value, series.find('"', value) - value);
}

void DescribeUnit(const Window& window, const std::string& unit, Report& report) {
  const std::string metric = absl::StrCat("switchyard_agent_hub_", unit, "_total{");
  const double lives = std::max(1.0, window.done);
  double sum = 0;
  std::vector<std::pair<std::string, double>> parts;
  for (const auto& [series, value] : window.after) {
    if (!absl::StartsWith(series, metric)) continue;
    const double grown = window.Grown(series) / lives;
    sum += grown;
    const std::string kind = LabelOf(series, "kind");
    if (grown > 0) {
      parts.emplace_back(
          absl::StrCat(unit, "_", LabelOf(series, "direction"), kind.empty() ? "" : "_", kind, "_per_task"), grown);
    }
  }
  report.coordination.emplace_back(absl::StrCat(unit, "_per_task"), sum);
  report.coordination.insert(report.coordination.end(), parts.begin(), parts.end());
}

}  // namespace

void DescribeCoordination(const Window& window, Report& report) {
  DescribeUnit(window, "messages", report);
  DescribeUnit(window, "bytes", report);
}

}  // namespace switchyard::bench
