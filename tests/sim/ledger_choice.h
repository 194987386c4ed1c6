#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "tests/sim/ledger_process.h"

namespace switchyard::sim {

// Which replica a client talks to: one until it fails, then the next.
class LedgerChoice {
 public:
  LedgerChoice(std::vector<LedgerProcess*> replicas, std::size_t first) : replicas_(std::move(replicas)), at_(first) {}

  LedgerProcess& Get() const { return *replicas_[at_ % replicas_.size()]; }
  void Heard(const absl::Status& status) {
    if (status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded) ++at_;
  }

 private:
  std::vector<LedgerProcess*> replicas_;
  std::size_t at_;
};

}  // namespace switchyard::sim
