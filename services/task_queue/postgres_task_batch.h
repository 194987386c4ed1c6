#pragma once

#include <string>
#include <vector>

#include "libs/pg/connection.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// The writes of one open transaction. See TaskBatch.
class PostgresTaskBatch final : public TaskBatch {
 public:
  // How request ids are claimed. kFresh is cheaper, but fails with ALREADY_EXISTS, and the transaction with it, when
  // one of several is known: then run it again with kAny.
  enum class Claims { kAny, kFresh };

  // Borrows the session, which is inside a transaction.
  explicit PostgresTaskBatch(pg::Session& session, Claims claims = Claims::kAny) : session_(session), claims_(claims) {}

  absl::StatusOr<std::vector<InsertOutcome>> Insert(absl::Span<const NewTask> tasks, absl::Time now) override;
  absl::StatusOr<std::vector<std::optional<TaskRecord>>> Load(absl::Span<const TaskId> ids) override;
  absl::StatusOr<std::vector<MoveOutcome>> Apply(absl::Span<const Move> moves, absl::Time now) override;
  absl::StatusOr<std::vector<GivenSpec>> LoadSpecs(absl::Span<const TaskId> ids) override;
  absl::StatusOr<std::vector<Standing>> Standings(absl::Span<const TaskId> ids) override;

 private:
  // Which of the request ids are new; the others are told apart into repeated and reused.
  absl::Status ClaimRequests(absl::Span<const NewTask> tasks, std::vector<InsertOutcome>& outcomes);
  // Deletes, or updates in place, the rows that are as they were read; marks them applied.
  absl::Status Remove(absl::Span<const Move> moves, Stage from, std::vector<MoveOutcome>& outcomes);
  absl::Status UpdateRunning(absl::Span<const Move> moves, std::vector<MoveOutcome>& outcomes);
  // Why guarded moves did not apply.
  absl::Status ExplainRefusals(absl::Span<const Move> moves, std::vector<MoveOutcome>& outcomes);

  pg::Session& session_;
  const Claims claims_;
};

}  // namespace switchyard::task_queue
