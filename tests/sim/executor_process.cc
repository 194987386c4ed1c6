#include "tests/sim/executor_process.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "services/executor/agent_convert.h"
#include "services/executor/journal.h"

namespace switchyard::sim {
namespace ex = executor;
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(200);
constexpr absl::Duration kWelcomeTimeout = absl::Seconds(5);
constexpr std::size_t kSeen = 20;
constexpr absl::Duration kKillGrace = absl::Milliseconds(600);

}  // namespace

class ExecutorProcess::FaultyJournal final : public ex::Journal {
 public:
  explicit FaultyJournal(ExecutorProcess& owner) : owner_(owner) {}
  absl::StatusOr<ex::JournalContent> Load() override {
    absl::StatusOr<ex::JournalContent> content = owner_.journal_.Load();
    if (owner_.parts_.forgets_a_report && content.ok() && !content->reports.empty()) content->reports.pop_back();
    return content;
  }
  absl::Status Apply(const ex::JournalChange& change) override {
    if (change.empty()) return absl::OkStatus();
    if (!owner_.gate_.Before().ok()) return Failed();
    absl::Status status = owner_.journal_.Apply(change);
    std::erase_if(owner_.owed_, [&](const auto& entry) {
      return std::find(change.forget.begin(), change.forget.end(), entry.second) != change.forget.end() ||
             std::find(change.acknowledged.begin(), change.acknowledged.end(), entry.first) !=
                 change.acknowledged.end();
    });
    if (!owner_.gate_.After().ok()) return Failed();
    for (const ex::Report& report : change.reports) {
      const bool over = std::find(change.forget.begin(), change.forget.end(), report.key) != change.forget.end();
      if (status.ok() && !over) owner_.owed_[report.number] = report.key;
    }
    return status;
  }

 private:
  static absl::Status Failed() {
    return MakeError(absl::StatusCode::kUnavailable, "JOURNAL_FAILED", "the simulated disk failed");
  }
  ExecutorProcess& owner_;
};

class ExecutorProcess::Checker final : public ex::WorkChecker {
 public:
  absl::Status Check(ex::Assignment&) override { return absl::OkStatus(); }
};

ExecutorProcess::ExecutorProcess(World& world, Network& network, std::string name, int index, Parts parts)
    : Process(world, std::move(name), index), network_(network), parts_(std::move(parts)), gate_(*this) {}
ExecutorProcess::~ExecutorProcess() = default;

void ExecutorProcess::Boot() {
  rng_ = std::make_unique<SimRng>(Mix(Mix(world_.seed(), index()), life()));
  faulty_ = std::make_unique<FaultyJournal>(*this);
  checker_ = std::make_unique<Checker>();
  core_ = std::make_unique<ex::ExecutorCore>(
      *faulty_, *checker_, clock(),
      ex::CoreLimits{.slots = parts_.slots - (parts_.loses_a_slot && life() > 1 ? 1 : 0), .kill_grace = kKillGrace});
  reconnect_ = std::make_unique<ex::Reconnect>(
      parts_.hubs.size(), *rng_, ex::Reconnect::Options{.max = absl::Seconds(8), .superseded = absl::Seconds(4)});
  address_ = reconnect_->first_address();
  dial_at_ = world_.now() + absl::Milliseconds(rng_->Below(200));
  (void)core_->Open();
  LookForForgotten();
  Every(kStep, [this] { Step(); });
  Step();
}

void ExecutorProcess::Die() {
  // What runs dies with its parent.
  for (const auto& [key, run] : runs_) parts_.over(ExecutionOf(key, run.effects));
  runs_.clear();
  sent_.clear();
  confirms_.clear();
  wire_ = nullptr;
  welcomed_ = false;
  core_.reset();
  reconnect_.reset();
}

Execution ExecutorProcess::ExecutionOf(const ex::TaskKey& key, bool effects) const {
  return {.task = *task_queue::TaskId::Parse(key.task_id),
          .generation = key.generation,
          .agent = agent_id(),
          .executor = name(),
          .effects = effects};
}

void ExecutorProcess::LookForForgotten() {
  const std::vector<ex::HeldTask> held = core_->Hello().held;
  for (const auto& [number, key] : owed_) {
    const bool known = std::any_of(held.begin(), held.end(), [&key = key](const ex::HeldTask& task) {
      return task.key == key && task.state == ex::HeldState::kDone;
    });
    if (!known) parts_.forgot(ExecutionOf(key, false));
  }
}

