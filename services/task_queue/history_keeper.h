#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
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
// safe to repeat, and safe with other replicas at the same work; none writes in a long transaction, which would keep
// events from watchers. Background steps with a public Tick(); not thread-safe, apart from Cancel().
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
  // All of it but Compact. A step that fails, as behind a long reader, does not keep the others from their work; the
  // first failure is answered, and the next Tick goes on where this one stopped.
  absl::Status Tick();
  // Ends a Tick soon, now or later, with CANCELLED: the process stops.
  void Cancel() { cancelled_ = true; }

  // Partitions dropped since the process began.
  int dropped() const { return dropped_; }

 private:
  absl::Status DropHistory();
  // Copies what must outlive the partition of a day to where it stays.
  absl::Status Pin(const std::string& day, absl::Time cut);
  absl::Status DropOutlivedPins(absl::Time cut);
  absl::Status DropEvents();
  struct Partition {
    std::string name;
    std::string day;
    bool attached = false;
  };
  // Of `parent`, wholly before `cut`; also those that an interrupted run left detached.
  absl::StatusOr<std::vector<Partition>> PartitionsBefore(const char* parent, absl::Time cut);
  // Detached first, without blocking readers and writers of the parent, then dropped.
  absl::Status DropPartition(const std::string& parent, const Partition& partition);
  absl::Status RotateRequests();

  pg::Pool& pool_;
  const Clock& clock_;
  const Retention retention_;
  bool partitions_made_ = false;
  int dropped_ = 0;
  std::atomic<bool> cancelled_{false};
};

}  // namespace switchyard::task_queue
