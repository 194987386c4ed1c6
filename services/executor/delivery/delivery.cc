#include "services/executor/delivery/delivery.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/unseen.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::delivery {
namespace {

using forge::PullRequest;
using forge::PullRequestState;

constexpr std::size_t kMaxProgress = 1024;
// An answer of "cannot be done" may only mean that the forge has not seen the push yet.
constexpr int kRefusals = 2;

absl::Status Failed(absl::StatusCode code, std::string_view reason, std::string_view message) {
  return MakeError(code, reason, message);
}

bool MayPushAgain(const absl::Status& status) {
  return status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
}

std::string Shown(std::string_view text) {
  const std::string shown = text::Redact(text::StripUnseen(text));
  return std::string(text::TruncateUtf8(shown, kMaxProgress));
}

}  // namespace

DeliveryFailure FailureOf(const absl::Status& status) {
  constexpr std::array<std::string_view, 5> kElsewhere = {"PUSH_REJECTED", "NOTHING_TO_DELIVER", "NOTHING_TO_PUSH",
                                                          "FORGE_NOT_CONFIGURED", "SECRET_UNREADABLE"};
  DeliveryFailure failure;
  failure.reason = ReasonOf(status);
  failure.message = Shown(ToStd(status.message()));
  if (failure.reason == "STALE_GENERATION" || status.code() == absl::StatusCode::kCancelled) {
    failure.outcome = Outcome::kCancelled;
    if (failure.reason.empty()) failure.reason = "CANCELLED";
    return failure;
  }
  if (failure.reason.empty()) failure.reason = "DELIVERY_FAILED";
  switch (status.code()) {
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      failure.permanent = std::find(kElsewhere.begin(), kElsewhere.end(), failure.reason) == kElsewhere.end();
      break;
    default:
      break;
  }
  return failure;
}

Delivery::Delivery(DeliveryRequest request, DeliveryDeps deps, DeliveryLimits limits)
    : request_(std::move(request)),
      deps_(std::move(deps)),
      limits_(limits),
      body_(PullRequestBody(request_.story, request_.task_id, request_.head_commit)),
      begun_(deps_.clock.Now()) {}

std::shared_ptr<Delivery> Delivery::Start(DeliveryRequest request, DeliveryDeps deps, DeliveryLimits limits) {
  std::shared_ptr<Delivery> delivery(new Delivery(std::move(request), std::move(deps), limits));
  {
    MutexLock lock(delivery->mutex_);
    delivery->Begin();
  }
  delivery->RunActions();
  return delivery;
}

bool Delivery::ended() const {
  MutexLock lock(mutex_);
  return stage_ == Stage::kEnded;
}

// ---- Doing.

void Delivery::Do(Action action) { actions_.push_back(std::move(action)); }

void Delivery::RunActions() {
  const std::shared_ptr<Delivery> self = shared_from_this();
  while (true) {
    Action action;
    {
      MutexLock lock(mutex_);
      if (acting_ || actions_.empty()) return;
      acting_ = true;
      action = std::move(actions_.front());
      actions_.pop_front();
    }
    action();
    MutexLock lock(mutex_);
    acting_ = false;
  }
}

void Delivery::Say(std::string message) {
  Do([this, message = Shown(message)]() mutable { deps_.events.OnProgress(std::move(message)); });
}

template <class Answer>
std::function<void(Answer)> Delivery::ForAnswer(void (Delivery::*handler)(Answer)) {
  return [self = shared_from_this(), step = step_, handler](Answer answer) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    {
      MutexLock lock(self->mutex_);
      if (self->step_ != step || self->stage_ == Stage::kEnded) return;
      // Once only.
      ++self->step_;
      ((*self).*handler)(std::move(answer));
    }
    self->RunActions();
  };
}

void Delivery::Begin() {
  if (!request_.push && !request_.pull_request) return End(absl::OkStatus());
  if (request_.branch.empty() || request_.branch == request_.base_branch) {
    return End(
        Failed(absl::StatusCode::kFailedPrecondition, "BASE_REFUSED", "work is never pushed to its base branch"));
  }
  if (request_.base_commit == request_.head_commit) {
    return End(Failed(absl::StatusCode::kFailedPrecondition, "NOTHING_TO_DELIVER", "the work changed nothing"));
  }
  if (request_.pull_request && deps_.forge == nullptr) {
    return End(Failed(absl::StatusCode::kFailedPrecondition, "FORGE_NOT_CONFIGURED",
                      "a pull request is asked for, and workspace.forges names no forge for the repository"));
  }
  Advance(Stage::kBeforePush);
}