void ExecutorProcess::Acknowledged(std::int64_t through, const std::vector<std::int64_t>& refused) {
  while (!sent_.empty() && sent_.begin()->first <= through) {
    const auto [number, sent] = *sent_.begin();
    sent_.erase(sent_.begin());
    if (std::find(refused.begin(), refused.end(), number) != refused.end()) continue;
    parts_.acknowledged({.task = *task_queue::TaskId::Parse(sent.key.task_id),
                         .generation = sent.key.generation,
                         .agent = agent_id(),
                         .executor = name(),
                         .final = sent.final});
  }
}

std::string ExecutorProcess::Describe() const {
  if (core_ == nullptr) return absl::StrCat(name(), " is down");
  return absl::StrCat(name(), core_->connected() ? " connected" : " not connected", ", holds ", core_->held(),
                      ", runs ", core_->running(), ", has ", core_->unacknowledged(), " reports unacknowledged");
}

void ExecutorProcess::SetDiskFull(bool full) {
  if (core_ == nullptr) return;
  core_->SetDiskFull(full ? "disk full: the simulated one" : "");
  Step();
}

void ExecutorProcess::Leave(absl::Duration down_for) {
  if (!alive()) return;
  core_->Drain();
  Step();
  world_.After(absl::Seconds(1), this, [this] {
    core_->ReleaseAll("the executor stops");
    Step();
  });
  world_.After(absl::Seconds(3), this, [this, down_for] { Doom(down_for); });
}

void ExecutorProcess::Step() {
  if (!alive()) return;
  core_->Tick();
  // Starting may finish at once, and what finishes is said in the same step.
  const ex::Actions actions = core_->Commit();
  if (!alive()) return;
  for (const ex::TaskKey& key : actions.cancel) Cancel(key);
  for (const ex::TaskKey& key : actions.kill) Kill(key);
  for (const ex::Assignment& assignment : actions.start) Begin(assignment);
  for (const ex::Answered& answer : actions.answers) {
    const auto run = runs_.find(answer.key);
    if (run == runs_.end()) continue;
    core_->OnPhase(answer.key, task_queue::v1::PHASE_EXECUTING);
    world_.After(run->second.script.run / 2, this,
                 [this, key = answer.key, number = run->second.number] { Finish(key, number); });
  }
  if (!actions.answers.empty()) (void)core_->Commit();
  if (wire_ == nullptr && world_.now() >= dial_at_) Dial();
  if (wire_ != nullptr && !welcomed_ && world_.now() >= dialled_ + kWelcomeTimeout) {
    wire_->Close(0, absl::OkStatus());
    return Ended(absl::DeadlineExceededError("no welcome"));
  }
  Pump();
}

void ExecutorProcess::Dial() {
  HubProcess& hub = *parts_.hubs[address_];
  dial_at_ = absl::InfiniteFuture();
  dialled_ = world_.now();
  welcomed_ = false;
  retry_after_ = absl::ZeroDuration();
  permanent_ = false;
  goodbye_ = absl::OkStatus();
  wire_ = network_.Open(*this, hub, [this, &hub](std::shared_ptr<Wire> wire) {
    hub.Connect(parts_.agent, wire, [this, wire = wire.get()](agent::v1::HubMessage message) {
      wire->Send(1, [this, wire, message = std::move(message)] { Hear(wire, message); });
    });
  });
  wire_->on_end[0] = [this, wire = wire_.get()](const absl::Status& status) {
    if (wire_.get() == wire) Ended(status);
  };
  agent::v1::AgentMessage message;
  agent::v1::Hello& hello = *message.mutable_hello() = ex::ToHello(core_->Hello());
  hello.set_connection(core_->NextConnection());
  for (const char* feature : {"kind.command", "progress", "phase", "blocked", "confirm", "status"}) {
    hello.add_features(feature);
  }
  for (const std::string& capability : parts_.capabilities) hello.add_capabilities(capability);
  agent::v1::SelfTest& test = *hello.add_self_tests();
  test.set_name("sim");
  test.set_passed(true);
  Falsify(hello);
  Say(std::move(message));
}

