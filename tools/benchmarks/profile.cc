#include "tools/benchmarks/profile.h"

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace switchyard::bench {
namespace {

constexpr int kLines = 25;

}  // namespace

Profile::Profile(const std::vector<pid_t>& pids, const std::string& file) : file_(file) {
  auto started = ChildProcess::Start({"perf", "record", "-q", "-F", "499", "-p", absl::StrJoin(pids, ","), "-o", file_},
                                     file_ + ".log");
  if (started.ok()) perf_ = *std::move(started);
}

std::string Profile::Finish() {
  if (perf_ == nullptr || !perf_->running()) {
    return absl::StrCat("no profile: perf is missing or not permitted\n", ReadWhole(file_ + ".log"));
  }
  kill(perf_->pid(), SIGINT);
  perf_->Wait();
  const std::string report = file_ + ".report";
  const absl::Status status =
      RunToEnd({"perf", "report", "-i", file_, "--stdio", "--no-children", "--sort", "dso,symbol", "-q"}, report);
  if (!status.ok()) return status.ToString();
  std::string text = "where the time went:\n";
  int lines = 0;
  for (const absl::string_view line : absl::StrSplit(ReadWhole(report), '\n')) {
    if (line.empty() || absl::StripAsciiWhitespace(line).empty()) continue;
    absl::StrAppend(&text, line.substr(0, 150), "\n");
    if (++lines == kLines) break;
  }
  return text;
}

}  // namespace switchyard::bench