std::optional<Delivery::Stage> Delivery::Confirmed(Stage stage) {
  switch (stage) {
    case Stage::kBeforePush:
      return Stage::kPushing;
    case Stage::kBeforePullRequest:
      return Stage::kFinding;
    case Stage::kBeforeOpening:
      return Stage::kOpening;
    case Stage::kBeforeUpdating:
      return Stage::kUpdating;
    default:
      return std::nullopt;
  }
}

bool Delivery::ConfirmedLately() const { return deps_.clock.Now() - confirmed_at_ <= limits_.confirmation_holds; }

void Delivery::Advance(Stage stage) {
  attempts_ = 0;
  Enter(stage);
}

void Delivery::Enter(Stage stage) {
  stage_ = stage;
  act_at_ = absl::InfiniteFuture();
  ++step_;
  if (Confirmed(stage).has_value()) {
    // A question that is asked again within the same wait does not make it longer.
    if (give_up_at_ == absl::InfiniteFuture()) give_up_at_ = deps_.clock.Now() + limits_.confirmation_patience;
    return Do([this] { deps_.events.OnConfirmationWanted(); });
  }
  give_up_at_ = absl::InfiniteFuture();
  Act();
}

void Delivery::Act() {
  forge::Forge* const forge = deps_.forge;
  switch (stage_) {
    case Stage::kPushing:
      Say(absl::StrCat("pushing ", request_.branch));
      return Do([this, done = ForAnswer<const absl::Status&>(&Delivery::AfterPush)] {
        deps_.pusher.Push(request_.branch, request_.head_commit, done);
      });
    case Stage::kFinding:
      return Do(
          [this, forge, done = ForAnswer<absl::StatusOr<std::optional<PullRequest>>>(&Delivery::AfterFind)]() mutable {
            forge->FindPullRequest(deps_.repository, request_.branch, std::move(done));
          });
    case Stage::kOpening: {
      Say(absl::StrCat("opening a pull request from ", request_.branch));
      forge::NewPullRequest wanted{.title = PullRequestTitle(request_.story, request_.task_id),
                                   .body = body_,
                                   .head_branch = request_.branch,
                                   .base_branch = request_.base_branch,
                                   .draft = request_.draft};
      return Do([this, forge, wanted = std::move(wanted),
                 done = ForAnswer<const absl::StatusOr<PullRequest>&>(&Delivery::AfterOpen)]() mutable {
        forge->OpenPullRequest(deps_.repository, wanted, std::move(done));
      });
    }
    case Stage::kUpdating:
      return Do([this, forge, number = result_.pull_request->number, body = body_wanted_,
                 done = ForAnswer<const absl::Status&>(&Delivery::AfterUpdate)]() mutable {
        forge->SetBody(
            deps_.repository, number, body,
            [done = std::move(done)](const absl::StatusOr<PullRequest>& updated) { done(updated.status()); });
      });
    case Stage::kComparing:
      return Do(
          [this, forge, done = ForAnswer<const absl::StatusOr<forge::Comparison>&>(&Delivery::AfterCompare)]() mutable {
            forge->CompareBranches(deps_.repository, request_.base_branch, request_.head_commit, std::move(done));
          });
    default:
      return;
  }
}

bool Delivery::Retry(Stage stage, const absl::Status& status) {
  if (++attempts_ >= limits_.attempts) return false;
  const absl::Duration delay = forge::RetryDelay(status, attempts_, deps_.rng);
  if (delay > limits_.longest_wait) return false;
  Say(absl::StrCat(ReasonOf(status), ": ", status.message(), "; again in ", absl::FormatDuration(delay)));
  stage_ = stage;
  ++step_;
  give_up_at_ = absl::InfiniteFuture();
  act_at_ = deps_.clock.Now() + delay;
  return true;
}

void Delivery::RetryOrEnd(Stage stage, const absl::Status& status) {
  if (!Retry(stage, status)) End(status);
}

void Delivery::End(absl::Status status) {
  if (stage_ == Stage::kEnded) return;
  stage_ = Stage::kEnded;
  ++step_;
  result_.status = std::move(status);
  actions_.clear();
  Do([this, result = result_]() mutable { deps_.events.OnDelivered(std::move(result)); });
}

// ---- What comes from outside.

void Delivery::OnConfirmation(Confirmation confirmation) {
  {
    MutexLock lock(mutex_);
    const std::optional<Stage> next = Confirmed(stage_);
    // It is not asked while it waits to ask again.
    if (!next.has_value() || act_at_ != absl::InfiniteFuture()) return;
    switch (confirmation) {
      case Confirmation::kCurrent:
        confirmed_at_ = deps_.clock.Now();
        Enter(*next);
        break;
      case Confirmation::kStale:
        End(Failed(absl::StatusCode::kAborted, "STALE_GENERATION", "the task was given to someone else meanwhile"));
        break;
      case Confirmation::kUnknown:
        act_at_ = deps_.clock.Now() + limits_.ask_again;
        break;
    }
  }
  RunActions();
}

