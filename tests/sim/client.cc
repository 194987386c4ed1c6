#include "tests/sim/client.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "services/task_queue/spec_convert.h"

namespace switchyard::sim {
namespace tq = task_queue;
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(3);

bool IsSilence(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
}

}  // namespace

Client::Client(World& world, Network& network, int index, std::vector<LedgerProcess*> ledgers, ObservedStore& store,
               Acknowledged acknowledged)
    : Process(world, "client", index),
      network_(network),
      ledger_(std::move(ledgers), 0),
      rng_(Mix(world.seed(), 77)),
      acknowledged_(std::move(acknowledged)) {
  store.OnChange([this](const Change& change) { See(change); });
}

void Client::Want(Wish wish) {
  const std::string request = absl::StrCat("request-", ++wanted_);
  world_.After(wish.at, this, [this, request, wish = std::move(wish)] { Submit(request, wish); });
}

void Client::Submit(const std::string& request, const Wish& wish) {
  tq::v1::TaskSpec spec = wish.spec;
  tq::Submission submission;
  submission.task.content_hash = tq::ContentHash(spec);
  tq::ApplyDefaults(&spec);
  tq::FillFromSpec(spec, &submission.task);
  submission.task.record.principal = "client";
  submission.task.request_id = request;
  submission.start_time = tq::StartTimeOf(spec);
  LedgerProcess& ledger = ledger_.Get();
  network_.Call<tq::TaskId>(
      *this, ledger, kTimeout, [&ledger, submission] { return ledger.Submit(submission); },
      [this, request, wish](const absl::StatusOr<tq::TaskId>& id) {
        if (!id.ok()) {
          ledger_.Heard(id.status());
          world_.After(absl::Milliseconds(300), this, [this, request, wish] { Submit(request, wish); });
          return;
        }
        acknowledged_(*id, request);
        tasks_[request] = *id;
        if (wish.may_wait_for_ever) may_wait_.insert(*id);
        if (wish.cancel_after == absl::InfiniteDuration()) return;
        world_.After(wish.cancel_after, this,
                     [this, id = *id] { Repeat({.id = id, .what = tq::Cancel{.reason = "changed its mind"}}, 0); });
      });
}

void Client::Repeat(const tq::Command& command, int tries) {
  LedgerProcess& ledger = ledger_.Get();
  network_.Call<tq::TaskState>(
      *this, ledger, kTimeout, [&ledger, command] { return ledger.Execute(command); },
      [this, command, tries](const absl::StatusOr<tq::TaskState>& state) {
        if (state.ok() || !IsSilence(state.status())) return;
        ledger_.Heard(state.status());
        world_.After(absl::Milliseconds(300), this, [this, command, tries] { Repeat(command, tries + 1); });
      });
}

void Client::See(const Change& change) {
  const tq::TaskRecord& task = *change.after;
  const bool verifying = task.state == tq::TaskState::kVerifying &&
                         (change.before == nullptr || change.before->state != tq::TaskState::kVerifying);
  if (verifying) {
    const std::uint64_t draw = rng_.Below(10);
    const tq::Verdict verdict = draw < 7   ? tq::Verdict::kSucceeded
                                : draw < 9 ? tq::Verdict::kFailed
                                           : tq::Verdict::kPartial;
    world_.After(absl::Milliseconds(100 + rng_.Below(3000)), this,
                 [this, id = task.id, generation = task.generation, verdict] {
                   Repeat({.id = id, .what = tq::Conclude{.generation = generation, .verdict = verdict}}, 0);
                 });
  }
  const bool asked =
      task.phase == tq::Phase::kBlocked && (change.before == nullptr || change.before->phase != tq::Phase::kBlocked ||
                                            change.before->generation != task.generation);
  if (asked) {
    world_.After(absl::Milliseconds(100 + rng_.Below(3000)), this,
                 [this, id = task.id] { Repeat({.id = id, .what = tq::Answer{.answer = "yes"}}, 0); });
  }
}

}  // namespace switchyard::sim
