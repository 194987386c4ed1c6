// Brings a task's commits to where they came from: one branch, one pull request, however often it is begun anew.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/forge/forge.h"
#include "services/executor/backend.h"
#include "services/executor/delivery/story.h"

namespace switchyard::executor::delivery {

// The task's branch at its remote; made by whoever has the worktree. Thread-safe.
class Pusher {
 public:
  virtual ~Pusher() = default;
  // Sends `commit` to `branch` of the remote and comes back at once; `done` is called exactly once, on any thread,
  // perhaps before this returns. Again is harmless: OK when the branch is at that commit already. Never the base
  // branch.
  //   FAILED_PRECONDITION, reason PUSH_REJECTED: the remote has what the commit has not, or a rule of its own;
  //   UNAVAILABLE: no way there now; PERMISSION_DENIED: the credential is refused.
  virtual void Push(const std::string& branch, const std::string& commit, std::function<void(absl::Status)> done) = 0;
};

struct DeliveryRequest {
  std::string task_id;
  std::int64_t generation = 0;
  // `push` alone, or with `pull_request`; neither: done at once.
  bool push = false;
  bool pull_request = false;
  bool draft = false;
  // "agent/<task-id>", never the base branch.
  std::string branch;
  // The branch that changes are for, as the worktree found it; not empty with `pull_request`.
  std::string base_branch;
  // In full. The two being equal is NOTHING_TO_DELIVER.
  std::string base_commit;
  std::string head_commit;
  // Commits that the base has and the branch has not, as git counted them lately; for when the forge does not say.
  std::optional<std::int64_t> base_behind;
  Story story;
};

struct DeliveryLimits {
  // For a confirmation, each time; asked again when the answer was that nobody knows.
  absl::Duration confirmation_patience = absl::Minutes(2);
  absl::Duration ask_again = absl::Seconds(10);
  // An older confirmation is asked for anew before the forge is told to change anything.
  absl::Duration confirmation_holds = absl::Seconds(5);
  // Attempts at each step that may be made again.
  int attempts = 5;
  // Longest wait between two of them, whatever a forge asks for.
  absl::Duration longest_wait = absl::Minutes(2);
  // Of everything.
  absl::Duration time = absl::Minutes(15);
};

struct DeliveredPullRequest {
  std::string url;
  std::int64_t number = 0;
  // It was there before, from an earlier attempt.
  bool found = false;
  // Commits that the base branch has and the branch has not. Absent: nobody could say.
  std::optional<std::int64_t> base_behind;
};

struct DeliveryResult {
  // OK: all that was asked for is done. Otherwise its reason is that of the attempt's failure; see FailureOf.
  absl::Status status;
  // Also when `status` is not OK.
  bool pushed = false;
  std::optional<DeliveredPullRequest> pull_request;
};

// How a failed delivery ends the attempt.
struct DeliveryFailure {
  Outcome outcome = Outcome::kFailed;
  // May go better: PUSH_REJECTED (a later attempt goes on from what the remote has), PUSH_FAILED, FORGE_UNAVAILABLE,
  // FORGE_RATE_LIMITED, FORGE_MALFORMED, NOT_CONFIRMED, DELIVERY_TIMEOUT, NOTHING_TO_DELIVER, FORGE_NOT_CONFIGURED and
  // SECRET_UNREADABLE (elsewhere). Permanent: FORGE_UNAUTHORIZED, REMOTE_UNAUTHORIZED, FORGE_REFUSED, FORGE_NOT_FOUND,
  // FORGE_REDIRECTED, PULL_REQUEST_CLOSED (by a person, whose word stands). kCancelled: STALE_GENERATION, CANCELLED.
  std::string reason;
  std::string message;
  bool permanent = false;
};
// Of a status that is not OK.
DeliveryFailure FailureOf(const absl::Status& status);

// Called one at a time, on whatever thread things happened, with none of the delivery's locks held: they may call into
// the delivery, and whoever calls the delivery holds no lock that these take. Not touched after OnDelivered, nor is the
// pusher.
class DeliveryEvents {
 public:
  virtual ~DeliveryEvents() = default;
  // To be passed on to BackendSink::OnConfirmationWanted; its answer goes to Delivery::OnConfirmation.
  virtual void OnConfirmationWanted() = 0;
  // For people: what it is at; at most 1 KiB.
  virtual void OnProgress(std::string message) = 0;
  // Exactly once, and nothing after it.
  virtual void OnDelivered(DeliveryResult result) = 0;
};

// What a delivery borrows; all of it lives until OnDelivered, forge and clock until the forge's transport has stopped.
struct DeliveryDeps {
  Pusher& pusher;
  // As ForgeDirectory::Find has it, looked up before the work began; null with `pull_request` is FORGE_NOT_CONFIGURED.
  forge::Forge* forge = nullptr;
  forge::RepositoryName repository;
  const Clock& clock;
  Rng& rng;
  DeliveryEvents& events;
};

// Confirm, push, confirm, find the pull request or open it, look how far the base went on. Killed between any two of
// these and begun anew with the same request, it makes neither a second branch nor a second pull request. Thread-safe.
class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  // The end may come before it returns.
  static std::shared_ptr<Delivery> Start(DeliveryRequest request, DeliveryDeps deps, DeliveryLimits limits = {});

