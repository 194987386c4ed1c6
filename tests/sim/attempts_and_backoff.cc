#include <algorithm>

#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

absl::Duration Nth(const std::vector<absl::Duration>& list, int n) {
  return list.empty() ? absl::ZeroDuration() : list[std::min<std::size_t>(n, list.size()) - 1];
}

// Each charged attempt counts, and no other; there are no more than the policy grants; between two attempts lies the
// pause of the policy.
class AttemptsAndBackoff final : public Invariant {
 public:
  AttemptsAndBackoff() : Invariant("attempts-and-backoff") {}

  void OnChange(const View& view, const Change& change) override {
    const task_queue::TaskRecord& after = *change.after;
    const auto& backoff = after.policy.backoff.empty() ? view.rules->backoff : after.policy.backoff;
    const int most = after.policy.max_attempts > 0 ? after.policy.max_attempts : static_cast<int>(backoff.size()) + 1;
    if (after.attempts > most) Breach(Describe(after), " had ", after.attempts, " attempts of ", most);
    if (after.losses > view.rules->max_losses) {
      Breach(Describe(after), " was lost ", after.losses, " times of ", view.rules->max_losses);
    }
    const auto charged = std::count_if(after.history.begin(), after.history.end(),
                                       [](const task_queue::Attempt& attempt) { return attempt.charged; });
    if (charged != after.attempts) {
      Breach(Describe(after), " counts ", after.attempts, " attempts, and its history charges ", charged);
    }
    if (change.before == nullptr) return;
    const task_queue::TaskRecord& before = *change.before;
    if (after.state == task_queue::TaskState::kQueued && before.state != task_queue::TaskState::kQueued) {
      absl::Duration pause;
      if (after.attempts > before.attempts) pause = Nth(backoff, after.attempts);
      if (after.losses > before.losses) pause = Nth(view.rules->loss_cooldown, after.losses);
      not_before_[after.id] = view.now + pause;
    }
    if (after.state == task_queue::TaskState::kAssigned && before.state == task_queue::TaskState::kQueued) {
      const auto wait = not_before_.find(after.id);
      if (wait != not_before_.end() && view.now < wait->second) {
        Breach(Describe(after), " was given away ", absl::FormatDuration(wait->second - view.now),
               " before its pause was over");
      }
      if (before.hold != task_queue::HoldReason::kNone) Breach(Describe(before), " was given away while it was held");
    }
  }

 private:
  std::map<task_queue::TaskId, absl::Time> not_before_;
};

}  // namespace

std::unique_ptr<Invariant> MakeAttemptsAndBackoff() { return std::make_unique<AttemptsAndBackoff>(); }

}  // namespace switchyard::sim
