// What the scheduler hears: ready tasks, credits, pages, routes.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "services/scheduler/scheduler.h"

namespace switchyard::scheduler {
namespace {

using task_queue::v1::ReadReadyRequest;
using task_queue::v1::ReadReadyResponse;
using task_queue::v1::WatchReadyRequest;
using task_queue::v1::WatchReadyResponse;

constexpr int kPageTasks = 1'000;
// Pages that nobody waits for leave most of the time to others.
constexpr int kReadingPause = 4;
constexpr absl::Duration kFailedRead = absl::Milliseconds(200);

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

void Scheduler::OpenFeeds() {
  feeds_open_ = true;
  ready_stream_ = wires_->WatchReady({.on_open = [this] { return ReadyRequest(); },
                                      .on_message = [this](WatchReadyResponse& message) { Heard(message); },
                                      .on_end =
                                          [this](const absl::Status& status) {
                                            LogInfo("the ready feed ended", {{"status", status}});
                                            meter_.FeedEnded("ready");
                                            MutexLock lock(mutex_);
                                            feed_live_ = false;
                                          }});
  for (const std::unique_ptr<Hub>& owned : hubs_) {
    Hub* const hub = owned.get();
    hub->stream = wires_->WatchCapacity(
        hub->index,
        {.on_open =
             [this] {
               agent::v1::WatchCapacityRequest request;
               request.set_scheduler_id(options_.id);
               return request;
             },
         .on_message = [this, hub](agent::v1::WatchCapacityResponse& message) { HeardCapacity(*hub, message); },
         .on_end = [this, hub](const absl::Status& status) { HubEnded(*hub, status); }});
    hub->stream->Start();
  }
  ready_stream_->Start();
}

void Scheduler::CloseFeeds() {
  if (!feeds_open_) return;
  feeds_open_ = false;
  ready_stream_->Stop();
  ready_stream_.reset();
  for (const std::unique_ptr<Hub>& hub : hubs_) {
    hub->stream->Stop();
    hub->stream.reset();
    HubEnded(*hub, absl::UnavailableError("no shards are held"));
  }
}

void Scheduler::ReopenUnknown() {
  if (!feeds_open_) return;
  for (const std::unique_ptr<Hub>& hub : hubs_) {
    {
      MutexLock lock(mutex_);
      if (!std::exchange(hub->credits_unknown, false)) continue;
    }
    hub->stream->Reopen();
  }
}

WatchReadyRequest Scheduler::ReadyRequest() {
  WatchReadyRequest request;
  request.set_news_only(true);
  MutexLock lock(mutex_);
  for (int shard = 0; shard < kShards; ++shard) {
    if (held_[shard]) request.add_shards(shard);
  }
  return request;
}

void Scheduler::Heard(const WatchReadyResponse& message) {
  {
    MutexLock lock(mutex_);
    if (!std::exchange(feed_live_, true)) {
      // From here on nothing new is missed; what was there before is read.
      matcher_.line().StartPass();
      sweep_at_ = clock_.Now() + options_.sweep_interval * (0.5 + 0.5 * rng_.Unit());
      read_after_ = absl::InfinitePast();
    }
    if (message.has_pauses()) SetPauses(message.pauses());
    AddTasks(message.tasks(), true);
  }
  AskRoutes();
  Pump();
  ReadOn();
}

void Scheduler::SetPauses(const task_queue::v1::PauseSet& pauses) {
  std::array<bool, kLanes> lanes = {};
  for (const int lane : pauses.lanes()) {
    const int index = lane - task_queue::v1::LANE_URGENT;
    if (index >= 0 && index < kLanes) lanes[index] = true;
  }
  StringSet projects;
  for (const std::string& project : pauses.projects()) projects.insert(project);
  matcher_.line().SetPauses(lanes, std::move(projects));
}

void Scheduler::AddTasks(const google::protobuf::RepeatedPtrField<task_queue::v1::ReadyTask>& tasks, bool news) {
  static const Route kNoRoute;
  const absl::Time now = clock_.Now();
  for (const task_queue::v1::ReadyTask& task : tasks) {
    if (news && !task.retried() && task.has_create_time()) {
      meter_.Heard(std::max(absl::ZeroDuration(), now - ToTime(task.create_time())));
    }
    if (routes_.IsExempt(task.kind(), task.has_model_pin() || !task.role().empty())) {
      AddRouted(task, kNoRoute);
      continue;
    }
    const absl::StatusOr<TaskId> id = TaskId::Parse(task.task_id());
    if (!id.ok()) continue;
    const WaitingLine::Entry* const known = matcher_.line().Find(*id);
    if (known != nullptr && known->generation >= task.generation()) {
      AddRouted(task, kNoRoute);
      continue;
    }
    desk_.Put(*id, task);
  }
}

void Scheduler::AddRouted(const task_queue::v1::ReadyTask& task, const Route& route) {
  const absl::StatusOr<ReadyTask> ready = convert_.Convert(task, route);
  if (!ready.ok()) {
    LogError("a ready task cannot be read", {{"task_id", task.task_id()}, {"status", ready.status()}});
    return;
  }
  matcher_.Add(*ready, clock_.Now());
}

void Scheduler::ReadOn() {
  ReadReadyRequest request;
  Page page;
  const absl::Time start = clock_.Now();
  {
    MutexLock lock(mutex_);
    if (stopping_ || !feed_live_) return;
    const std::optional<Page> next = matcher_.line().NextPage(matcher_.fleet().free_credits() > 0);
    if (!next.has_value()) return;
    page = *next;
    if (start < read_after_ && (!page.urgent || read_failed_)) return matcher_.line().PageFailed(page);
    for (int shard = 0; shard < kShards; ++shard) {
      if (held_[shard]) request.add_shards(shard);
    }
    for (int lane = 0; lane < kLanes; ++lane) {
      if (!page.cursors[lane].has_value()) continue;
      task_queue::v1::LaneCursor& cursor = *request.add_cursors();
      cursor.set_lane(static_cast<task_queue::v1::Lane>(task_queue::v1::LANE_URGENT + lane));
      cursor.set_retried(page.cursors[lane]->retried);
      if (!page.cursors[lane]->after.is_nil()) cursor.set_after_task_id(page.cursors[lane]->after.ToString());
    }
    request.set_limit(kPageTasks);
    Enter();
  }
  wires_->ReadReady(
      std::move(request), options_.call_timeout,
      [this, page, start](const absl::StatusOr<ReadReadyResponse>& answer) { PageAnswered(page, start, answer); });
}

void Scheduler::PageAnswered(const Page& page, absl::Time start, const absl::StatusOr<ReadReadyResponse>& answer) {
  const absl::Time now = clock_.Now();
  {
    MutexLock lock(mutex_);
    read_failed_ = !answer.ok();
    if (!answer.ok()) {
      LogWarning("ready tasks could not be read", {{"status", answer.status()}});
      matcher_.line().PageFailed(page);
      read_after_ = now + kFailedRead;
    } else {
      read_after_ = now + (now - start) * kReadingPause;
      AddTasks(answer->tasks(), false);
      std::array<std::optional<Cursor>, kLanes> last;
      for (const int lane : answer->truncated_lanes()) {
        const int index = lane - task_queue::v1::LANE_URGENT;
        if (index >= 0 && index < kLanes) last[index] = page.cursors[index];
      }
      for (const task_queue::v1::ReadyTask& task : answer->tasks()) {
        const int index = task.lane() - task_queue::v1::LANE_URGENT;
        if (index < 0 || index >= kLanes || !last[index].has_value()) continue;
        if (const absl::StatusOr<TaskId> id = TaskId::Parse(task.task_id()); id.ok()) {
          last[index] = Cursor{task.retried(), *id};
        }
      }
      matcher_.line().PageRead(page, last);
    }
  }
  AskRoutes();
  Pump();
  ReadOn();
  Leave();
}

void Scheduler::HeardCapacity(Hub& hub, const agent::v1::WatchCapacityResponse& message) {
  bool gap = false;
  {
    MutexLock lock(mutex_);
    Fleet& fleet = matcher_.fleet();
    gap = message.sequence() != ++hub.sequence;
    if (!message.watch_id().empty()) hub.watch_id = message.watch_id();
    if (!message.hub_id().empty()) hub.hub_id = message.hub_id();
    for (const std::string& agent : message.gone_agent_ids()) {
      fleet.Remove(hub.index, agent);
      if (const auto found = hub.handle_of.find(agent); found != hub.handle_of.end()) {
        hub.handles.erase(found->second);
        hub.handle_of.erase(found);
      }
    }
    for (const agent::v1::AgentCapacity& agent : message.agents()) {
      AgentFacts facts;
      facts.id = agent.agent_id();
      facts.name = agent.name();
      facts.hub = hub.index;
      facts.session_epoch = agent.session_epoch();
      facts.features.assign(agent.features().begin(), agent.features().end());
      facts.capabilities.assign(agent.capabilities().begin(), agent.capabilities().end());
      // Endpoints that only this agent reaches ask for it by name.
      if (std::find(facts.features.begin(), facts.features.end(), "endpoints") != facts.features.end()) {
        facts.capabilities.push_back(absl::StrCat("agent:", agent.name()));
      }
      if (const auto host = agent.labels().find("host"); host != agent.labels().end()) facts.host = host->second;
      facts.slots = agent.slots();
      facts.available = agent.available();
      facts.unavailable_reason = agent.unavailable_reason();
      facts.unavailable_message = agent.unavailable_message();
      const AgentRef ref = fleet.Put(std::move(facts));
      fleet.SetLimit(ref, agent.credit_limit());
      const auto [told, added] = hub.handle_of.try_emplace(agent.agent_id(), agent.handle());
      if (!added && told->second != agent.handle()) hub.handles.erase(std::exchange(told->second, agent.handle()));
      hub.handles[agent.handle()] = ref;
    }
    for (const agent::v1::CreditChange& change : message.credits()) {
      if (const auto found = hub.handles.find(change.handle()); found != hub.handles.end()) {
        fleet.SetLimit(found->second, change.credit_limit());
      }
    }
    if (message.snapshot_complete() && !hub.connected) {
      hub.connected = true;
      hub.error = absl::OkStatus();
      LogInfo("a hub tells its agents", {{"hub", hub.address}, {"agents", fleet.agents()}});
    }
  }
  if (gap) {
    LogWarning("the capacity feed has a gap", {{"hub", hub.address}});
    hub.stream->Reopen();
  }
  Pump();
  ReadOn();
}

void Scheduler::HubEnded(Hub& hub, const absl::Status& status) {
  MutexLock lock(mutex_);
  if (hub.connected) {
    LogInfo("the capacity feed ended", {{"hub", hub.address}, {"status", status}});
    meter_.FeedEnded("capacity");
  }
  hub.connected = false;
  hub.credits_unknown = false;
  hub.assigned_unknown = false;
  hub.error = status;
  hub.sequence = 0;
  hub.handles.clear();
  hub.handle_of.clear();
  matcher_.fleet().RemoveHub(hub.index);
}

}  // namespace switchyard::scheduler
