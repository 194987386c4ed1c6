// What running work wants of the hub besides reports: another endpoint, to know that it is still current, and to be
// seen alive.
#include <utility>

#include "libs/base/log.h"
#include "services/executor/agent_convert.h"
#include "services/executor/agent_loop_state.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kWishReasonBytes = 100;
constexpr std::size_t kProgressBytes = 1'000;
// For display only: of more than these the oldest go unsaid.
constexpr std::size_t kMaxSteps = 512;

}  // namespace

void AgentLoop::Sink::OnProgress(std::string message) {
  state_.Post([&state = state_, key = key_, message = std::move(message)]() mutable {
    // Without a stream there is nobody to see it; later it would be old.
    const bool heard = state.stream != nullptr && state.stream->welcomed && state.stream->progress;
    if (heard && state.runs.contains(key)) state.progress[key] = std::move(message);
  });
}

void AgentLoop::Sink::OnStep(StepNews news) {
  state_.Post([&state = state_, key = key_, news = std::move(news)]() mutable {
    const bool heard = state.stream != nullptr && state.stream->welcomed && state.stream->progress;
    if (!heard || !state.runs.contains(key)) return;
    if (state.steps.size() >= kMaxSteps) state.steps.pop_front();
    state.steps.emplace_back(key, std::move(news));
  });
}

void AgentLoop::Sink::OnConfirmationWanted() {
  state_.Post([&state = state_, key = key_] {
    if (!state.runs.contains(key)) return;
    if (state.stream != nullptr && state.stream->welcomed && !state.stream->confirms) {
      return state.AnswerConfirm(key, Confirmation::kUnknown);
    }
    state.confirm_wishes[key] = 0;
  });
}

void AgentLoop::Sink::OnRouteQuestion(RouteQuestion question) {
  state_.Post([&state = state_, key = key_, question = std::move(question)]() mutable {
    if (!state.runs.contains(key)) return;
    if (state.stream != nullptr && state.stream->welcomed && !state.stream->route_grants) {
      return state.AnswerRoute(key, {.refusal = "NOT_OFFERED", .message = "the hub grants no routes"});
    }
    state.route_wishes[key] = {.question = std::move(question)};
  });
}

void AgentLoop::State::AnswerRoute(const TaskKey& key, RouteAnswer answer) {
  if (const auto found = runs.find(key); found != runs.end()) found->second->run->OnRouteAnswer(std::move(answer));
}

void AgentLoop::State::RenewRouteQuestions() {
  if (stream->route_grants) {
    for (auto& [key, wish] : route_wishes) wish.request = 0;
    return;
  }
  for (const auto& [key, wish] : std::exchange(route_wishes, {})) {
    AnswerRoute(key, {.refusal = "NOT_OFFERED", .message = "the hub grants no routes"});
  }
}

bool AgentLoop::State::TakeRouteRequest(agent::v1::AgentMessage& message) {
  for (auto& [key, wish] : route_wishes) {
    if (wish.request != 0) continue;
    wish.request = ++route_number;
    agent::v1::RouteRequest& request = *message.mutable_route_request();
    request.set_request(wish.request);
    request.set_task_id(key.task_id);
    request.set_generation(key.generation);
    request.set_reason(ToText(wish.question.reason, kWishReasonBytes));
    request.set_observation(wish.question.observation);
    return true;
  }
  return false;
}

void AgentLoop::State::HearRouteGrant(agent::v1::RouteGrant grant) {
  for (auto found = route_wishes.begin(); found != route_wishes.end(); ++found) {
    if (found->second.request != grant.request()) continue;
    const TaskKey key = found->first;
    route_wishes.erase(found);
    return AnswerRoute(key, {.routing = std::move(*grant.mutable_routing()),
                             .refusal = std::move(*grant.mutable_refusal()),
                             .message = std::move(*grant.mutable_message())});
  }
}

void AgentLoop::State::AnswerConfirm(const TaskKey& key, Confirmation confirmation) {
  if (const auto found = runs.find(key); found != runs.end()) found->second->run->OnConfirmation(confirmation);
}

void AgentLoop::State::RenewConfirms() {
  if (stream->confirms) {
    for (auto& [key, request] : confirm_wishes) request = 0;
    return;
  }
  for (const auto& [key, request] : std::exchange(confirm_wishes, {})) AnswerConfirm(key, Confirmation::kUnknown);
}

bool AgentLoop::State::TakeWishedConfirm(agent::v1::AgentMessage& message) {
  for (auto& [key, request] : confirm_wishes) {
    if (request != 0) continue;
    request = ++confirm_number;
    agent::v1::Confirm& confirm = *message.mutable_confirm();
    confirm.set_request(request);
    confirm.set_task_id(key.task_id);
    confirm.set_generation(key.generation);
    return true;
  }
  return false;
}

bool AgentLoop::State::HearWishedConfirm(const agent::v1::ConfirmResult& result) {
  for (auto found = confirm_wishes.begin(); found != confirm_wishes.end(); ++found) {
    if (found->second != result.request()) continue;
    const TaskKey key = found->first;
    confirm_wishes.erase(found);
    AnswerConfirm(key, ToConfirmation(result));
    return true;
  }
  return false;
}

bool AgentLoop::State::TakeProgress(agent::v1::AgentMessage& message) {
  const auto room = [&] { return static_cast<std::size_t>(message.reports().reports_size()) < stream->max_reports; };
  const auto add = [&message](const TaskKey& key) -> agent::v1::Report& {
    agent::v1::Report& report = *message.mutable_reports()->add_reports();
    report.set_task_id(key.task_id);
    report.set_generation(key.generation);
    return report;
  };
  if (progress.empty() && steps.empty()) return false;
  while (!steps.empty() && room()) {
    const auto& [key, news] = steps.front();
    agent::v1::VerificationUpdate& update = *add(key).mutable_verification();
    update.set_step(news.step);
    update.set_passed(news.passed);
    update.set_message(ToText(news.message, kProgressBytes));
    steps.pop_front();
  }
  while (!progress.empty() && room()) {
    const auto first = progress.begin();
    add(first->first).mutable_progress()->set_message(ToText(first->second, kProgressBytes));
    progress.erase(first);
  }
  return true;
}

}  // namespace switchyard::executor