void ExecutorProcess::Say(agent::v1::AgentMessage message) {
  Wire* const wire = wire_.get();
  HubProcess& hub = *parts_.hubs[address_];
  wire->Send(0, [&hub, wire, message = std::move(message)] { hub.Hear(wire, message); });
}

template <class Message>
void ExecutorProcess::Falsify(Message& message) {
  const Lie lie = std::exchange(lie_, Lie::kNone);
  if (lie == Lie::kNone) return;
  lied_ = world_.now();
  if (world_.tracing()) world_.Trace(absl::StrCat(name(), lie == Lie::kClaims ? " claims" : " omits"));
  if (lie == Lie::kOmits) return message.clear_held();
  for (const ex::TaskKey& key : seen_) {
    agent::v1::HeldTask& held = *message.add_held();
    held.set_task_id(key.task_id);
    held.set_generation(key.generation);
    held.set_state(agent::v1::HELD_STATE_RUNNING);
  }
}

void ExecutorProcess::Ended(const absl::Status& status) {
  ex::StreamEnd end{.status = status, .retry_after = retry_after_, .permanent = permanent_, .welcomed = welcomed_};
  if (!goodbye_.ok() && ReasonOf(status).empty()) end.status = goodbye_;
  if (welcomed_) core_->OnStreamEnded();
  welcomed_ = false;
  wire_ = nullptr;
  confirms_.clear();
  sent_.clear();
  const ex::NextTry next = reconnect_->After(end);
  if (world_.tracing()) {
    world_.Trace(absl::StrCat(name(), " lost its stream: ", end.status.ToString(), "; again in ",
                              absl::FormatDuration(next.wait), next.stop ? "; STOPS" : ""));
  }
  if (next.stop) return;
  address_ = next.address;
  dial_at_ = world_.now() + next.wait;
}

void ExecutorProcess::Welcome(const agent::v1::Welcome& message) {
  ex::Welcomed welcomed = ex::ToWelcomed(message);
  if (parts_.outlives_its_lease) welcomed.grace = absl::Hours(1);
  core_->OnWelcome(welcomed);
}

void ExecutorProcess::Hear(Wire* wire, const agent::v1::HubMessage& message) {
  if (wire_.get() != wire) return;
  if (welcomed_) core_->OnHeard();
  using agent::v1::HubMessage;
  const HubMessage::BodyCase kind = message.body_case();
  if (!welcomed_ && kind != HubMessage::kWelcome && kind != HubMessage::kGoodbye) return;
  switch (kind) {
    case HubMessage::kWelcome:
      if (welcomed_) break;
      welcomed_ = true;
      Welcome(message.welcome());
      break;
    case HubMessage::kAssign: {
      std::vector<ex::Assignment> assignments;
      for (const agent::v1::Assignment& assignment : message.assign().assignments()) {
        assignments.push_back(ex::ToAssignment(assignment));
        seen_.push_back(assignments.back().key);
        if (seen_.size() > kSeen) seen_.pop_front();
      }
      core_->OnAssign(std::move(assignments));
      break;
    }
    case HubMessage::kAck: {
      std::vector<std::int64_t> refused;
      for (const agent::v1::RefusedReport& report : message.ack().refused()) refused.push_back(report.number());
      Acknowledged(message.ack().through(), refused);
      core_->OnAck(message.ack().through(), refused);
      break;
    }
    case HubMessage::kReconcile:
      core_->OnReconcile(ex::ToKeys(message.reconcile().drop()));
      break;
    case HubMessage::kCancel:
      core_->OnCancel({message.cancel().task_id(), message.cancel().generation()}, message.cancel().reason(),
                      message.cancel().withdrawn());
      break;
    case HubMessage::kAnswer:
      core_->OnAnswer({message.answer().task_id(), message.answer().generation()}, message.answer().text());
      break;
    case HubMessage::kConfirmResult: {
      const auto found = confirms_.find(message.confirm_result().request());
      if (found == confirms_.end()) break;
      core_->OnConfirmation(found->second, message.confirm_result().current()       ? ex::Confirmation::kCurrent
                                           : message.confirm_result().unavailable() ? ex::Confirmation::kUnknown
                                                                                    : ex::Confirmation::kStale);
      confirms_.erase(found);
      break;
    }
    case HubMessage::kDrain:
      retry_after_ = ex::ToDuration(message.drain().reconnect_after());
      wire_->Close(0, absl::OkStatus());
      Ended(absl::UnavailableError("the hub drains"));
      break;
    case HubMessage::kGoodbye:
      retry_after_ = ex::ToDuration(message.goodbye().retry_after());
      permanent_ = message.goodbye().permanent();
      goodbye_ = MakeError(absl::StatusCode::kUnavailable, message.goodbye().reason(), message.goodbye().message());
      break;
    default:
      break;
  }
  Step();
}

