// Why a task waits, and what this scheduler holds.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "services/scheduler/scheduler.h"

namespace switchyard::scheduler {
namespace {

using task_queue::v1::DescribeTaskRequest;
using task_queue::v1::DescribeTaskResponse;

constexpr int kDefaultAgents = 20;
constexpr int kMaxAgentsShown = 200;

std::string LaneName(int lane) {
  static constexpr const char* kNames[] = {"urgent", "high", "normal", "low"};
  return lane >= 0 && lane < kLanes ? kNames[lane] : "?";
}

std::string StateText(const DescribeTaskResponse& task) {
  switch (task.state()) {
    case task_queue::v1::TASK_STATE_ASSIGNED:
      return absl::StrCat("It is assigned to agent ", task.agent_id(), ", which has not accepted it yet.");
    case task_queue::v1::TASK_STATE_RUNNING:
      return absl::StrCat("It runs on agent ", task.agent_id(), ".");
    case task_queue::v1::TASK_STATE_VERIFYING:
      return "Its work is done and waits for the verdict.";
    case task_queue::v1::TASK_STATE_DEAD_LETTER:
      return "It was given up and waits for a person in the dead letter.";
    default:
      return "It is over.";
  }
}

// "task A, task B and 3 more".
std::string AwaitedText(const DescribeTaskResponse& task) {
  constexpr int kNamed = 5;
  if (task.awaited_task_ids().empty()) return "another task";
  std::string text;
  for (int i = 0; i < std::min(task.awaited_task_ids_size(), kNamed); ++i) {
    absl::StrAppend(&text, i == 0 ? "task " : ", task ", task.awaited_task_ids(i));
  }
  const int more = task.awaited_task_ids_size() - kNamed;
  return more > 0 ? absl::StrCat(text, " and ", more, " more") : text;
}

std::pair<v1::WaitReason, std::string> HoldText(const DescribeTaskResponse& task) {
  switch (task.hold_reason()) {
    case task_queue::v1::HOLD_REASON_DELAYED:
      return {v1::WAIT_REASON_DELAYED, "Its start time has not come."};
    case task_queue::v1::HOLD_REASON_BACKOFF:
      return {v1::WAIT_REASON_BACKOFF, "Its last attempt came to nothing, and it waits before the next one."};
    case task_queue::v1::HOLD_REASON_DEPENDENCY:
      return {v1::WAIT_REASON_DEPENDENCY, absl::StrCat("It waits for ", AwaitedText(task), " to end.")};
    case task_queue::v1::HOLD_REASON_PAUSED:
      return {v1::WAIT_REASON_PAUSED, "The task itself is paused."};
    case task_queue::v1::HOLD_REASON_APPROVAL:
      return {v1::WAIT_REASON_APPROVAL, "It waits for an approval."};
    case task_queue::v1::HOLD_REASON_NO_ROUTE:
      return {v1::WAIT_REASON_NO_ROUTE, "There is no place for its model work."};
    default:
      return {v1::WAIT_REASON_NO_AGENT, "It is held back because no agent could do it."};
  }
}

// The nearest to fitting first.
int Distance(RuledOut verdict) {
  switch (verdict) {
    case RuledOut::kNot:
      return 0;
    case RuledOut::kBusy:
      return 1;
    case RuledOut::kAvoided:
      return 2;
    case RuledOut::kUnavailable:
      return 3;
    case RuledOut::kRefused:
      return 4;
    case RuledOut::kMissingFeature:
      return 5;
    case RuledOut::kMissingCapability:
      return 6;
  }
  return 7;
}

// What the agent said when it refused the task; empty when that is not known any more.
std::string RefusalText(const DescribeTaskResponse& task, const std::string& agent_id) {
  for (const task_queue::v1::Refusal& refusal : task.refusals()) {
    if (refusal.agent_id() != agent_id || refusal.reason().empty()) continue;
    return absl::StrCat(refusal.reason(), refusal.message().empty() ? "" : ": ", refusal.message());
  }
  return "";
}

void AddAgents(Fleet& fleet, ClassIndex cls, int max, const DescribeTaskResponse& task, v1::ExplainTaskResponse& out) {
  struct Judged {
    RuledOut verdict;
    std::string detail;
    AgentRef ref;
    const AgentFacts* facts;
  };
  std::vector<Judged> judged;
  fleet.ForEach([&](AgentRef ref, const AgentFacts& facts) {
    auto [verdict, detail] = fleet.Judge(cls, ref);
    if (verdict == RuledOut::kRefused) {
      if (std::string said = RefusalText(task, facts.id); !said.empty()) detail = std::move(said);
    }
    judged.push_back({verdict, std::move(detail), ref, &facts});
  });
  std::sort(judged.begin(), judged.end(), [](const Judged& a, const Judged& b) {
    return std::pair(Distance(a.verdict), std::string_view(a.facts->name)) <
           std::pair(Distance(b.verdict), std::string_view(b.facts->name));
  });
  if (judged.size() > static_cast<std::size_t>(max)) judged.resize(max);
  const std::vector<std::string>& avoid = fleet.requirements(cls).avoid;
  for (Judged& agent : judged) {
    v1::AgentVerdict& verdict = *out.add_agents();
    verdict.set_agent_id(agent.facts->id);
    verdict.set_name(agent.facts->name);
    verdict.set_ruled_out(static_cast<v1::RuledOut>(agent.verdict));
    verdict.set_detail(std::move(agent.detail));
    verdict.set_slots(agent.facts->slots);
    verdict.set_free_credits(fleet.free(agent.ref));
    verdict.set_avoided(std::binary_search(avoid.begin(), avoid.end(), agent.facts->id));
  }
}

std::string NeedText(const Requirements& needs) {
  std::vector<std::string> all = needs.capabilities;
  all.insert(all.end(), needs.features.begin(), needs.features.end());
  return all.empty() ? "nothing special" : absl::StrJoin(all, ", ");
}

// `out` holds the agents already.
std::string RefusedText(const v1::ExplainTaskResponse& out) {
  constexpr int kNamed = 3;
  std::string text = "Every connected agent that has what it needs refuses it";
  int named = 0;
  for (const v1::AgentVerdict& agent : out.agents()) {
    if (agent.ruled_out() != v1::RULED_OUT_REFUSED || named == kNamed) continue;
    absl::StrAppend(&text, named++ == 0 ? ": " : "; ", "agent ", agent.name().empty() ? agent.agent_id() : agent.name(),
                    ": ", agent.detail());
  }
  return absl::StrCat(text, ". Once their rules have changed, a retry of the task asks them again.");
}

std::string NobodyText(const v1::ExplainTaskResponse& out) {
  if (out.missing_capabilities().empty() && out.missing_features().empty()) {
    return absl::StrCat("Each thing that it needs is offered by some of the ", out.agents_connected(),
                        " connected agents, but all of them by none.");
  }
  std::string text = absl::StrCat("None of the ", out.agents_connected(), " connected agents has ");
  if (!out.missing_capabilities().empty()) {
    absl::StrAppend(&text, "the capability ", absl::StrJoin(out.missing_capabilities(), ", "));
  }
  if (!out.missing_features().empty()) {
    absl::StrAppend(&text, out.missing_capabilities().empty() ? "" : " and ", "the protocol feature ",
                    absl::StrJoin(out.missing_features(), ", "));
  }
  return absl::StrCat(text, ".");
}

}  // namespace

void Scheduler::Explain(const v1::ExplainTaskRequest& request, const rpc::CallOptions& options, Explained done) {
  DescribeTaskRequest question;
  question.set_task_id(request.task_id());
  bool standby = false;
  bool stopping = false;
  {
    MutexLock lock(mutex_);
    stopping = stopping_;
    standby = std::none_of(held_.begin(), held_.end(), [](bool held) { return held; });
    if (!stopping && !standby) Enter();
  }
  if (stopping || standby) {
    return done(MakeError(absl::StatusCode::kUnavailable, "SCHEDULER_STANDBY",
                          "this scheduler holds no shards and sees no agents; ask the one that does"));
  }
  wires_->DescribeTask(std::move(question), options,
                       [this, request, done = std::move(done)](absl::StatusOr<DescribeTaskResponse> answer) {
                         if (answer.ok()) {
                           v1::ExplainTaskResponse out;
                           FillExplanation(request, *answer, out);
                           done(std::move(out));
                         } else {
                           done(answer.status());
                         }
                         Leave();
                       });
}

void Scheduler::FillExplanation(const v1::ExplainTaskRequest& request, const DescribeTaskResponse& task,
                                v1::ExplainTaskResponse& out) {
  const task_queue::v1::ReadyTask& ready = task.task();
  out.set_task_id(ready.task_id());
  out.set_state(task.state());
  out.set_hold_reason(task.hold_reason());
  out.set_lane(ready.lane());
  out.set_project(ready.project());
  out.set_shard(ready.shard());
  out.set_attempts(task.attempts() + task.losses());
  out.set_retried(ready.retried());
  out.set_ahead_in_lane(-1);
  const auto because = [&out](v1::WaitReason reason, const std::string& text) {
    out.set_reason(reason);
    out.set_explanation(text);
  };
  if (task.state() != task_queue::v1::TASK_STATE_QUEUED) {
    return because(v1::WAIT_REASON_NOT_WAITING, StateText(task));
  }
  const Requirements needs = RequirementsOf(ready, {});
  for (const std::string& text : needs.capabilities) out.add_required_capabilities(text);
  for (const std::string& text : needs.features) out.add_required_features(text);
  const int lane = ready.lane() - task_queue::v1::LANE_URGENT;
  const absl::StatusOr<TaskId> id = TaskId::Parse(ready.task_id());

  MutexLock lock(mutex_);
  Fleet& fleet = matcher_.fleet();
  const WaitingLine& line = matcher_.line();
  const bool held = ready.shard() >= 0 && ready.shard() < kShards && held_[ready.shard()];
  const WaitingLine::Entry* const entry = id.ok() ? line.Find(*id) : nullptr;
  out.set_shard_held_here(held);
  for (const std::unique_ptr<Hub>& hub : hubs_) {
    if (!hub->connected) out.add_silent_hubs(absl::StrCat(hub->address, ": ", hub->error.message()));
  }
  const ClassIndex cls = entry == nullptr ? fleet.Intern(needs) : line.bucket(entry->bucket).cls;
  const Fit fit = fleet.Count(cls);
  out.set_agents_connected(fleet.agents());
  out.set_agents_fitting(fit.fitting);
  out.set_agents_available(fit.available);
  out.set_agents_free(fit.free);
  for (const std::string& text : fleet.CapabilitiesNobodyHas(cls)) out.add_missing_capabilities(text);
  for (const std::string& text : fleet.FeaturesNobodyHas(cls)) out.add_missing_features(text);
  const int max = request.max_agents() == 0 ? kDefaultAgents : std::min(request.max_agents(), kMaxAgentsShown);
  AddAgents(fleet, cls, max, task, out);
  if (entry != nullptr) out.set_ahead_in_lane(line.Ahead(*entry));

  if (task.hold_reason() > task_queue::v1::HOLD_REASON_NONE) {
    const auto [reason, text] = HoldText(task);
    if (task.has_hold_until()) *out.mutable_until() = task.hold_until();
    because(reason, text);
  } else if (lane >= 0 && lane < kLanes && line.LanePaused(lane)) {
    because(v1::WAIT_REASON_LANE_PAUSED, absl::StrCat("The lane ", LaneName(lane), " is paused."));
  } else if (line.ProjectPaused(ready.project())) {
    because(v1::WAIT_REASON_PROJECT_PAUSED, absl::StrCat("The project ", ready.project(), " is paused."));
  } else if (const std::optional<std::string> why = id.ok() ? desk_.WhyNotInLine(*id) : std::nullopt; why.has_value()) {
    because(v1::WAIT_REASON_NO_ROUTE, *why);
  } else if (fleet.agents() == 0) {
    because(v1::WAIT_REASON_NO_AGENT, out.silent_hubs().empty()
                                          ? "No agent is connected."
                                          : absl::StrCat("No agent is known: no word from ", out.silent_hubs(0), "."));
  } else if (fit.fitting == 0 && fit.refused > 0) {
    because(v1::WAIT_REASON_REFUSED, RefusedText(out));
  } else if (fit.fitting == 0) {
    because(v1::WAIT_REASON_NO_FITTING_AGENT, NobodyText(out));
  } else if (fit.available == 0) {
    because(v1::WAIT_REASON_AGENTS_UNAVAILABLE,
            absl::StrCat("Of the ", fit.fitting, " connected agents that have what it needs (", NeedText(needs),
                         ") none is available."));
  } else if (fit.free == 0) {
    because(v1::WAIT_REASON_AGENTS_BUSY,
            absl::StrCat("All ", fit.available, " available agents that could do it are busy",
                         out.ahead_in_lane() > 0 ? absl::StrCat("; ", out.ahead_in_lane(), " tasks of lane ",
                                                                LaneName(lane), " are in line before it")
                                                 : std::string(),
                         "."));
  } else if (!held) {
    because(v1::WAIT_REASON_OTHER_SCHEDULER,
            absl::StrCat("Its shard ", ready.shard(), " belongs to another scheduler, which will assign it; ", fit.free,
                         " agents are free for it."));
  } else if (entry == nullptr && (!line.walked() || line.LeftOut(lane, ready.retried(), cls, ready.project()))) {
    because(v1::WAIT_REASON_BEYOND_WINDOW, "So many tasks are before it that it has not been read yet.");
  } else {
    because(v1::WAIT_REASON_IN_LINE,
            entry == nullptr || entry->assigning
                ? std::string("It is being assigned at this moment.")
                : absl::StrCat("It is in line; ", out.ahead_in_lane(), " tasks of lane ", LaneName(lane),
                               " are before it, and ", fit.free, " agents are free for it."));
  }
  if (entry == nullptr) fleet.Release(cls);
}

v1::ListShardsResponse Scheduler::Shards() const {
  v1::ListShardsResponse out;
  MutexLock lock(mutex_);
  const WaitingLine& line = matcher_.line();
  out.set_scheduler_id(options_.id);
  const std::array<int, kShards> waiting = line.waiting_by_shard();
  for (int index = 0; index < kShards; ++index) {
    if (!held_[index]) continue;
    v1::Shard& shard = *out.add_shards();
    shard.set_shard(index);
    shard.set_epoch(epochs_[index]);
    shard.set_waiting(waiting[index]);
  }
  if (lease_end_ > absl::UnixEpoch()) {
    out.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(lease_end_));
    out.mutable_expire_time()->set_nanos(static_cast<std::int32_t>(
        absl::ToInt64Nanoseconds(lease_end_ - absl::FromUnixSeconds(absl::ToUnixSeconds(lease_end_)))));
  }
  std::vector<int> agents(hubs_.size());
  matcher_.fleet().ForEach([&](AgentRef, const AgentFacts& facts) { ++agents[facts.hub]; });
  for (const std::unique_ptr<Hub>& held : hubs_) {
    v1::Hub& hub = *out.add_hubs();
    hub.set_address(held->address);
    hub.set_hub_id(held->hub_id);
    hub.set_connected(held->connected);
    hub.set_agents(agents[held->index]);
    if (!held->connected) hub.set_error(std::string(held->error.message()));
  }
  out.set_waiting(line.waiting());
  out.set_assigning(line.assigning());
  out.set_agents(matcher_.fleet().agents());
  out.set_free_credits(matcher_.fleet().free_credits());
  out.set_feed_live(feed_live_ && line.walked());
  return out;
}

}  // namespace switchyard::scheduler
