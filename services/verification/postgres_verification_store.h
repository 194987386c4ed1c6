#pragma once

#include <string>
#include <vector>

#include "libs/pg/pool.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

// In the schema `verification`. Thread-safe.
class PostgresVerificationStore final : public VerificationStore {
 public:
  // Borrows.
  explicit PostgresVerificationStore(pg::Pool& pool) : pool_(pool) {}

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

 private:
  pg::Pool& pool_;
};

}  // namespace switchyard::verification
