#include "tests/sim/simulation.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/telemetry/metrics.h"
#include "libs/testing/fake_ids.h"
#include "services/scheduler/scheduler_meter.h"
#include "services/task_queue/in_memory_task_store.h"
#include "tests/sim/client.h"
#include "tests/sim/executor_process.h"
#include "tests/sim/hub_process.h"
#include "tests/sim/invariant.h"
#include "tests/sim/ledger_process.h"
#include "tests/sim/network.h"
#include "tests/sim/observer.h"
#include "tests/sim/scenario.h"
#include "tests/sim/scheduler_process.h"
#include "tests/sim/world.h"

namespace switchyard::sim {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(500);
constexpr absl::Duration kLongest = absl::Minutes(10);
// Before the last wave: breakers, penalties and pauses before reconnecting that faults brought about are over by then.
constexpr absl::Duration kRest = absl::Seconds(25);
constexpr absl::Duration kWaveRun = absl::Seconds(10);
// What is late comes within this.
constexpr absl::Duration kLinger = absl::Seconds(5);

// Shared by all seeds: nobody reads it, and making it takes longer than a short seed.
scheduler::SchedulerMeter& Meter() {
  static auto& metrics = *new telemetry::Metrics;
  static auto& meter = *new scheduler::SchedulerMeter(metrics);
  return meter;
}

class Simulation {
 public:
  explicit Simulation(const RunOptions& options)
      : options_(options),
        scenario_(MakeScenario(options.seed)),
        world_(options.seed, options.trace),
        network_(world_),
        ids_(world_.clock()),
        observed_(stored_),
        mutated_(MutateStore(options.mutant, observed_)),
        rules_(SimRules()),
        invariants_(AllInvariants()) {
    if (options_.faults.has_value()) {
      std::erase_if(scenario_.faults, [&](const Fault& fault) {
        return std::find(options_.faults->begin(), options_.faults->end(), fault.index) == options_.faults->end();
      });
    }
    observed_.OnChange([this](const Change& change) { OnChange(change); });
    MakeProcesses();
    view_ = {.now = world_.now(),
             .start = world_.start(),
             .calm = world_.start() + scenario_.calm,
             .records = &observed_.records(),
             .rules = &rules_,
             .may_wait = [this](const task_queue::TaskId& id) { return client_->may_wait().contains(id); },
             .is_stored = [this](const task_queue::TaskId& id) { return away_ || observed_.IsStored(id); },
             .all_acknowledged = [this] { return client_->all_acknowledged(); },
             .unsettled_executors = [this] { return UnsettledExecutors(); },
             .waits_because = [this](const task_queue::TaskId& id) { return reasons_[id]; },
             .stood_still = [this](const std::string& name,
                                   absl::Time since) { return Find(name)->frozen_until() >= since; },
             .lied = [this](const std::string& name, absl::Time since) { return Find(name)->lied() >= since; }};
    for (const int slots : scenario_.slots) view_.slots += slots;
  }

  Verdict Run() {
    for (const Fault& fault : scenario_.faults) {
      if (fault.kind == FaultKind::kSkewedClock) processes_[fault.target]->SkewClock(fault.lasts, fault.fast);
    }
    for (const auto& process : processes_) process->Start();
    for (const Wish& wish : scenario_.wishes) client_->Want(wish);
    for (const Fault& fault : scenario_.faults) {
      if (fault.kind == FaultKind::kSkewedClock) continue;
      world_.At(world_.start() + fault.at, nullptr, [this, fault] { Inject(fault); });
    }
    world_.At(view_.calm, nullptr, [this] { Heal(); });
    Look();
    while (!over_ && world_.Step(world_.start() + kLongest)) {
    }
    Verdict verdict{.hash = world_.hash(),
                    .events = world_.events(),
                    .took = world_.now() - world_.start(),
                    .cast = scenario_.cast,
                    .faults = scenario_.faults};
    for (const auto& invariant : invariants_) {
      if (invariant->breach().empty()) continue;
      verdict.invariant = std::string(invariant->name());
      verdict.breach = invariant->breach();
      break;
    }
    return verdict;
  }

