#include "tools/benchmarks/lives_load.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/sample_tasks.h"

namespace switchyard::bench {
namespace {

constexpr int kWindow = 1000;
constexpr absl::Duration kShardRenewal = absl::Seconds(1);
constexpr int kSessionRenewalTurns = 5;
constexpr absl::Duration kDrainPatience = absl::Seconds(15);
// A scan of the feed may offer what news offered too; assigning decides.
constexpr char kAlreadyTaken[] = "TASK_NOT_READY";
constexpr char kStaleGeneration[] = "STALE_GENERATION";

std::int64_t MicrosOf(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000 + time.nanos() / 1000;
}

}  // namespace

struct LivesLoad::Submission {
  v1::TaskQueueService::Stub* stub = nullptr;
  std::optional<grpc::ClientContext> context;
  v1::SubmitTaskRequest request;
  v1::SubmitTaskResponse response;
};

struct LivesLoad::AssignCall {
  std::optional<grpc::ClientContext> context;
  v1::AssignTasksRequest request;
  v1::AssignTasksResponse response;
  std::vector<Item> items;
};

struct LivesLoad::ReportCall {
  std::optional<grpc::ClientContext> context;
  v1::ReportTasksRequest request;
  v1::ReportTasksResponse response;
  std::vector<Item> items;
};

struct LivesLoad::Feed final : grpc::ClientReadReactor<v1::WatchReadyResponse> {
  explicit Feed(LivesLoad& load) : load(load) {}
  void OnReadDone(bool ok) override {
    if (!ok) return;
    load.Ready(message);
    StartRead(&message);
  }
  void OnDone(const grpc::Status& status) override { load.FeedClosed(status); }

  LivesLoad& load;
  grpc::ClientContext context;
  v1::WatchReadyRequest request;
  v1::WatchReadyResponse message;
};

LivesLoad::LivesLoad(Client& client, const Settings& settings) : client_(client), settings_(settings) {
  for (int i = 0; i < settings.in_flight; ++i) {
    Submission& slot = *submissions_.emplace_back(std::make_unique<Submission>());
    slot.stub = &client.queue(i);
    FillSpec(*slot.request.mutable_spec());
  }
  for (int i = 0; i < settings.ledger_calls; ++i) {
    assign_calls_.push_back(std::make_unique<AssignCall>());
    report_calls_.push_back(std::make_unique<ReportCall>());
    idle_assign_.push_back(assign_calls_.back().get());
    idle_report_.push_back(report_calls_.back().get());
  }
}

LivesLoad::~LivesLoad() { Stop(); }

absl::Status LivesLoad::Start() {
  for (int i = 0; i < settings_.agents; ++i) {
    grpc::ClientContext context;
    client_.Prepare(context);
    v1::OpenSessionRequest request;
    request.set_agent_id(absl::StrCat(kAgentPrefix, i));
    request.set_hub_id("bench");
    request.set_restarted(true);
    v1::OpenSessionResponse response;
    SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client_.ledger(0).OpenSession(&context, request, &response)));
    agents_.push_back(request.agent_id());
    session_epochs_.push_back(response.session_epoch());
  }
  SY_RETURN_IF_ERROR(RenewShards());
  renewer_ = std::thread([this] { Renew(); });
  OpenFeed();
  {
    MutexLock lock(mutex_);
    submitting_ = true;
    flying_submissions_ = static_cast<int>(submissions_.size());
  }
  for (auto& slot : submissions_) Submit(*slot);
  return absl::OkStatus();
}

void LivesLoad::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return;
    submitting_ = false;
    while (flying_submissions_ > 0) changed_.Wait(mutex_);
    const absl::Time deadline = absl::Now() + kDrainPatience;
    while (ended_ < accepted_ && absl::Now() < deadline) changed_.WaitFor(mutex_, absl::Milliseconds(100));
    if (ended_ < accepted_) Failed(absl::StrCat(accepted_ - ended_, " lives did not end"));
    stopped_ = true;
    changed_.NotifyAll();
    if (feed_open_) feed_->context.TryCancel();
    while (feed_open_ || idle_assign_.size() < assign_calls_.size() || idle_report_.size() < report_calls_.size()) {
      changed_.Wait(mutex_);
    }
  }
  if (renewer_.joinable()) renewer_.join();
}

