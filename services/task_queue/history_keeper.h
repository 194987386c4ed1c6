#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/pg/pool.h"

namespace switchyard::task_queue {

struct Retention {
  absl::Duration finished = absl::Hours(30 * 24);
  absl::Duration events = absl::Hours(7 * 24);
  absl::Duration ahead = absl::Hours(3 * 24);
  absl::Duration request_ids = absl::Hours(24);
};

// Makes partitions ahead, drops what has outlived its retention, rotates request ids, compacts counts. Every step is
// safe to repeat, and safe with other replicas at the same work. Background steps with a public Tick(); not
// thread-safe.
class HistoryKeeper final {
 public:
  HistoryKeeper(pg::Pool& pool, const Clock& clock, const Retention& retention)
      : pool_(pool), clock_(clock), retention_(retention) {}

  // Today's partitions and those ahead: nothing can be submitted on a day without.
  absl::Status MakePartitions();
  // Whether they were there once since the process began.
  bool partitions_made() const { return partitions_made_; }
  // Compacts counts, which grow with every batch.
  absl::Status Compact();
  // All of it.
  absl::Status Tick();

  // Partitions dropped since the process began.
  int dropped() const { return dropped_; }

 private:
  absl::Status DropHistory();
  absl::Status DropEvents();
  // Detached first, without blocking readers and writers of the parent, then dropped.
  absl::Status DropPartition(const std::string& parent, const std::string& child, bool attached);
  absl::Status RotateRequests();

  pg::Pool& pool_;
  const Clock& clock_;
  const Retention retention_;
  bool partitions_made_ = false;
  int dropped_ = 0;
};

}  // namespace switchyard::task_queue