void ExecutorProcess::Pump() {
  if (wire_ == nullptr || !welcomed_) return;
  if (const std::optional<ex::HeartbeatFacts> facts = core_->TakeHeartbeat(); facts.has_value()) {
    agent::v1::AgentMessage message;
    *message.mutable_heartbeat() = ex::ToHeartbeat(*facts);
    Falsify(*message.mutable_heartbeat());
    Say(std::move(message));
  }
  for (const ex::TaskKey& key : core_->TakeConfirms()) {
    agent::v1::AgentMessage message;
    message.mutable_confirm()->set_request(++last_confirm_);
    message.mutable_confirm()->set_task_id(key.task_id);
    message.mutable_confirm()->set_generation(key.generation);
    confirms_[last_confirm_] = key;
    Say(std::move(message));
  }
  if (!core_->has_reports()) return;
  agent::v1::AgentMessage message;
  for (const ex::Report& report : core_->TakeReports(20)) {
    if (report.kind == ex::ReportKind::kAccept || ex::IsFinal(report.kind)) {
      sent_[report.number] = {report.key, ex::IsFinal(report.kind)};
    }
    *message.mutable_reports()->add_reports() = ex::ToReport(report);
  }
  Say(std::move(message));
}

void ExecutorProcess::Begin(const ex::Assignment& assignment) {
  agent::v1::Assignment message;
  message.ParseFromString(assignment.payload);
  Run& run = runs_[assignment.key] = {
      .script = Read(message.spec()), .number = ++last_run_, .effects = assignment.beyond_workspace};
  if (world_.tracing()) {
    world_.Trace(absl::StrCat(name(), " runs ", assignment.key.task_id, "#", assignment.key.generation));
  }
  parts_.began(ExecutionOf(assignment.key, run.effects));
  world_.After(run.script.run, this, [this, key = assignment.key, number = run.number] { Finish(key, number); });
}

void ExecutorProcess::Finish(const ex::TaskKey& key, int number) {
  const auto found = runs_.find(key);
  if (found == runs_.end() || found->second.number != number || !alive()) return;
  Run& run = found->second;
  const char outcome = run.script.outcome(key.generation);
  if (!run.cancelled && outcome == 'b' && !std::exchange(run.asked, true)) {
    core_->OnBlocked(key, "QUESTION", "go on?");
    return Step();
  }
  ex::Report end{.kind = ex::ReportKind::kComplete};
  task_queue::v1::TaskResult result;
  result.set_summary(Signature(key.task_id, key.generation, agent_id()));
  result.SerializeToString(&end.result);
  if (run.cancelled || outcome == 'f' || outcome == 'p' || outcome == 'a') {
    end.kind = ex::ReportKind::kFail;
    end.reason = outcome == 'a' ? "AGENT_BROKEN" : "TASK_FAILED";
    end.permanent = outcome == 'p';
    end.agent_fault = outcome == 'a';
  }
  const bool cancelled = run.cancelled;
  parts_.over(ExecutionOf(key, run.effects));
  runs_.erase(found);
  core_->OnFinished(key, std::move(end), cancelled);
  Step();
}

void ExecutorProcess::Cancel(const ex::TaskKey& key) {
  const auto found = runs_.find(key);
  if (found == runs_.end() || std::exchange(found->second.cancelled, true)) return;
  const int number = found->second.number = ++last_run_;
  world_.After(absl::Milliseconds(20 + rng_->Below(500)), this, [this, key, number] { Finish(key, number); });
}

void ExecutorProcess::Kill(const ex::TaskKey& key) {
  const auto found = runs_.find(key);
  if (found == runs_.end()) return;
  found->second.cancelled = true;
  const int number = found->second.number = ++last_run_;
  world_.After(absl::Milliseconds(1), this, [this, key, number] { Finish(key, number); });
}

}  // namespace switchyard::sim