 private:
  void MakeProcesses() {
    const Cast& cast = scenario_.cast;
    for (int i = 0; i < cast.ledgers; ++i) {
      ledgers_.push_back(Add<LedgerProcess>(
          LedgerProcess::Parts{.rules = MutateRules(options_.mutant, rules_),
                               .store = mutated_ != nullptr ? mutated_.get() : &observed_,
                               .ids = &ids_,
                               .forgets_limits = options_.mutant == Mutant::kForgetsLimits,
                               .believes_everybody = options_.mutant == Mutant::kBelievesEverybody}));
    }
    // Schedulers come before hubs in the order of indexes, and know them all.
    std::vector<HubProcess*> hubs;
    std::vector<std::unique_ptr<Process>> later;
    for (int i = 0; i < cast.hubs; ++i) {
      auto hub = std::make_unique<HubProcess>(
          world_, network_, cast.NameOf(cast.hub(i)), cast.hub(i),
          HubProcess::Parts{.rules = SimHubRules(),
                            .ledgers = ledgers_,
                            .agents = &agents_,
                            .ids = &ids_,
                            .acks_early = options_.mutant == Mutant::kAcksEarly,
                            .redelivers_old_generation = options_.mutant == Mutant::kRedeliversOldGeneration});
      hubs.push_back(hub.get());
      later.push_back(std::move(hub));
    }
    for (int i = 0; i < cast.schedulers; ++i) {
      schedulers_.push_back(AddNetworked<SchedulerProcess>(SchedulerProcess::Parts{
          .ledgers = ledgers_,
          .hubs = hubs,
          .meter = &Meter(),
          .shards = scenario_.shards,
          .blind_for_project = options_.mutant == Mutant::kStarvesAProject ? kStarvedProject : ""}));
    }
    for (auto& hub : later) {
      network_.Add(*hub);
      processes_.push_back(std::move(hub));
    }
    hubs_ = hubs;
    for (int i = 0; i < cast.executors; ++i) {
      const agent_hub::AgentId agent(testing::FakeUuid(world_.start(), 1'000'000 + 7919 * i));
      agent_hub::AgentRecord& record = agents_[agent];
      record.id = agent;
      record.name = cast.NameOf(cast.executor(i));
      record.probe.state = agent_hub::ProbeState::kPassed;
      executors_.push_back(AddNetworked<ExecutorProcess>(
          ExecutorProcess::Parts{.hubs = hubs_,
                                 .agent = agent,
                                 .slots = scenario_.slots[i],
                                 .capabilities = {},
                                 .loses_a_slot = options_.mutant == Mutant::kLosesASlot,
                                 .forgets_a_report = options_.mutant == Mutant::kForgetsAReport,
                                 .outlives_its_lease = options_.mutant == Mutant::kOutlivesItsLease,
                                 .began = Teller(&Invariant::OnBegin),
                                 .over = Teller(&Invariant::OnOver),
                                 .forgot = Teller(&Invariant::OnForgotten),
                                 .acknowledged = Teller(&Invariant::OnReportAcknowledged)}));
    }
    auto client = std::make_unique<Client>(world_, network_, cast.client(), ledgers_, observed_,
                                           [this](const task_queue::TaskId& id, const std::string& request) {
                                             last_acknowledged_ = id;
                                             view_.now = world_.now();
                                             for (const auto& invariant : invariants_)
                                               invariant->OnAcknowledged(view_, id, request);
                                           });
    client_ = client.get();
    network_.Add(*client);
    processes_.push_back(std::move(client));
  }

  // Passes on to all invariants what happens.
  template <class What>
  std::function<void(const What&)> Teller(void (Invariant::*tell)(const View&, const What&)) {
    return [this, tell](const What& what) {
      view_.now = world_.now();
      for (const auto& invariant : invariants_) {
        (invariant.get()->*tell)(view_, what);
        over_ = over_ || !invariant->breach().empty();
      }
    };
  }

  const ExecutorProcess* Find(const std::string& executor) const {
    return *std::find_if(executors_.begin(), executors_.end(),
                         [&](const ExecutorProcess* one) { return one->name() == executor; });
  }

