#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/random.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/edits/feedback.h"
#include "services/executor/edits/parse.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/edits/workspace_files.h"
#include "tools/benchmarks/scenarios.h"

namespace switchyard::bench {
namespace {

using executor::edits::FeedbackText;
using executor::edits::ParseAnswer;
using executor::edits::Resolution;
using executor::edits::Resolve;
using executor::edits::WorkspaceFiles;

constexpr double kEditSeconds = 3;
constexpr std::size_t kLargeBytes = 10'000'000;
constexpr std::size_t kUsualBytes = 20'000;
constexpr int kLargeBlocks = 20;
constexpr int kUsualBlocks = 3;
// Of a file of 10 MB, with 20 blocks, whatever they look like.
constexpr double kTargetMegabytes = 50;

// Lines as code has them: many short ones that repeat, some that are there once.
std::vector<std::string> CodeLines(std::size_t bytes) {
  const auto rng = MakeSeededRng(7);
  std::vector<std::string> lines;
  std::size_t size = 0;
  for (std::size_t number = 0; size < bytes; ++number) {
    static const char* const kCommon[] = {"  }",         "", "    return;", "  if (value > limit) {", "    break;",
                                          "  int i = 0;"};
    lines.push_back(rng->Below(3) == 0 ? absl::StrCat("    call_", number, "(value, ", rng->Below(1000), ");")
                                       : kCommon[rng->Below(6)]);
    size += lines.back().size() + 1;
  }
  return lines;
}

enum class Drift { kExact, kIndented, kMissing };

// Blocks of four lines each, spread over the file.
std::string Answer(const std::string& path, const std::vector<std::string>& lines, int blocks, Drift drift) {
  std::string answer;
  for (int block = 0; block < blocks; ++block) {
    const std::size_t begin = (lines.size() - 8) * static_cast<std::size_t>(block) / static_cast<std::size_t>(blocks);
    std::string search;
    for (std::size_t at = begin; at < begin + 8; ++at) {
      const std::string& line = lines[at];
      if (drift == Drift::kIndented && !line.empty()) search += "  ";
      search += drift == Drift::kMissing && at == begin + 4 ? line + " // not there" : line;
      search += "\n";
    }
    absl::StrAppend(&answer, path, "\n```cpp\n<<<<<<< SEARCH\n", search, "=======\n", search, "    changed_", block,
                    "();\n>>>>>>> REPLACE\n```\n\n");
  }
  return answer;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, line, "\n");
  return text;
}

struct Pace {
  double per_s = 0;
  double p50_ms = 0;
  double p99_ms = 0;
  // Answers that did not come out as they should.
  double wrong = 0;
};

// One answer after another, from its text to files that are written and put back.
template <class Turn>
Pace Measure(double seconds, Turn turn) {
  std::vector<double> samples;
  Pace pace;
  const absl::Time begin = absl::Now();
  const absl::Time end = begin + absl::Seconds(seconds);
  for (absl::Time now = begin; now < end || samples.size() < 3; now = absl::Now()) {
    pace.wrong += turn() ? 0 : 1;
    samples.push_back(absl::ToDoubleMilliseconds(absl::Now() - now));
  }
  pace.per_s = static_cast<double>(samples.size()) / absl::ToDoubleSeconds(absl::Now() - begin);
  std::sort(samples.begin(), samples.end());
  pace.p50_ms = samples[samples.size() / 2];
  pace.p99_ms = samples[samples.size() * 99 / 100];
  return pace;
}

}  // namespace

absl::StatusOr<Report> EditApply(const Options& options) {
  Report report;
  report.scenario = options.scenario;
  const double seconds = options.SecondsOr(kEditSeconds);
  const testing::TempDir folder;
  auto files = WorkspaceFiles::Open(folder.path());
  if (!files.ok()) return files.status();
  const auto resolve = [&](const std::string& answer) { return Resolve(ParseAnswer(answer), *files); };

  const std::vector<std::string> large = CodeLines(kLargeBytes);
  const std::string large_text = Joined(large);
  folder.Write("large.cc", large_text);
  for (const auto& [name, drift] : {std::pair("exact", Drift::kExact), std::pair("indented", Drift::kIndented),
                                    std::pair("missing", Drift::kMissing)}) {
    const std::string answer = Answer("large.cc", large, kLargeBlocks, drift);
    const bool good = drift != Drift::kMissing;
    const Pace pace = Measure(seconds / 4, [&] {
      const Resolution resolution = resolve(answer);
      return resolution.ok() == good && resolution.plan.empty() != good && FeedbackText(resolution).empty() == good;
    });
    const double megabytes = pace.per_s * static_cast<double>(large_text.size()) / 1e6;
    report.details.emplace_back(absl::StrCat("mb_per_s_", name), megabytes);
    report.errors += pace.wrong;
    report.targets.push_back(
        {.name = absl::StrCat("mb_per_s_", name), .wanted = kTargetMegabytes, .measured = megabytes});
  }

  const std::vector<std::string> usual = CodeLines(kUsualBytes);
  folder.Write("usual.cc", Joined(usual));
  const std::string answer = Answer("usual.cc", usual, kUsualBlocks, Drift::kExact);
  const Pace pace = Measure(seconds / 4, [&] {
    const Resolution resolution = resolve(answer);
    if (!resolution.ok()) return false;
    const auto undo = files->Apply(resolution.plan);
    return undo.ok() && files->Apply(*undo).ok();
  });
  report.rate_per_s = pace.per_s;
  report.p50_ms = pace.p50_ms;
  report.p99_ms = pace.p99_ms;
  report.errors += pace.wrong;
  if (report.errors > 0) report.first_error = "an answer did not come out as it should";
  return report;
}

}  // namespace switchyard::bench