void Delivery::Tick() {
  {
    MutexLock lock(mutex_);
    const absl::Time now = deps_.clock.Now();
    if (stage_ == Stage::kEnded) return;
    if (now >= begun_ + limits_.time) {
      End(Failed(absl::StatusCode::kDeadlineExceeded, "DELIVERY_TIMEOUT",
                 absl::StrCat("not delivered within ", absl::FormatDuration(limits_.time))));
    } else if (now >= give_up_at_) {
      End(Failed(absl::StatusCode::kUnavailable, "NOT_CONFIRMED",
                 "nobody could be asked whether the work is still this executor's"));
    } else if (now >= act_at_) {
      Enter(stage_);
    }
  }
  RunActions();
}

void Delivery::Cancel() {
  {
    MutexLock lock(mutex_);
    End(Failed(absl::StatusCode::kCancelled, "CANCELLED", "cancelled"));
  }
  RunActions();
}

// ---- Answers.

void Delivery::AfterPush(const absl::Status& status) {
  if (!status.ok()) {
    // Each push is confirmed anew.
    return MayPushAgain(status) ? RetryOrEnd(Stage::kBeforePush, status) : End(status);
  }
  result_.pushed = true;
  if (!request_.pull_request) return End(absl::OkStatus());
  Advance(Stage::kBeforePullRequest);
}

void Delivery::AfterFind(absl::StatusOr<std::optional<PullRequest>> found) {
  if (!found.ok()) {
    return forge::MayRetry(found.status()) ? RetryOrEnd(Stage::kBeforePullRequest, found.status())
                                           : End(found.status());
  }
  if (!found->has_value()) return Enter(ConfirmedLately() ? Stage::kOpening : Stage::kBeforeOpening);
  Found(**found);
}

void Delivery::Found(const PullRequest& pull) {
  result_.pull_request = {.url = pull.url, .number = pull.number, .found = !opened_perhaps_, .base_behind = {}};
  const std::string name = absl::StrCat("pull request ", pull.number, " of this task");
  if (pull.state == PullRequestState::kClosed) {
    return End(Failed(absl::StatusCode::kFailedPrecondition, "PULL_REQUEST_CLOSED",
                      absl::StrCat(name, " was closed, and no second one is opened")));
  }
  if (pull.state == PullRequestState::kMerged) {
    if (pull.head_commit == request_.head_commit) return Advance(Stage::kComparing);
    return End(Failed(absl::StatusCode::kFailedPrecondition, "PULL_REQUEST_CLOSED",
                      absl::StrCat(name, " was merged already; what came after is on the branch alone")));
  }
  body_wanted_ = ReplaceStory(pull.body, body_);
  if (body_wanted_ == pull.body) return Advance(Stage::kComparing);
  Enter(ConfirmedLately() ? Stage::kUpdating : Stage::kBeforeUpdating);
}

void Delivery::AfterOpen(const absl::StatusOr<PullRequest>& opened) {
  if (opened.ok()) {
    result_.pull_request = {.url = opened->url, .number = opened->number, .found = false, .base_behind = {}};
    LogInfo("opened a pull request", {{"task", request_.task_id}, {"url", opened->url}});
    return Advance(Stage::kComparing);
  }
  const absl::Status& status = opened.status();
  const std::string reason = ReasonOf(status);
  // It may be there although no answer came, or there although the list does not show it yet: only a look tells.
  if (status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDataLoss) {
    opened_perhaps_ = true;
    return RetryOrEnd(Stage::kBeforePullRequest, status);
  }
  if (forge::MayRetry(status) || reason == "FORGE_ALREADY_EXISTS") {
    return RetryOrEnd(Stage::kBeforePullRequest, status);
  }
  if (reason == "FORGE_REFUSED" && attempts_ < kRefusals) return RetryOrEnd(Stage::kBeforePullRequest, status);
  End(status);
}

void Delivery::AfterUpdate(const absl::Status& status) {
  if (status.ok()) return Advance(Stage::kComparing);
  return forge::MayRetry(status) ? RetryOrEnd(Stage::kBeforePullRequest, status) : End(status);
}

void Delivery::AfterCompare(const absl::StatusOr<forge::Comparison>& comparison) {
  if (!comparison.ok()) {
    if (forge::MayRetry(comparison.status()) && Retry(Stage::kComparing, comparison.status())) return;
    // The pull request stands; how fresh its base is, is asked again before it is merged.
    LogWarning("a forge did not say how far the base went on",
               {{"task", request_.task_id}, {"status", comparison.status()}});
    result_.pull_request->base_behind = request_.base_behind;
    return End(absl::OkStatus());
  }
  result_.pull_request->base_behind = comparison->behind;
  End(absl::OkStatus());
}

}  // namespace switchyard::executor::delivery
