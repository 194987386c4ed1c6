#include "tools/benchmarks/report.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace switchyard::bench {
namespace {

constexpr char kOthersShare[] = "others_share_of_processors";
constexpr double kQuiet = 0.02;

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    if (static_cast<unsigned char>(c) >= 0x20) quoted.push_back(c);
  }
  return quoted + '"';
}

std::string Number(std::optional<double> value) {
  if (!value.has_value() || !std::isfinite(*value)) return "null";
  return absl::StrFormat(std::abs(*value) >= 1000 ? "%.0f" : "%.4g", *value);
}

std::string Object(const std::vector<std::pair<std::string, double>>& values) {
  return absl::StrCat("{",
                      absl::StrJoin(values, ",",
                                    [](std::string* out, const auto& value) {
                                      absl::StrAppend(out, Quoted(value.first), ":", Number(value.second));
                                    }),
                      "}");
}

std::string Processor() { return absl::StrCat(sysconf(_SC_NPROCESSORS_ONLN)); }

}  // namespace

bool Report::met() const {
  return errors == 0 && std::all_of(targets.begin(), targets.end(), [](const Target& target) { return target.met(); });
}

std::string ToJson(const Report& report) {
  const std::string targets = absl::StrJoin(report.targets, ",", [](std::string* out, const Target& target) {
    absl::StrAppend(out, "{\"name\":", Quoted(target.name), ",",
                    target.at_most ? "\"at_most\":" : "\"at_least\":", Number(target.wanted),
                    ",\"measured\":", Number(target.measured), ",\"met\":", target.met() ? "true" : "false", "}");
  });
  std::string json =
      absl::StrCat("{\"scenario\":", Quoted(report.scenario), ",\"rate_per_s\":", Number(report.rate_per_s),
                   ",\"p50_ms\":", Number(report.p50_ms), ",\"p99_ms\":", Number(report.p99_ms),
                   ",\"sql_floor_per_s\":", Number(report.sql_floor_per_s), ",\"ratio\":", Number(report.ratio),
                   ",\"cpu_us_per_task\":", Object(report.cpu_us_per_task));
  if (!report.coordination.empty()) {
    // The object ends with the processor times, so that it says all that coordination costs.
    std::string coordination = Object(report.coordination);
    coordination.pop_back();
    absl::StrAppend(&json, ",\"coordination\":", coordination, ",\"cpu_us_per_task\":", Object(report.cpu_us_per_task),
                    "}");
  }
  absl::StrAppend(&json, ",\"targets\":[", targets, "],\"met\":");
  absl::StrAppend(&json, report.met() ? "true" : "false", ",\"errors\":", Number(report.errors),
                  ",\"details\":", Object(report.details), ",\"settings\":{\"fsync\":true,\"synchronous_commit\":true,",
                  "\"authentication\":true,\"validation\":true,\"request_ids\":\"distinct UUIDv7\",\"transport\":",
                  "\"TCP loopback\",\"processors\":", Processor(), "}}");
  return json;
}

std::string ToText(const Report& report) {
  std::string text = absl::StrFormat("%s: %s/s, p50 %s ms, p99 %s ms", report.scenario, Number(report.rate_per_s),
                                     Number(report.p50_ms), Number(report.p99_ms));
  if (report.sql_floor_per_s.has_value()) {
    absl::StrAppend(&text, "; plain SQL ", Number(report.sql_floor_per_s), "/s, ratio ", Number(report.ratio));
  }
  absl::StrAppend(&text, "\n");
  if (!report.cpu_us_per_task.empty()) {
    absl::StrAppend(&text, "  processor time, µs a task:");
    for (const auto& [name, value] : report.cpu_us_per_task) absl::StrAppendFormat(&text, " %s %.1f", name, value);
    absl::StrAppend(&text, "\n");
  }
  if (!report.coordination.empty()) {
    absl::StrAppend(&text, "  coordination:");
    for (const auto& [name, value] : report.coordination) absl::StrAppend(&text, " ", name, " ", Number(value));
    absl::StrAppend(&text, "\n");
  }
  for (const auto& [name, value] : report.details) absl::StrAppend(&text, "  ", name, " ", Number(value), "\n");
  for (const auto& [name, value] : report.details) {
    if (absl::EndsWith(name, kOthersShare) && value > kQuiet) {
      absl::StrAppend(&text, "  not a quiet machine: ", name, " is above ", Number(kQuiet), "\n");
    }
  }
  for (const Target& target : report.targets) {
    absl::StrAppend(&text, target.met() ? "  met:    " : "  missed: ", target.name, " ", Number(target.measured),
                    target.at_most ? ", at most " : ", at least ", Number(target.wanted), "\n");
  }
  if (report.errors > 0) {
    absl::StrAppend(&text, "  failed: ", Number(report.errors), " errors, the first: ", report.first_error, "\n");
  }
  return text;
}

}  // namespace switchyard::bench
