#pragma once

#include <cstdint>
#include <optional>

namespace switchyard::bench {

// The moments of an open loop: the n-th is n intervals after the start, however late the ones before were taken.
// Whoever measures from these moments, and not from when it came to them, leaves nothing out while it is held up. Not
// thread-safe.
class Pace {
 public:
  Pace(double per_second, std::int64_t start_nanos) : interval_(1e9 / per_second), start_(start_nanos) {}

  // The earliest moment not taken yet, if it has come.
  std::optional<std::int64_t> Take(std::int64_t now_nanos) {
    const std::int64_t moment = next();
    if (moment > now_nanos) return std::nullopt;
    ++taken_;
    return moment;
  }
  std::int64_t next() const { return start_ + static_cast<std::int64_t>(interval_ * static_cast<double>(taken_)); }

 private:
  const double interval_;
  const std::int64_t start_;
  std::int64_t taken_ = 0;
};

}  // namespace switchyard::bench