  template <class P>
  P* Keep(std::unique_ptr<P> process) {
    network_.Add(*process);
    P* const raw = process.get();
    processes_.push_back(std::move(process));
    return raw;
  }
  template <class P>
  P* Add(typename P::Parts parts) {
    const int index = static_cast<int>(processes_.size());
    return Keep(std::make_unique<P>(world_, scenario_.cast.NameOf(index), index, std::move(parts)));
  }
  template <class P>
  P* AddNetworked(typename P::Parts parts) {
    const int index = static_cast<int>(processes_.size());
    return Keep(std::make_unique<P>(world_, network_, scenario_.cast.NameOf(index), index, std::move(parts)));
  }

  Gate* GateOf(int index) {
    const Cast& cast = scenario_.cast;
    if (index < cast.scheduler(0)) return &ledgers_[index]->gate();
    if (index < cast.hub(0)) return &schedulers_[index - cast.scheduler(0)]->gate();
    if (index < cast.executor(0)) return &hubs_[index - cast.hub(0)]->gate();
    if (index < cast.client()) return &executors_[index - cast.executor(0)]->gate();
    return nullptr;
  }

  void Inject(const Fault& fault) {
    if (world_.tracing()) world_.Trace(absl::StrCat("FAULT ", Describe(fault, scenario_.cast)));
    world_.Mark(static_cast<std::uint64_t>(fault.index) + 1000);
    Process& target = *processes_[fault.target];
    const absl::Time until = world_.now() + fault.lasts;
    Gate& gate = *GateOf(fault.target == scenario_.cast.client() ? 0 : fault.target);
    ExecutorProcess* const executor =
        fault.target >= scenario_.cast.executor(0) && fault.target < scenario_.cast.client()
            ? executors_[fault.target - scenario_.cast.executor(0)]
            : nullptr;
    switch (fault.kind) {
      case FaultKind::kCrash:
      case FaultKind::kCrashQuietly:
        if (options_.mutant == Mutant::kLosesATask && fault.target < scenario_.cast.ledgers &&
            last_acknowledged_.has_value()) {
          observed_.Lose(*last_acknowledged_);
        }
        return target.Crash(fault.lasts, fault.kind == FaultKind::kCrashQuietly);
      case FaultKind::kCrashBeforeCall:
        return gate.Arm(Fate::kCrashBefore, fault.skip, fault.lasts);
      case FaultKind::kCrashAfterCall:
        return gate.Arm(Fate::kCrashAfter, fault.skip, fault.lasts);
      case FaultKind::kFailCall:
        return gate.Arm(Fate::kFail, fault.skip, fault.lasts);
      case FaultKind::kLoseAnswer:
        return gate.Arm(Fate::kLoseAnswer, fault.skip, fault.lasts);
      case FaultKind::kFreeze:
        return target.Freeze(until);
      case FaultKind::kCutStreams:
        return network_.CutStreamsOf(fault.target);
      case FaultKind::kStorm:
        for (ExecutorProcess* const one : executors_) network_.CutStreamsOf(one->index());
        return;
      case FaultKind::kPartition:
        network_.Block(fault.other, fault.target, until);
        return network_.Block(fault.target, fault.other, until);
      case FaultKind::kPartitionOneWay:
        return network_.Block(fault.target, fault.other, until);
      case FaultKind::kSlowLink:
        return network_.Slow(fault.target, fault.other, until, fault.lasts / 8);
      case FaultKind::kDropMessage:
        return network_.DropNext(fault.target, fault.other);
      case FaultKind::kRepeatCall:
        return network_.RepeatNext(fault.target, fault.other);
      case FaultKind::kHoldMessage:
        return network_.HoldNext(fault.target, fault.other, fault.lasts / 2);
      case FaultKind::kDatabaseAway:
        ++away_;
        observed_.SetAway(true);
        return world_.At(until, nullptr, [this] {
          if (--away_ == 0) observed_.SetAway(false);
        });
      case FaultKind::kClaimTooMuch:
        return executor->LieNext(Lie::kClaims);
      case FaultKind::kOmitHeld:
        return executor->LieNext(Lie::kOmits);
      case FaultKind::kDiskFull:
        executor->SetDiskFull(true);
        return world_.At(until, nullptr, [executor] { executor->SetDiskFull(false); });
      case FaultKind::kLeave:
        return executor->Leave(fault.lasts);
      case FaultKind::kSkewedClock:
        return;
    }
  }

