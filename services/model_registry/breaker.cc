#include "services/model_registry/breaker.h"

#include <algorithm>

namespace switchyard::model_registry {

void Breaker::Note(bool good, absl::Time now) {
  outcomes_.emplace_back(now, good);
  while (outcomes_.size() > kMaxOutcomes || (!outcomes_.empty() && outcomes_.front().first + rules_.window <= now)) {
    outcomes_.pop_front();
  }
}

double Breaker::FailureRate(absl::Time now) const {
  int all = 0;
  int bad = 0;
  for (const auto& [time, good] : outcomes_) {
    if (time + rules_.window <= now) continue;
    ++all;
    bad += good ? 0 : 1;
  }
  return all == 0 ? 0 : static_cast<double>(bad) / all;
}

absl::Duration Breaker::Cooldown() const {
  absl::Duration cooldown = rules_.cooldown;
  for (int i = 1; i < times_opened_ && cooldown < rules_.max_cooldown; ++i) cooldown *= 2;
  return std::min(cooldown, std::max(rules_.max_cooldown, rules_.cooldown));
}

void Breaker::Open(absl::Time now) {
  if (phase_ == Phase::kClosed && now - closed_ >= rules_.stable) times_opened_ = 0;
  ++times_opened_;
  phase_ = Phase::kOpen;
  opened_ = now;
  open_until_ = std::max(open_until_, now + Cooldown());
  allowance_ = 0;
  outcomes_.clear();
}

void Breaker::Success(absl::Time began, int full, absl::Time now) {
  if (phase_ == Phase::kOpen || began < opened_) return;
  if (phase_ == Phase::kRecovering && began < recovering_) return;
  in_row_ = 0;
  Note(true, now);
  if (phase_ == Phase::kClosed) return;
  // Requests that were let in together take one step together.
  recovering_ = now;
  allowance_ *= 2;
  if (allowance_ <= full) return;
  phase_ = Phase::kClosed;
  closed_ = now;
  allowance_ = 0;
}

void Breaker::Failure(absl::Time began, std::string_view what, absl::Time now) {
  if (phase_ == Phase::kOpen || began < opened_) return;
  ++in_row_;
  last_failure_ = std::string(what);
  Note(false, now);
  const bool by_rate =
      static_cast<int>(outcomes_.size()) >= rules_.least_outcomes && FailureRate(now) >= rules_.failure_rate;
  if (phase_ == Phase::kRecovering || in_row_ >= rules_.failures || by_rate) Open(now);
}

void Breaker::BeginProbe(absl::Time now) {
  last_probe_ = now;
  open_until_ = std::max(open_until_, now + Cooldown());
}

void Breaker::ProbeDone(bool good, std::string_view what, int full, absl::Time now) {
  if (phase_ != Phase::kOpen) return;
  if (!good) {
    ++in_row_;
    last_failure_ = std::string(what);
    return Open(now);
  }
  in_row_ = 0;
  phase_ = Phase::kRecovering;
  recovering_ = now;
  allowance_ = 1;
  if (full > 0) return;
  phase_ = Phase::kClosed;
  closed_ = now;
}

void Breaker::ProbeNow(bool good, std::string_view what, int full, absl::Time now) {
  if (phase_ != Phase::kOpen) return;
  last_probe_ = now;
  if (good) return ProbeDone(true, what, full, now);
  last_failure_ = std::string(what);
}

int Breaker::Allowed(int full) const {
  switch (phase_) {
    case Phase::kClosed:
      return full;
    case Phase::kOpen:
      return 0;
    case Phase::kRecovering:
      return std::min(full, allowance_);
  }
  return 0;
}

}  // namespace switchyard::model_registry
