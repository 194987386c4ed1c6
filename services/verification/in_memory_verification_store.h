#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

// For tests. Thread-safe.
class InMemoryVerificationStore final : public VerificationStore {
 public:
  absl::StatusOr<std::vector<KeptRecord>> Add(absl::Span<const Record> records, absl::Time look_after) override;
  absl::StatusOr<std::vector<KeptRecord>> Decide(absl::Span<const Record> records, absl::Time look_after) override;
  absl::Status SetJudgeTask(const WorkKey& key, const TaskId& judge) override;
  absl::Status End(absl::Span<const Finish> finishes) override;
  absl::StatusOr<std::vector<Record>> Claim(absl::Time now, absl::Duration least, absl::Duration most,
                                            int limit) override;
  absl::StatusOr<Backlog> CountUnfinished() override;
  absl::StatusOr<FoundRecord> Find(const TaskId& task, std::int64_t generation) override;
  absl::StatusOr<std::vector<FoundRecord>> List(const RecordQuery& query) override;
  absl::StatusOr<StoredPolicy> SetPolicy(const StoredPolicy& policy, std::size_t most, std::string_view by) override;
  absl::Status RemovePolicy(std::string_view project, Tier tier) override;
  absl::StatusOr<std::vector<StoredPolicy>> ListPolicies() override;
  absl::StatusOr<std::vector<Record>> ListWatched(const TaskId& after, absl::Time since, int limit) override;
  absl::Status AddMark(const TaskId& task, const Mark& mark) override;
  absl::StatusOr<std::vector<CalibrationGroup>> Calibrate(std::string_view project, absl::Time since) override;
  absl::StatusOr<int> Forget(absl::Time before, int limit) override;

  // From now on every call fails with UNAVAILABLE, DATABASE_UNAVAILABLE; or works again.
  void SetAway(bool away);

 private:
  struct Row {
    Record record;
    absl::Time look_after;
  };
  using PolicyKey = std::pair<std::string, Tier>;

  absl::Status Available() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Mark> MarksOf(const TaskId& task) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsNewest(const WorkKey& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<WorkKey, Row> rows_ ABSL_GUARDED_BY(mutex_);
  std::map<TaskId, std::vector<Mark>> marks_ ABSL_GUARDED_BY(mutex_);
  std::map<PolicyKey, StoredPolicy> policies_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::verification
