#include "tools/benchmarks/run_board.h"

#include "absl/time/clock.h"
#include "tools/benchmarks/client.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(100);

}  // namespace

void RunBoard::OnSettled(SimAgent& agent, const SettledReport& report) {
  const std::int64_t now = SteadyNanos();
  MutexLock lock(mutex_);
  if (!report.refusal.empty()) {
    ++refused_;
  } else if (report.kind == SettledReport::Kind::kAccept) {
    runs_[report.task_id].push_back({&agent, now});
  } else if (report.kind == SettledReport::Kind::kComplete) {
    ++completed_;
  }
  changed_.NotifyAll();
}

std::optional<RunBoard::Run> RunBoard::Await(const std::string& task_id, std::size_t number, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  MutexLock lock(mutex_);
  while (runs_[task_id].size() <= number && absl::Now() < deadline) changed_.WaitFor(mutex_, kLook);
  const std::vector<Run>& runs = runs_[task_id];
  return runs.size() > number ? std::optional<Run>(runs[number]) : std::nullopt;
}

bool RunBoard::AwaitCompleted(int count, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  MutexLock lock(mutex_);
  while (completed_ < count && absl::Now() < deadline) changed_.WaitFor(mutex_, kLook);
  return completed_ >= count;
}

int RunBoard::refused() const {
  MutexLock lock(mutex_);
  return refused_;
}

}  // namespace switchyard::bench