absl::Status LivesLoad::RenewShards() {
  grpc::ClientContext context;
  client_.Prepare(context);
  v1::AcquireShardsRequest request;
  request.set_owner_id("bench-scheduler");
  v1::AcquireShardsResponse response;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client_.ledger(0).AcquireShards(&context, request, &response)));
  if (response.shards_size() != task_queue::kShardCount) return absl::InternalError("some shards are somebody else's");
  MutexLock lock(mutex_);
  for (const v1::ShardLease& lease : response.shards()) shard_epochs_[lease.shard()] = lease.epoch();
  return absl::OkStatus();
}

absl::Status LivesLoad::RenewSessions() {
  grpc::ClientContext context;
  client_.Prepare(context);
  v1::RenewSessionsRequest request;
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    v1::SessionRef& session = *request.add_sessions();
    session.set_agent_id(agents_[i]);
    session.set_session_epoch(session_epochs_[i]);
  }
  v1::RenewSessionsResponse response;
  return rpc::FromGrpcStatus(client_.ledger(0).RenewSessions(&context, request, &response));
}

void LivesLoad::Renew() {
  for (int turn = 1;; ++turn) {
    {
      MutexLock lock(mutex_);
      if (!stopped_) changed_.WaitFor(mutex_, absl::ZeroDuration());
      const absl::Time until = absl::Now() + kShardRenewal;
      while (!stopped_ && absl::Now() < until) changed_.WaitFor(mutex_, until - absl::Now());
      if (stopped_) return;
    }
    if (const absl::Status status = RenewShards(); !status.ok()) Failed(status.ToString());
    if (turn % kSessionRenewalTurns != 0) continue;
    if (const absl::Status status = RenewSessions(); !status.ok()) Failed(status.ToString());
  }
}

void LivesLoad::Submit(Submission& slot) {
  slot.context.emplace();
  client_.Prepare(*slot.context);
  slot.request.set_request_id(client_.NewRequestId());
  slot.stub->async()->SubmitTask(&*slot.context, &slot.request, &slot.response,
                                 [this, &slot](const grpc::Status& status) { Submitted(slot, status); });
}

void LivesLoad::Submitted(Submission& slot, const grpc::Status& status) {
  if (!status.ok()) Failed(status.error_message());
  {
    MutexLock lock(mutex_);
    if (status.ok()) ++accepted_;
    if (!submitting_) {
      if (--flying_submissions_ == 0) changed_.NotifyAll();
      return;
    }
    if (accepted_ - ended_ > settings_.outstanding) {
      --flying_submissions_;
      parked_.push_back(&slot);
      return;
    }
  }
  Submit(slot);
}

void LivesLoad::OpenFeed() {
  Feed* feed = nullptr;
  {
    MutexLock lock(mutex_);
    if (feed_ != nullptr) closed_feeds_.push_back(std::move(feed_));
    feed_ = std::make_unique<Feed>(*this);
    feed_open_ = true;
    feed = feed_.get();
  }
  client_.Prepare(feed->context, absl::InfiniteDuration());
  for (int shard = 0; shard < task_queue::kShardCount; ++shard) feed->request.add_shards(shard);
  feed->request.set_window(kWindow);
  client_.ledger(0).async()->WatchReady(&feed->context, &feed->request, feed);
  feed->StartRead(&feed->message);
  feed->StartCall();
}

void LivesLoad::FeedClosed(const grpc::Status& status) {
  {
    MutexLock lock(mutex_);
    feed_open_ = false;
    changed_.NotifyAll();
    if (stopped_) return;
  }
  if (reopened_.fetch_add(1) > 100) return Failed(absl::StrCat("the ready feed closes: ", status.error_message()));
  OpenFeed();
}

void LivesLoad::Ready(const v1::WatchReadyResponse& message) {
  {
    MutexLock lock(mutex_);
    for (const v1::ReadyTask& task : message.tasks()) {
      // Backlogs of other lanes are not this load's.
      if (task.lane() != v1::LANE_NORMAL || task.task_id().size() != 36) continue;
      Item& item = ready_.emplace_back();
      std::memcpy(item.id.data(), task.task_id().data(), item.id.size());
      item.generation = task.generation();
      item.create_micros = MicrosOf(task.create_time());
      item.shard = task.shard();
    }
  }
  Pump();
}

