#include "services/task_queue/group_commit_lanes.h"

#include <utility>
#include <variant>
#include <vector>

#include "absl/hash/hash.h"
#include "libs/base/status.h"
#include "services/task_queue/postgres_task_batch.h"

namespace switchyard::task_queue {
namespace {

std::uint64_t KeyOf(const Submission& submission) {
  if (submission.task.request_id.empty()) return 0;
  return absl::HashOf(submission.task.record.principal, submission.task.request_id) | 1;
}

std::uint64_t KeyOf(const Command& command) { return absl::HashOf(command.id) | 1; }

}  // namespace

// What operators see of a lane.
class GroupCommitLanes::Meter final : public pg::GroupCommitObserver {
 public:
  Meter(telemetry::Metrics& metrics, const std::string& lane)
      : batch_(metrics
                   .Histograms("switchyard_task_queue_batch_size", "Operations in one commit.", {"lane"},
                               telemetry::CountBuckets())
                   .With({lane})),
        took_(metrics
                  .Histograms("switchyard_task_queue_batch_seconds", "From the begin of a batch to its commit.",
                              {"lane"}, telemetry::LatencyBuckets())
                  .With({lane})),
        queued_(metrics.Gauges("switchyard_task_queue_lane_queued", "Operations that wait for a commit.", {"lane"})
                    .With({lane})),
        failed_(
            metrics.Counters("switchyard_task_queue_batch_failures_total", "Batches that were not committed.", {"lane"})
                .With({lane})) {}

  void OnFlush(std::size_t batch, absl::Duration took, const absl::Status& status, std::size_t queued) override {
    batch_.Observe(static_cast<double>(batch));
    took_.Observe(took);
    queued_.Set(static_cast<double>(queued));
    if (!status.ok()) failed_.Add();
  }

 private:
  telemetry::Histogram& batch_;
  telemetry::Histogram& took_;
  telemetry::Gauge& queued_;
  telemetry::Counter& failed_;
};

GroupCommitLanes::GroupCommitLanes(const pg::GroupCommitOptions& options, const pg::ConnectOptions& connect, Deps deps)
    : deps_(std::move(deps)) {
  static constexpr std::array<const char*, kKinds + 1> kNames = {"assign", "report", "control", "submit"};
  for (int i = 0; i <= kKinds; ++i) meters_[i] = std::make_unique<Meter>(deps_.metrics, kNames[i]);
  submit_ = std::make_unique<SubmitCommit>(
      "submit", options, connect,
      [this](pg::Session& session, absl::Span<Submission> ops, absl::Span<Outcome<Submitted>> outcomes) {
        PostgresTaskBatch batch(session, expected_.Next());
        std::vector<absl::StatusOr<Submitted>> answers(ops.size(), absl::InternalError("not executed"));
        const absl::Status status = deps_.queue.Submit(batch, ops, absl::MakeSpan(answers));
        expected_.Learn(status);
        for (std::size_t i = 0; i < ops.size(); ++i) outcomes[i].result = std::move(answers[i]);
        outcomes.back().last = true;
        return status;
      },
      [](const Submission& submission) { return KeyOf(submission); }, deps_.rng, meters_[kKinds].get(), &deps_.clock);
  for (int kind = 0; kind < kKinds; ++kind) {
    commands_[kind] = std::make_unique<CommandCommit>(
        kNames[kind], options, connect,
        [this](pg::Session& session, absl::Span<Command> ops, absl::Span<Outcome<Executed>> outcomes) {
          PostgresTaskBatch batch(session);
          std::vector<absl::StatusOr<Executed>> answers(ops.size(), absl::InternalError("not executed"));
          const absl::Status status = deps_.queue.Execute(batch, ops, absl::MakeSpan(answers));
          for (std::size_t i = 0; i < ops.size(); ++i) outcomes[i].result = std::move(answers[i]);
          outcomes.back().last = true;
          return status;
        },
        [](const Command& command) { return KeyOf(command); }, deps_.rng, meters_[kind].get(), &deps_.clock);
  }
}

GroupCommitLanes::~GroupCommitLanes() { Stop(); }

void GroupCommitLanes::Start() {
  submit_->Start();
  for (auto& lane : commands_) lane->Start();
}

void GroupCommitLanes::Stop() {
  submit_->Stop();
  for (auto& lane : commands_) lane->Stop();
}

template <class Result>
void GroupCommitLanes::Conclude(Outcome<Result>& outcome) {
  if (outcome.result.ok()) {
    deps_.queue.Learn(*outcome.result);
    if (const auto& record = outcome.result->record; record != nullptr) {
      if (record->stage() == Stage::kReady) deps_.ready.Push(*record);
      if (record->stage() == Stage::kJudging) deps_.verifying.Push(record->id, record->generation);
      deps_.dependencies.Committed(*record);
    }
  }
  if (outcome.last) {
    deps_.ready.Flush();
    deps_.on_commit();
  }
}

void GroupCommitLanes::Submit(Submission submission, SubmitAnswer answer) {
  const absl::Time until = submission.wanted_until;
  submit_->Submit(
      std::move(submission),
      [this, answer = std::move(answer)](absl::StatusOr<Outcome<Submitted>> outcome) mutable {
        if (!outcome.ok()) return answer(outcome.status());
        Conclude(*outcome);
        answer(std::move(outcome->result));
      },
      until);
}

void GroupCommitLanes::Account(const absl::StatusOr<Executed>& executed) {
  if (!executed.ok()) {
    deps_.meter.Refused(executed.status());
  } else if (const auto& record = executed->record; record != nullptr) {
    deps_.meter.Changed(*record);
    if (record->stage() == Stage::kReady) deps_.store.Offered(record->id, record->rank());
  }
}

void GroupCommitLanes::Execute(Command command, ExecuteAnswer answer) {
  Kind kind = kControl;
  if (std::holds_alternative<Assign>(command.what)) kind = kAssign;
  if (std::holds_alternative<Report>(command.what)) kind = kReport;
  const absl::Time until = command.wanted_until;
  commands_[kind]->Submit(
      std::move(command),
      [this, answer = std::move(answer)](absl::StatusOr<Outcome<Executed>> outcome) mutable {
        if (!outcome.ok()) {
          Account(outcome.status());
          return answer(outcome.status());
        }
        Account(outcome->result);
        Conclude(*outcome);
        answer(std::move(outcome->result));
      },
      until);
}

}  // namespace switchyard::task_queue
