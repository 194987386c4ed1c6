#include "tools/benchmarks/sim_agent.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "tools/benchmarks/client.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/sim_agent_stream.h"
#include "tools/benchmarks/task_stamp.h"

namespace switchyard::bench {
namespace {

using Kind = SettledReport::Kind;

constexpr char kFeatures[][16] = {"kind.command", "progress", "phase", "logs", "blocked", "confirm", "status"};

std::int64_t NanosOf(const google::protobuf::Duration& duration) {
  return duration.seconds() * 1'000'000'000 + duration.nanos();
}

void Fill(std::int64_t number, const SettledReport& from, av1::Report& to) {
  to.set_number(number);
  to.set_task_id(from.task_id);
  to.set_generation(from.generation);
  if (from.kind == Kind::kAccept) {
    to.mutable_accept();
  } else if (from.kind == Kind::kComplete) {
    to.mutable_complete()->mutable_result()->set_summary(kSummary);
  } else {
    to.mutable_released()->set_reason("stops");
  }
}

}  // namespace

SimAgent::SimAgent(std::string target, AgentIdentity identity, const Settings& settings, SimAgentEvents& events,
                   StreamTally& tally)
    : target_(std::move(target)), identity_(std::move(identity)), settings_(settings), events_(events), tally_(tally) {}

SimAgent::~SimAgent() {
  Cut();
  Forget();
}

absl::Status SimAgent::Connect(bool restarted) {
  Forget();
  SY_ASSIGN_OR_RETURN(channel_, rpc::MakeChannel({.target = target_}));
  auto stream = std::make_shared<Stream>(*this);
  welcomed_ = false;
  {
    MutexLock lock(mutex_);
    stream_ = stream;
    over_ = false;
    cut_ = false;
    hello_due_ = true;
    beat_due_ = false;
    pong_due_.reset();
    restarted_ = restarted;
    last_assignment_ = 0;
    beats_ = 0;
    sent_ = 0;
    probe_reports_.clear();
    if (restarted) {
      held_.clear();
      reports_.clear();
    }
  }
  stream->Begin(channel_, identity_.token);
  stream->Pump();
  return absl::OkStatus();
}

void SimAgent::Cut() {
  std::shared_ptr<Stream> stream;
  {
    MutexLock lock(mutex_);
    cut_ = true;
    stream = stream_;
  }
  if (stream != nullptr) stream->Cancel();
}

void SimAgent::Forget() {
  std::shared_ptr<Stream> stream;
  {
    MutexLock lock(mutex_);
    while (stream_ != nullptr && !over_) changed_.Wait(mutex_);
    stream = std::move(stream_);
    stream_ = nullptr;
  }
  stream = nullptr;
  channel_ = nullptr;
}

void SimAgent::Complete(const std::string& task_id) {
  {
    MutexLock lock(mutex_);
    const auto held = held_.find(task_id);
    if (held == held_.end()) return;
    Report(Kind::kComplete, task_id, held->second.generation, held->second.stamp);
  }
  Flush();
}

void SimAgent::Release(const std::string& task_id) {
  {
    MutexLock lock(mutex_);
    const auto held = held_.find(task_id);
    if (held == held_.end()) return;
    Report(Kind::kReleased, task_id, held->second.generation, held->second.stamp);
  }
  Flush();
}

void SimAgent::SetDraining(bool draining) {
  {
    MutexLock lock(mutex_);
    draining_ = draining;
    beat_due_ = true;
  }
  Flush();
}

void SimAgent::SetReading(bool reading) {
  std::shared_ptr<Stream> stream;
  {
    MutexLock lock(mutex_);
    stream = stream_;
  }
  if (stream != nullptr) stream->SetReading(reading);
}

void SimAgent::Beat(std::int64_t nanos) {
  if (!welcomed() || nanos < next_beat_.load(std::memory_order_relaxed)) return;
  {
    MutexLock lock(mutex_);
    next_beat_ = std::max(next_beat_ + interval_nanos_, nanos);
    beat_due_ = true;
  }
  Flush();
}

absl::Duration SimAgent::grace() const {
  MutexLock lock(mutex_);
  return grace_;
}

std::optional<absl::Status> SimAgent::lost() const {
  MutexLock lock(mutex_);
  return stream_ != nullptr && over_ && !cut_ ? std::optional<absl::Status>(end_) : std::nullopt;
}

void SimAgent::Flush() {
  std::shared_ptr<Stream> stream;
  {
    MutexLock lock(mutex_);
    stream = stream_;
  }
  if (stream != nullptr) stream->Pump();
}

void SimAgent::Report(Kind kind, const std::string& task_id, std::int64_t generation, std::int64_t stamp) {
  Unacknowledged& one = reports_.emplace_back();
  one.number = ++last_report_;
  one.report = {.kind = kind, .task_id = task_id, .generation = generation, .stamp = stamp, .refusal = ""};
  const auto held = held_.find(task_id);
  if (held == held_.end()) return;
  held->second.state = kind == Kind::kAccept ? av1::HELD_STATE_RUNNING : av1::HELD_STATE_DONE;
}

void SimAgent::AnswerProbe(const av1::Assignment& probe) {
  for (const bool end : {false, true}) {
    av1::Report& report = probe_reports_.emplace_back();
    report.set_task_id(probe.task_id());
    report.set_generation(probe.generation());
    if (!end) {
      report.mutable_accept();
    } else {
      report.mutable_complete()->mutable_result()->set_summary(probe.spec().command().argv(1));
    }
  }
}

void SimAgent::TakeAssignments(const av1::Assign& assign) {
  for (const av1::Assignment& assignment : assign.assignments()) {
    last_assignment_ = std::max(last_assignment_, assignment.number());
    if (assignment.probe()) {
      AnswerProbe(assignment);
      continue;
    }
    const auto [held, fresh] = held_.try_emplace(assignment.task_id());
    // Sent again: the first one is answered, or about to be.
    if (!fresh && held->second.generation == assignment.generation()) continue;
    held->second = {.generation = assignment.generation(),
                    .stamp = ParseStamp(assignment.spec()),
                    .state = av1::HELD_STATE_ASSIGNED};
    const Held what = held->second;
    if (settings_.accepts) Report(Kind::kAccept, assignment.task_id(), what.generation, what.stamp);
    if (settings_.completes) Report(Kind::kComplete, assignment.task_id(), what.generation, what.stamp);
  }
}

std::vector<SettledReport> SimAgent::TakeAck(const av1::Ack& ack) {
  std::vector<SettledReport> settled;
  while (sent_ > 0 && reports_.front().number <= ack.through()) {
    Unacknowledged& one = reports_.front();
    for (const av1::RefusedReport& refused : ack.refused()) {
      if (refused.number() == one.number) one.report.refusal = refused.reason() + ": " + refused.message();
    }
    if (one.report.kind != Kind::kAccept || !one.report.refusal.empty()) held_.erase(one.report.task_id);
    settled.push_back(std::move(one.report));
    reports_.pop_front();
    --sent_;
  }
  return settled;
}

void SimAgent::FillHeld(google::protobuf::RepeatedPtrField<av1::HeldTask>* held) {
  for (const auto& [task_id, what] : held_) {
    av1::HeldTask& task = *held->Add();
    task.set_task_id(task_id);
    task.set_generation(what.generation);
    task.set_state(what.state);
  }
}

bool SimAgent::Compose(av1::AgentMessage& message) {
  message.Clear();
  if (std::exchange(hello_due_, false)) {
    av1::Hello& hello = *message.mutable_hello();
    hello.set_min_protocol_version(1);
    hello.set_max_protocol_version(1);
    for (const char* feature : kFeatures) hello.add_features(feature);
    hello.set_software_version("bench");
    hello.set_host_name("bench");
    hello.add_capabilities("os:linux");
    for (const std::string& capability : settings_.capabilities) hello.add_capabilities(capability);
    hello.set_slots(settings_.slots);
    hello.set_restarted(restarted_);
    FillHeld(hello.mutable_held());
    return true;
  }
  // What comes before Welcome is not heard.
  if (!welcomed()) return false;
  if (pong_due_.has_value()) {
    message.mutable_pong()->set_number(*pong_due_);
    pong_due_.reset();
    return true;
  }
  if (!probe_reports_.empty() || sent_ < reports_.size()) {
    av1::ReportBatch& batch = *message.mutable_reports();
    for (av1::Report& report : probe_reports_) batch.add_reports()->Swap(&report);
    probe_reports_.clear();
    for (; sent_ < reports_.size() && batch.reports_size() < max_reports_; ++sent_) {
      Fill(reports_[sent_].number, reports_[sent_].report, *batch.add_reports());
    }
    return true;
  }
  if (std::exchange(beat_due_, false)) {
    av1::Heartbeat& beat = *message.mutable_heartbeat();
    beat.set_number(++beats_);
    beat.set_last_assignment(last_assignment_);
    beat.set_slots(draining_ ? 0 : settings_.slots);
    beat.set_draining(draining_);
    FillHeld(beat.mutable_held());
    return true;
  }
  return false;
}

void SimAgent::Take(Stream& stream, av1::HubMessage& message, std::int64_t nanos) {
  std::vector<SettledReport> settled;
  {
    MutexLock lock(mutex_);
    switch (message.body_case()) {
      case av1::HubMessage::kWelcome: {
        const av1::Welcome& welcome = message.welcome();
        if (welcome.limits().max_reports() > 0) max_reports_ = welcome.limits().max_reports();
        interval_nanos_ = NanosOf(welcome.heartbeat_interval());
        next_beat_ = nanos + NanosOf(welcome.heartbeat_offset());
        grace_ = absl::Nanoseconds(NanosOf(welcome.grace()));
        for (const av1::HeldTask& drop : welcome.drop()) held_.erase(drop.task_id());
        welcomed_.store(true, std::memory_order_release);
        break;
      }
      case av1::HubMessage::kAssign:
        TakeAssignments(message.assign());
        break;
      case av1::HubMessage::kAck:
        settled = TakeAck(message.ack());
        break;
      case av1::HubMessage::kReconcile:
        for (const av1::HeldTask& drop : message.reconcile().drop()) held_.erase(drop.task_id());
        break;
      case av1::HubMessage::kCancel:
        // What it holds by then is withdrawn or done: nothing of it runs.
        if (message.cancel().withdrawn()) held_.erase(message.cancel().task_id());
        break;
      case av1::HubMessage::kStatus:
        if (message.status().available()) available_.store(true, std::memory_order_release);
        break;
      case av1::HubMessage::kPing:
        pong_due_ = message.ping().number();
        break;
      default:
        break;
    }
  }
  for (const av1::Assignment& assignment : message.assign().assignments()) {
    if (!assignment.probe()) events_.OnAssignment(*this, assignment, nanos);
  }
  stream.Pump();
  for (const SettledReport& report : settled) events_.OnSettled(*this, report);
}

void SimAgent::Over(const absl::Status& status) {
  bool lost = false;
  welcomed_ = false;
  {
    MutexLock lock(mutex_);
    lost = !cut_;
  }
  if (lost) events_.OnLost(*this, status);
  MutexLock lock(mutex_);
  over_ = true;
  end_ = status;
  changed_.NotifyAll();
}

}  // namespace switchyard::bench
