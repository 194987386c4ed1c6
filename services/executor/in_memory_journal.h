#pragma once

#include <map>

#include "services/executor/journal.h"

namespace switchyard::executor {

// Survives nothing by itself: simulations keep it where their process dies. Fails on demand. Not thread-safe.
class InMemoryJournal final : public Journal {
 public:
  absl::StatusOr<JournalContent> Load() override;
  absl::Status Apply(const JournalChange& change) override;

  // What Apply answers from now on.
  void FailWith(absl::Status status) { failure_ = std::move(status); }

 private:
  absl::Status failure_;
  std::map<TaskKey, JournalledWork> work_;
  std::map<std::int64_t, Report> reports_;
  std::int64_t next_number_ = 1;
};

}  // namespace switchyard::executor
