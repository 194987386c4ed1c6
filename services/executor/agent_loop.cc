#include "services/executor/agent_loop.h"

#include <utility>

#include "services/executor/agent_loop_state.h"

namespace switchyard::executor {

AgentLoop::AgentLoop(AgentLoopOptions options, Deps deps)
    : state_(std::make_unique<State>(std::move(options), std::move(deps))) {}

AgentLoop::~AgentLoop() {
  Stop();
  if (state_->thread.joinable()) state_->thread.join();
}

absl::Status AgentLoop::Start() { return state_->Start(); }

void AgentLoop::Drain() {
  state_->Post([state = state_.get()] { state->BeginDrain(); });
}

void AgentLoop::Stop() {
  state_->Post([state = state_.get()] { state->stop_now = true; });
}

LoopExit AgentLoop::Wait(std::string* advice) {
  while (!WaitFor(absl::Hours(1))) {
  }
  MutexLock lock(state_->mutex);
  if (advice != nullptr) *advice = state_->advice;
  return state_->exit;
}

bool AgentLoop::WaitFor(absl::Duration timeout) {
  MutexLock lock(state_->mutex);
  if (!state_->over) state_->ended.WaitFor(state_->mutex, timeout);
  return state_->over;
}

AgentStatus AgentLoop::status() const {
  MutexLock lock(state_->mutex);
  return state_->status;
}

void AgentLoop::SetObserver(std::function<void(const AgentStatus&)> observer) {
  state_->observer = std::move(observer);
}

void AgentLoop::Wake() {
  state_->Post([] {});
}

}  // namespace switchyard::executor