  // Unasked and late answers are ignored.
  void OnConfirmation(Confirmation confirmation);
  // At least every second.
  void Tick();
  // Ends it at once, as CANCELLED; what is on its way to the remote may still arrive there.
  void Cancel();
  bool ended() const;

 private:
  enum class Stage {
    kBeforePush,
    kPushing,
    kBeforePullRequest,
    kFinding,
    kBeforeOpening,
    kOpening,
    kBeforeUpdating,
    kUpdating,
    kComparing,
    kEnded,
  };
  using Action = std::function<void()>;

  Delivery(DeliveryRequest request, DeliveryDeps deps, DeliveryLimits limits);

  // What a confirmation is asked for, and nothing else.
  static std::optional<Stage> Confirmed(Stage stage);
  bool ConfirmedLately() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // What is done without the lock, one at a time and in order, by whichever thread comes first.
  void Do(Action action) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RunActions() ABSL_LOCKS_EXCLUDED(mutex_);
  void Say(std::string message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // With a fresh count of attempts.
  void Advance(Stage stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Enter(Stage stage) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Asks the pusher or the forge, as the stage has it.
  void Act() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // `stage` after a wait, if another attempt is left and the forge does not ask for more than is waited; false
  // otherwise.
  bool Retry(Stage stage, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RetryOrEnd(Stage stage, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void End(absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void AfterPush(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterFind(absl::StatusOr<std::optional<forge::PullRequest>> found) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Found(const forge::PullRequest& pull) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterOpen(const absl::StatusOr<forge::PullRequest>& opened) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterUpdate(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AfterCompare(const absl::StatusOr<forge::Comparison>& comparison) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // What to be called with the answer to what is asked now: `handler`, unless things have moved on.
  template <class Answer>
  std::function<void(Answer)> ForAnswer(void (Delivery::*handler)(Answer)) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const DeliveryRequest request_;
  const DeliveryDeps deps_;
  const DeliveryLimits limits_;
  const std::string body_;
  const absl::Time begun_;

  mutable Mutex mutex_;
  Stage stage_ ABSL_GUARDED_BY(mutex_) = Stage::kBeforePush;
  // Counts what was asked of others, so that late answers are known as such.
  std::int64_t step_ ABSL_GUARDED_BY(mutex_) = 0;
  // Failed ones.
  int attempts_ ABSL_GUARDED_BY(mutex_) = 0;
  // When the stage is entered again; never while an answer is awaited.
  absl::Time act_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  // Of a confirmation.
  absl::Time give_up_at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  absl::Time confirmed_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  // A try at opening may have gone through: what is found then is this delivery's own.
  bool opened_perhaps_ ABSL_GUARDED_BY(mutex_) = false;
  std::string body_wanted_ ABSL_GUARDED_BY(mutex_);
  DeliveryResult result_ ABSL_GUARDED_BY(mutex_);
  std::deque<Action> actions_ ABSL_GUARDED_BY(mutex_);
  bool acting_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::executor::delivery
