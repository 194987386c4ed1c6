#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "services/verification/verification_convert.h"
#include "services/verification/verification_meter.h"
#include "services/verification/verification_ports.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

struct VerifierOptions {
  // Most reports of one batch.
  int in_flight = 64;
  // The longest that something unfinished is left alone.
  absl::Duration sweep = absl::Seconds(5);
};

// Takes reports to their verdicts: read, decided by the rules, stored, told to the task queue, marked as told. Whoever
// dies on the way leaves what is stored; the next life or another replica tells it as it stands and decides nothing
// anew, so a verdict counts once. Thread-safe; Tick and Sweep each on one thread at a time.
class Verifier {
 public:
  struct Deps {
    VerificationStore& store;
    QueuePort& queue;
    const Clock& clock;
    VerificationMeter& meter;
    // There is something for Tick, and for Sweep. Must not block.
    std::function<void()> wake_tick;
    std::function<void()> wake_sweep;
  };
  Verifier(Deps deps, VerifierOptions options) : deps_(std::move(deps)), options_(options) {}

  // These await a verdict, as far as the task queue told. Does not block; what finds no room is heard of again.
  void Hear(absl::Span<const WorkKey> keys);
  // Decides what was heard. What it could not decide for now is tried again by the next call, and keeps nothing else
  // back.
  absl::Status Tick();
  // Looks after what is unfinished: judges, and verdicts that were not told. Whether to come again soon.
  absl::StatusOr<bool> Sweep();

  static constexpr std::size_t kMostPending = 10'000;
  static constexpr std::size_t kMostJudging = 50'000;
  // How often what a judge is at work on is asked about at first.
  static constexpr absl::Duration kFirstLook = absl::Milliseconds(250);

 private:
  using ReadVerifying = task_queue::v1::ReadVerifyingResponse;

  std::vector<WorkKey> TakeSome();
  void SetJudging(const WorkKey& key, bool judging);
  void PutBack(const std::vector<WorkKey>& keys);
  // Adds to `again` those that another time may do for.
  absl::Status DecideSome(const std::vector<WorkKey>& keys, std::vector<WorkKey>& again);
  Record Decide(const WorkKey& key, const ReadVerifying& read, const std::vector<Policy>& policies);
  // One at a time when together they cannot be stored.
  absl::StatusOr<std::vector<KeptRecord>> Add(const std::vector<Record>& records);
  absl::Status Tell(const std::vector<Record>& records);
  // What became of a verdict that the task queue would not take; nothing when that is not known yet.
  std::optional<RecordState> Settle(const Record& record);

  // A judge's end.
  struct Judged {
    Record record;
    // Final; absent: `message` says why there is no answer.
    std::optional<task_queue::v1::Task> judge;
    std::string message;
  };
  absl::Status Judge(const std::vector<Record>& records);
  absl::Status Supersede(const std::vector<Finish>& finishes);
  absl::Status Submit(const std::vector<Record>& records, std::vector<Judged>& judged);
  absl::Status Look(const std::vector<Record>& records, std::vector<Judged>& judged);
  static Judgement WeighTask(const task_queue::v1::Task& judge, const std::string& author_agent,
                             const std::vector<std::string>& families, const Policy& policy);
  absl::Status Close(const std::vector<Judged>& judged);

  const Deps deps_;
  const VerifierOptions options_;
  mutable Mutex mutex_;
  std::deque<WorkKey> pending_ ABSL_GUARDED_BY(mutex_);
  std::set<WorkKey> waiting_ ABSL_GUARDED_BY(mutex_);
  // What a judge is at work on, as far as this process knows: heard of again and again, and left to Sweep.
  std::set<WorkKey> judging_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::verification
