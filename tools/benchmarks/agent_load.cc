#include "tools/benchmarks/agent_load.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tools/benchmarks/pace.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/task_stamp.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kDrainPatience = absl::Seconds(30);
constexpr absl::Duration kLongestSleep = absl::Milliseconds(50);

}  // namespace

struct AgentLoad::Call {
  v1::TaskQueueService::Stub* stub = nullptr;
  std::optional<grpc::ClientContext> context;
  v1::SubmitTaskRequest request;
  v1::SubmitTaskResponse response;
};

AgentLoad::AgentLoad(Client& client, const Settings& settings) : client_(client), settings_(settings) {
  for (int i = 0; i < settings.in_flight; ++i) {
    Call& call = *calls_.emplace_back(std::make_unique<Call>());
    call.stub = &client.queue(i);
    FillSpec(*call.request.mutable_spec());
    if (settings.adorn != nullptr) settings.adorn(*call.request.mutable_spec());
    free_.push_back(&call);
  }
}

AgentLoad::~AgentLoad() { End(false); }

absl::Status AgentLoad::Start() {
  {
    MutexLock lock(mutex_);
    submitting_ = true;
  }
  if (settings_.rate > 0) {
    pacer_ = std::thread([this] { Run(); });
  } else {
    Pump();
  }
  return absl::OkStatus();
}

void AgentLoad::Stop() { End(true); }
void AgentLoad::Abandon() { End(false); }

void AgentLoad::End(bool patient) {
  {
    MutexLock lock(mutex_);
    if (std::exchange(ended_, true)) return;
    submitting_ = false;
    changed_.NotifyAll();
  }
  if (pacer_.joinable()) pacer_.join();
  MutexLock lock(mutex_);
  while (free_.size() < calls_.size()) changed_.Wait(mutex_);
  if (!patient) return;
  const absl::Time deadline = absl::Now() + kDrainPatience;
  while (outstanding_ > 0 && absl::Now() < deadline) changed_.WaitFor(mutex_, absl::Milliseconds(100));
  if (outstanding_ > 0) Failed(absl::StrCat(outstanding_, " lives did not end"));
}

void AgentLoad::Run() {
  Pace pace(settings_.rate, SteadyNanos());
  for (;;) {
    const std::optional<std::int64_t> moment = pace.Take(SteadyNanos());
    if (!moment.has_value()) {
      absl::SleepFor(std::min(absl::Nanoseconds(pace.next() - SteadyNanos()), kLongestSleep));
    }
    Call* call = nullptr;
    {
      MutexLock lock(mutex_);
      if (!submitting_) return;
      if (!moment.has_value()) continue;
      if (free_.empty()) {
        const double late = static_cast<double>(SteadyNanos() - *moment) / 1e9 * settings_.rate;
        most_late_ = std::max<std::int64_t>(most_late_, static_cast<std::int64_t>(late) + 1);
      }
      while (submitting_ && free_.empty()) changed_.Wait(mutex_);
      if (!submitting_) return;
      call = free_.back();
      free_.pop_back();
      ++outstanding_;
    }
    Submit(*call, *moment);
  }
}

void AgentLoad::Pump() {
  for (;;) {
    Call* call = nullptr;
    {
      MutexLock lock(mutex_);
      if (!submitting_ || free_.empty() || outstanding_ >= settings_.outstanding) return;
      call = free_.back();
      free_.pop_back();
      ++outstanding_;
    }
    Submit(*call, SteadyNanos());
  }
}

void AgentLoad::Submit(Call& call, std::int64_t stamp) {
  call.context.emplace();
  client_.Prepare(*call.context);
  call.request.set_request_id(client_.NewRequestId());
  SetStamp(stamp, *call.request.mutable_spec());
  call.stub->async()->SubmitTask(&*call.context, &call.request, &call.response,
                                 [this, &call](const grpc::Status& status) { Answered(call, status); });
}

void AgentLoad::Answered(Call& call, const grpc::Status& status) {
  if (!status.ok()) Failed(absl::StrCat("submit: ", status.error_message()));
  {
    MutexLock lock(mutex_);
    if (!status.ok()) --outstanding_;
    free_.push_back(&call);
    if (free_.size() == 1 || !submitting_) changed_.NotifyAll();
  }
  if (settings_.rate == 0) Pump();
}

void AgentLoad::OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) {
  const std::int64_t stamp = ParseStamp(assignment.spec());
  if (stamp > 0) dispatch_.Observe(absl::Nanoseconds(nanos - stamp));
}

void AgentLoad::OnSettled(SimAgent& agent, const SettledReport& report) {
  if (!report.refusal.empty()) return Failed(absl::StrCat("report: ", report.refusal));
  if (report.kind != SettledReport::Kind::kComplete) return;
  Finished(absl::Nanoseconds(SteadyNanos() - report.stamp));
  {
    MutexLock lock(mutex_);
    --outstanding_;
    if (!submitting_) changed_.NotifyAll();
  }
  if (settings_.rate == 0) Pump();
}

void AgentLoad::OnLost(SimAgent& agent, const absl::Status& status) {
  if (lost_.fetch_add(1) == 0) Failed(absl::StrCat("a stream was lost: ", status.ToString()));
}

}  // namespace switchyard::bench