// Sends what waits, as far as calls are free: batches grow by themselves while calls are under way.
void LivesLoad::Pump() {
  for (;;) {
    AssignCall* assign = nullptr;
    ReportCall* report = nullptr;
    std::vector<Submission*> resumed;
    {
      MutexLock lock(mutex_);
      while (submitting_ && !parked_.empty() && accepted_ - ended_ <= settings_.outstanding) {
        ++flying_submissions_;
        resumed.push_back(parked_.back());
        parked_.pop_back();
        if (resumed.size() == 64) break;
      }
      if (!ready_.empty() && !idle_assign_.empty()) {
        assign = idle_assign_.back();
        idle_assign_.pop_back();
        assign->items.clear();
        assign->request.clear_assignments();
        while (!ready_.empty() && static_cast<int>(assign->items.size()) < settings_.batch) {
          Item& item = assign->items.emplace_back(ready_.front());
          ready_.pop_front();
          item.agent = next_agent_++ % settings_.agents;
          v1::Assignment& assignment = *assign->request.add_assignments();
          assignment.set_task_id(item.id.data(), item.id.size());
          assignment.set_generation(item.generation);
          assignment.set_agent_id(agents_[item.agent]);
          assignment.set_session_epoch(session_epochs_[item.agent]);
          assignment.set_shard_epoch(shard_epochs_[item.shard]);
        }
      }
      if (!running_.empty() && !idle_report_.empty()) {
        report = idle_report_.back();
        idle_report_.pop_back();
        report->items.clear();
        report->request.clear_reports();
        while (!running_.empty() && static_cast<int>(report->items.size()) < settings_.batch) {
          const Item& item = report->items.emplace_back(running_.front());
          running_.pop_front();
          v1::TaskReport& task = *report->request.add_reports();
          task.set_task_id(item.id.data(), item.id.size());
          task.set_generation(item.generation);
          task.set_agent_id(agents_[item.agent]);
          task.set_session_epoch(session_epochs_[item.agent]);
          task.mutable_evidence()->mutable_result()->set_summary(kSummary);
        }
      }
    }
    for (Submission* slot : resumed) Submit(*slot);
    if (assign != nullptr) {
      assign->context.emplace();
      client_.Prepare(*assign->context);
      client_.ledger(0).async()->AssignTasks(&*assign->context, &assign->request, &assign->response,
                                             [this, assign](const grpc::Status& status) { Assigned(*assign, status); });
    }
    if (report != nullptr) {
      report->context.emplace();
      client_.Prepare(*report->context);
      client_.ledger(1).async()->ReportTasks(&*report->context, &report->request, &report->response,
                                             [this, report](const grpc::Status& status) { Reported(*report, status); });
    }
    if (assign == nullptr && report == nullptr && resumed.empty()) return;
  }
}

void LivesLoad::Assigned(AssignCall& call, const grpc::Status& status) {
  if (!status.ok()) Failed(status.error_message());
  {
    MutexLock lock(mutex_);
    for (int i = 0; status.ok() && i < call.response.results_size(); ++i) {
      const v1::AssignResult& result = call.response.results(i);
      if (result.has_error()) {
        const std::string& reason = result.error().reason();
        if (reason == kAlreadyTaken || reason == kStaleGeneration) {
          offered_again_.fetch_add(1, std::memory_order_relaxed);
        } else {
          Failed(absl::StrCat("assign: ", reason, ": ", result.error().message()));
        }
        continue;
      }
      Item& item = call.items[static_cast<std::size_t>(i)];
      item.generation = result.generation();
      running_.push_back(item);
    }
    idle_assign_.push_back(&call);
    changed_.NotifyAll();
  }
  Pump();
}

void LivesLoad::Reported(ReportCall& call, const grpc::Status& status) {
  if (!status.ok()) Failed(status.error_message());
  const std::int64_t now = absl::ToUnixMicros(WallNow());
  int ended = 0;
  for (int i = 0; status.ok() && i < call.response.results_size(); ++i) {
    const v1::ReportResult& result = call.response.results(i);
    if (result.state() == v1::TASK_STATE_SUCCEEDED && !result.has_error()) {
      ++ended;
      Finished(absl::Microseconds(now - call.items[static_cast<std::size_t>(i)].create_micros));
    } else {
      Failed(absl::StrCat("report: ", result.error().reason(), ": ", result.error().message()));
    }
  }
  {
    MutexLock lock(mutex_);
    ended_ += ended;
    idle_report_.push_back(&call);
    changed_.NotifyAll();
  }
  Pump();
}

}  // namespace switchyard::bench
