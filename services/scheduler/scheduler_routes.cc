// How tasks that need a route come by one, and what is reserved for them before they are assigned.
#include <algorithm>
#include <memory>
#include <utility>

#include "libs/base/log.h"
#include "services/scheduler/scheduler.h"

namespace switchyard::scheduler {
namespace {

constexpr std::size_t kMaxOffered = 1'000;
// Before anything is reserved again.
constexpr absl::Duration kAfterFailure = absl::Seconds(1);

// Whether the ledger keeps the hold, or the task is another matter by now, of which the feed tells.
bool IsKept(const task_queue::v1::ReportResult& result) {
  return !result.has_error() || (result.error().code() != static_cast<int>(absl::StatusCode::kUnavailable) &&
                                 result.error().code() != static_cast<int>(absl::StatusCode::kResourceExhausted));
}

}  // namespace

void Scheduler::AskRoutes() {
  while (true) {
    auto tasks = std::make_shared<std::vector<TaskId>>();
    std::vector<RouteQuestion> questions;
    std::vector<std::string> offered;
    task_queue::v1::HoldTasksRequest holds;
    {
      MutexLock lock(mutex_);
      if (stopping_) return;
      for (task_queue::v1::Hold& hold : desk_.TakeHolds(clock_.Now())) *holds.add_holds() = std::move(hold);
      questions = desk_.TakeQuestions();
      if (questions.empty() && holds.holds().empty()) return;
      for (const RouteQuestion& question : questions) tasks->push_back(question.task);
      if (!questions.empty()) {
        Enter();
        if (offered_version_ != matcher_.fleet().version()) {
          offered_version_ = matcher_.fleet().version();
          offered_ = matcher_.fleet().OfferedToRoutes(kMaxOffered);
        }
        offered = offered_;
      }
      if (!holds.holds().empty()) Enter();
    }
    if (!holds.holds().empty()) HoldTasks(std::move(holds));
    if (questions.empty()) continue;
    routes_.Ask(std::move(questions), std::move(offered), [this, tasks](std::vector<Route> routes) {
      Routed(*tasks, std::move(routes));
      AskRoutes();
      Pump();
      Leave();
    });
  }
}

void Scheduler::Routed(const std::vector<TaskId>& tasks, std::vector<Route> routes) {
  static const RouteHold kUnanswered{.message = "The router gave no answer for it.", .retry_after = absl::Seconds(1)};
  const absl::Time now = clock_.Now();
  MutexLock lock(mutex_);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (i >= routes.size()) {
      desk_.Wait(tasks[i], kUnanswered, now);
    } else if (routes[i].hold.has_value()) {
      desk_.Wait(tasks[i], *routes[i].hold, now);
    } else if (const task_queue::v1::ReadyTask* const task = desk_.Routed(tasks[i]); task != nullptr) {
      AddRouted(*task, routes[i]);
      // There is no room for it in line, or it is there already: the next pass meets it again.
      if (matcher_.line().Find(tasks[i]) == nullptr) desk_.Forget(tasks[i]);
    }
  }
}

void Scheduler::HoldTasks(task_queue::v1::HoldTasksRequest request) {
  auto ids = std::make_shared<std::vector<TaskId>>();
  for (const task_queue::v1::Hold& hold : request.holds()) {
    if (const absl::StatusOr<TaskId> id = TaskId::Parse(hold.task_id()); id.ok()) ids->push_back(*id);
  }
  wires_->HoldTasks(std::move(request), options_.call_timeout,
                    [this, ids](const absl::StatusOr<task_queue::v1::HoldTasksResponse>& answer) {
                      if (!answer.ok()) LogWarning("tasks could not be held", {{"status", answer.status()}});
                      {
                        MutexLock lock(mutex_);
                        for (std::size_t i = 0; i < ids->size(); ++i) {
                          const bool kept = answer.ok() && static_cast<int>(i) < answer->results_size() &&
                                            IsKept(answer->results(static_cast<int>(i)));
                          desk_.HoldAnswered((*ids)[i], kept, clock_.Now());
                        }
                      }
                      Leave();
                    });
}

int Scheduler::ReservationsLeft(absl::Time now) const {
  if (now < reserve_after_) return 0;
  const std::int64_t credits = matcher_.fleet().free_credits() + reserving_;
  return static_cast<int>(std::max<std::int64_t>(0, (credits + 1) / 2 - reserving_));
}

void Scheduler::Reserve(std::vector<Match> batch) {
  for (std::size_t begin = 0; begin < batch.size(); begin += kMaxReservations) {
    const std::size_t end = std::min(batch.size(), begin + kMaxReservations);
    auto matches = std::make_shared<std::vector<Match>>(std::make_move_iterator(batch.begin() + begin),
                                                        std::make_move_iterator(batch.begin() + end));
    std::vector<ReserveQuestion> questions;
    {
      MutexLock lock(mutex_);
      for (const Match& match : *matches) {
        ReserveQuestion& question = questions.emplace_back();
        question.task = match.task;
        question.generation = match.generation + 1;
        question.decision = match.ticket->decision;
        question.agent_id = match.agent_id;
        const AgentFacts* const facts = matcher_.fleet().facts(match.agent);
        if (facts == nullptr) continue;
        std::copy_if(facts->capabilities.begin(), facts->capabilities.end(), std::back_inserter(question.offered),
                     IsRouteCapability);
      }
    }
    routes_.Reserve(std::move(questions), [this, matches](std::vector<Reserved> answers) {
      ReserveAnswered(std::move(*matches), std::move(answers));
      AskRoutes();
      Pump();
      Leave();
    });
  }
}

void Scheduler::ReserveAnswered(std::vector<Match> batch, std::vector<Reserved> answers) {
  static const RouteHold kUnanswered{.message = "The router did not answer whether there is a place for it.",
                                     .retry_after = absl::Seconds(1)};
  const absl::Time now = clock_.Now();
  MutexLock lock(mutex_);
  reserving_ -= static_cast<int>(batch.size());
  if (answers.empty()) reserve_after_ = now + kAfterFailure;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    Match& match = batch[i];
    const bool answered = i < answers.size() && (answers[i].hold.has_value() || answers[i].ticket != nullptr);
    if (answered && !answers[i].hold.has_value()) {
      match.ticket = std::move(answers[i].ticket);
      match.reserved = true;
      desk_.Placed(match.task);
      reserved_.push_back(std::move(match));
      continue;
    }
    matcher_.Settle(match, Settled::kGone);
    desk_.Wait(match.task, answered ? *answers[i].hold : kUnanswered, now);
  }
}

}  // namespace switchyard::scheduler