  void Heal() {
    if (world_.tracing()) world_.Trace("CALM from here on");
    network_.Heal();
    for (int i = 0; i < scenario_.cast.client(); ++i) GateOf(i)->Disarm();
    for (ExecutorProcess* const executor : executors_) executor->LieNext(Lie::kNone);
  }

  void OnChange(const Change& change) {
    const task_queue::TaskRecord& after = *change.after;
    world_.Mark(MixText(static_cast<std::uint64_t>(after.revision), after.id.ToString()) +
                static_cast<std::uint64_t>(after.state));
    if (world_.tracing()) {
      const std::string cause = after.timeline.empty() ? "" : after.timeline.back().cause;
      world_.Trace(absl::StrCat("  ", Describe(after), cause.empty() ? "" : " ", cause));
    }
    view_.now = world_.now();
    for (const auto& invariant : invariants_) {
      invariant->OnChange(view_, change);
      over_ = over_ || !invariant->breach().empty();
    }
  }

  std::string UnsettledExecutors() const {
    for (const ExecutorProcess* const executor : executors_) {
      if (!executor->quiet()) return executor->Describe();
    }
    return "";
  }

  bool AllSettled() const {
    for (const auto& [id, record] : observed_.records()) {
      if (!IsSettled(record) && !client_->may_wait().contains(id)) return false;
    }
    return client_->all_acknowledged() && UnsettledExecutors().empty();
  }

  // Tasks that nobody can do wait for a reason, and schedulers can say it.
  void AskWhy() {
    for (const auto& [id, record] : observed_.records()) {
      if (IsSettled(record)) continue;
      scheduler::v1::ExplainTaskRequest request;
      request.set_task_id(id.ToString());
      for (SchedulerProcess* const process : schedulers_) {
        if (process->core() == nullptr) continue;
        process->core()->Explain(request, {.timeout = absl::Seconds(1), .idempotent = true, .trace = {}},
                                 [this, id = id](const absl::StatusOr<scheduler::v1::ExplainTaskResponse>& answer) {
                                   if (answer.ok()) reasons_[id] = scheduler::v1::WaitReason_Name(answer->reason());
                                 });
      }
    }
  }

  // Every half second: what invariants say to time, and whether the run is over.
  void Look() {
    view_.now = world_.now();
    for (const auto& invariant : invariants_) {
      invariant->OnTime(view_);
      over_ = over_ || !invariant->breach().empty();
    }
    if (world_.now() >= view_.calm + kRest && AllSettled()) {
      if (!waved_) {
        waved_ = true;
        for (int i = 0; i < view_.slots; ++i) {
          Wish wish;
          wish.spec.set_lane(task_queue::v1::LANE_URGENT);
          wish.spec.set_project("wave");
          Write(Script{.run = kWaveRun}, wish.spec);
          client_->Want(std::move(wish));
        }
      } else if (!settled_since_.has_value()) {
        settled_since_ = world_.now();
        AskWhy();
      } else if (world_.now() - *settled_since_ >= kLinger) {
        for (const auto& invariant : invariants_) invariant->AtEnd(view_);
        over_ = true;
      }
    }
    world_.After(kLook, nullptr, [this] { Look(); });
  }

  const RunOptions options_;
  Scenario scenario_;
  World world_;
  Network network_;
  testing::FakeIdSource ids_;
  task_queue::InMemoryTaskStore stored_;
  ObservedStore observed_;
  const std::unique_ptr<task_queue::TaskStore> mutated_;
  const task_queue::Rules rules_;
  AgentShelf agents_;
  std::vector<std::unique_ptr<Invariant>> invariants_;
  View view_;
  int away_ = 0;
  std::optional<task_queue::TaskId> last_acknowledged_;
  std::map<task_queue::TaskId, std::string> reasons_;
  bool waved_ = false;
  std::optional<absl::Time> settled_since_;
  bool over_ = false;

  std::vector<std::unique_ptr<Process>> processes_;
  std::vector<LedgerProcess*> ledgers_;
  std::vector<SchedulerProcess*> schedulers_;
  std::vector<HubProcess*> hubs_;
  std::vector<ExecutorProcess*> executors_;
  Client* client_ = nullptr;
};

}  // namespace

Verdict RunSeed(const RunOptions& options) { return Simulation(options).Run(); }

}  // namespace switchyard::sim
