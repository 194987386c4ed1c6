#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/held_work.h"

namespace switchyard::executor {

// Accepted work, and whether it was handed to a back end.
struct JournalledWork {
  Assignment assignment;
  bool started = false;
};

struct JournalContent {
  std::vector<JournalledWork> work;
  // Ends that no hub has acknowledged, by number.
  std::vector<Report> reports;
  // Larger than any number that this journal ever held or that its user can have given out without journalling it.
  std::int64_t next_number = 1;
};

// Applied in this order.
struct JournalChange {
  // Replaces what is known of the same task.
  std::vector<JournalledWork> work;
  std::vector<Report> reports;
  // With their reports.
  std::vector<TaskKey> forget;
  std::vector<std::int64_t> acknowledged;

  bool empty() const { return work.empty() && reports.empty() && forget.empty() && acknowledged.empty(); }
};

// What survives the process: `kill -9` at any moment keeps every change that was answered with OK, and a change with an
// end survives the loss of power too. Not thread-safe; calls block.
class Journal {
 public:
  virtual ~Journal() = default;
  // Once, first.
  virtual absl::StatusOr<JournalContent> Load() = 0;
  // All or nothing. RESOURCE_EXHAUSTED, reason DISK_FULL; UNAVAILABLE, reason JOURNAL_FAILED. May be tried again.
  virtual absl::Status Apply(const JournalChange& change) = 0;
};

}  // namespace switchyard::executor
