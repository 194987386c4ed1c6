#include "services/agent_hub/agent_life.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::agent_hub {
namespace {

AgentState Occupation(const AgentFacts& facts) {
  const auto count = [&](HeldState state) { return facts.held[static_cast<int>(state)]; };
  const int blocked = count(HeldState::kBlocked);
  const int verifying = count(HeldState::kVerifying);
  const int live = blocked + verifying + count(HeldState::kRunning);
  if (live == 0) return count(HeldState::kAssigned) > 0 ? AgentState::kAssigned : AgentState::kIdle;
  if (blocked == live) return AgentState::kBlocked;
  if (verifying == live) return AgentState::kVerifying;
  return AgentState::kWorking;
}

bool IsOrdinary(AgentState state) {
  return state == AgentState::kIdle || state == AgentState::kAssigned || state == AgentState::kWorking;
}

std::string By(const Mark& mark) {
  return mark.reason.empty() ? absl::StrCat("by ", mark.set_by) : absl::StrCat(mark.reason, " (", mark.set_by, ")");
}

}  // namespace

AgentView Derive(const AgentFacts& facts) {
  if (!facts.connected) {
    return {facts.in_grace ? AgentState::kUnresponsive : AgentState::kOffline, "NOT_CONNECTED", "no stream"};
  }
  if (facts.heartbeat_overdue) {
    return {AgentState::kUnresponsive, "HEARTBEAT_OVERDUE", "no heartbeat for two intervals"};
  }
  if (facts.quarantine.has_value()) return {AgentState::kQuarantined, "QUARANTINED", By(*facts.quarantine)};
  if (facts.drain.has_value()) return {AgentState::kDraining, "DRAINING", By(*facts.drain)};
  if (facts.leaving) return {AgentState::kDraining, "DRAINING", "it leaves when its tasks are done"};
  if (facts.breaker_open_until.has_value()) {
    return {AgentState::kDegraded, "BREAKER_OPEN", facts.last_failure};
  }
  if (!facts.failed_self_test.empty()) return {AgentState::kDegraded, "SELF_TEST_FAILED", facts.failed_self_test};
  if (facts.accept_overdue) {
    return {AgentState::kDegraded, "ACCEPT_OVERDUE", "it did not answer an assignment in time"};
  }
  if (facts.probe.state != ProbeState::kPassed) {
    return {AgentState::kConnecting, "PROBE_PENDING",
            facts.probe.state == ProbeState::kFailed ? facts.probe.message : "its probe task has not come back yet"};
  }
  const AgentState state = Occupation(facts);
  if (!facts.refusing.empty()) return {state, "REFUSING", facts.refusing};
  if (facts.slots <= 0) return {state, "REFUSING", "it offers no slot"};
  return {state, "", ""};
}

bool AgentLife::Update(const AgentFacts& facts, std::string_view cause, absl::Time now) {
  AgentView view = Derive(facts);
  if (view == view_) return false;
  const bool ordinary = IsOrdinary(view.state) && IsOrdinary(view_.state) && view.unavailable == view_.unavailable &&
                        view.message == view_.message;
  if (view.state != view_.state) {
    since_ = now;
    cause_ = std::string(cause);
    if (!ordinary && !view.message.empty()) absl::StrAppend(&cause_, ": ", view.message);
    transitions_.push_back({.time = now, .from = view_.state, .to = view.state, .cause = cause_, .hub = hub_});
    if (transitions_.size() > static_cast<std::size_t>(kMaxTransitions)) transitions_.pop_front();
    new_ = std::min(new_ + 1, transitions_.size());
  }
  view_ = std::move(view);
  return !ordinary;
}

std::vector<Transition> AgentLife::TakeNew(std::size_t limit) {
  const std::size_t count = std::min(std::exchange(new_, 0), limit);
  return {transitions_.end() - static_cast<std::ptrdiff_t>(count), transitions_.end()};
}

void AgentLife::PutBack(std::size_t count) { new_ = std::min(new_ + count, transitions_.size()); }

}  // namespace switchyard::agent_hub
