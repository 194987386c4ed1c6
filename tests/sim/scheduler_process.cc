#include "tests/sim/scheduler_process.h"

#include <algorithm>
#include <map>
#include <utility>

#include "tests/sim/hub_process.h"
#include "tests/sim/ledger_choice.h"

namespace switchyard::sim {
namespace {

constexpr absl::Duration kUpkeep = absl::Milliseconds(100);
constexpr absl::Duration kLease = absl::Milliseconds(500);
constexpr absl::Duration kFirstPause = absl::Milliseconds(50);
constexpr absl::Duration kLongestPause = absl::Seconds(2);

}  // namespace

class SchedulerProcess::Wires final : public scheduler::SchedulerWires {
 public:
  explicit Wires(SchedulerProcess& owner) : owner_(owner), ledger_(owner.parts_.ledgers, owner.index()) {}

  // Whatever is asked from now on stays in the process; what is open is answered, so that the core can go.
  void Cut() {
    cut_ = true;
    while (!open_.empty()) {
      auto first = open_.extract(open_.begin());
      first.mapped()();
    }
  }

  absl::StatusOr<task_queue::v1::AcquireShardsResponse> AcquireShards(
      const task_queue::v1::AcquireShardsRequest& request, absl::Duration) override {
    if (!Through()) return Gone();
    LedgerProcess& ledger = ledger_.Get();
    absl::StatusOr<task_queue::v1::AcquireShardsResponse> response =
        owner_.network_.CallNow<task_queue::v1::AcquireShardsResponse>(owner_, ledger,
                                                                       [&] { return ledger.AcquireShards(request); });
    ledger_.Heard(response.status());
    return response;
  }
  void AssignTasks(task_queue::v1::AssignTasksRequest request, absl::Duration timeout,
                   Answer<task_queue::v1::AssignTasksResponse> done) override {
    Ask<task_queue::v1::AssignTasksResponse>(
        timeout, [request = std::move(request)](LedgerProcess& ledger) { return ledger.AssignTasks(request); },
        std::move(done));
  }
  void ReportTasks(task_queue::v1::ReportTasksRequest request, absl::Duration timeout,
                   Answer<task_queue::v1::ReportTasksResponse> done) override {
    Ask<task_queue::v1::ReportTasksResponse>(
        timeout, [request = std::move(request)](LedgerProcess& ledger) { return ledger.ReportTasks(request); },
        std::move(done));
  }
  // No task of the simulation needs a route.
  void HoldTasks(task_queue::v1::HoldTasksRequest, absl::Duration,
                 Answer<task_queue::v1::HoldTasksResponse> done) override {
    Refuse(Open(std::move(done)));
  }
  void ReadReady(task_queue::v1::ReadReadyRequest request, absl::Duration timeout,
                 Answer<task_queue::v1::ReadReadyResponse> done) override {
    Ask<task_queue::v1::ReadReadyResponse>(
        timeout,
        [project = owner_.parts_.blind_for_project, request = std::move(request)](LedgerProcess& ledger) {
          absl::StatusOr<task_queue::v1::ReadReadyResponse> response = ledger.ReadReady(request);
          if (response.ok()) Blind(project, *response->mutable_tasks());
          return response;
        },
        std::move(done));
  }
  void DescribeTask(task_queue::v1::DescribeTaskRequest request, const rpc::CallOptions& options,
                    Answer<task_queue::v1::DescribeTaskResponse> done) override {
    Ask<task_queue::v1::DescribeTaskResponse>(
        options.timeout, [request = std::move(request)](LedgerProcess& ledger) { return ledger.DescribeTask(request); },
        std::move(done));
  }
  void Dispatch(int hub, agent::v1::DispatchRequest request, absl::Duration timeout,
                Answer<agent::v1::DispatchResponse> done) override {
    Answer<agent::v1::DispatchResponse> answer = Open(std::move(done));
    if (!Through()) return Refuse(std::move(answer));
    HubProcess& process = *owner_.parts_.hubs[hub];
    owner_.network_.Call<agent::v1::DispatchResponse>(
        owner_, process, timeout, [&process, request = std::move(request)] { return process.Dispatch(request); },
        std::move(answer));
  }

  std::unique_ptr<scheduler::Feed> WatchReady(ReadyEvents events) override;
  std::unique_ptr<scheduler::Feed> WatchCapacity(int hub, CapacityEvents events) override;

  std::string ledger_address() const override { return "ledger"; }
  int hubs() const override { return static_cast<int>(owner_.parts_.hubs.size()); }
  std::string hub_address(int hub) const override { return owner_.parts_.hubs[hub]->name(); }

 private:
  template <class Request, class Response>
  class WireFeed;

  bool Through() {
    if (cut_ || !owner_.gate_.Before().ok()) return false;
    (void)owner_.gate_.After();
    return true;
  }
  // A call that fails is answered too; that of a process that ends, by Cut.
  template <class Response>
  void Refuse(Answer<Response> answer) {
    if (cut_) return;
    owner_.world_.After(absl::ZeroDuration(), &owner_, [answer = std::move(answer)] { answer(Gone()); });
  }
  // Answered once, by the network or by Cut.
  template <class Response>
  Answer<Response> Open(Answer<Response> done) {
    const std::uint64_t number = ++last_;
    // Shared by the two ways to an answer.
    auto shared = std::make_shared<Answer<Response>>(std::move(done));
    open_[number] = [shared] { (*shared)(absl::CancelledError("the process ends")); };
    return [this, number, shared](absl::StatusOr<Response> response) {
      if (open_.erase(number) > 0) (*shared)(std::move(response));
    };
  }
  template <class Response>
  void Ask(absl::Duration timeout, std::function<absl::StatusOr<Response>(LedgerProcess&)> serve,
           Answer<Response> done) {
    Answer<Response> answer = Open(std::move(done));
    if (!Through()) return Refuse(std::move(answer));
    LedgerProcess& ledger = ledger_.Get();
    owner_.network_.Call<Response>(
        owner_, ledger, timeout, [&ledger, serve = std::move(serve)] { return serve(ledger); },
        [this, answer = std::move(answer)](absl::StatusOr<Response> response) {
          ledger_.Heard(response.status());
          answer(std::move(response));
        });
  }
  static void Blind(const std::string& project, google::protobuf::RepeatedPtrField<task_queue::v1::ReadyTask>& tasks) {
    if (project.empty()) return;
    tasks.erase(std::remove_if(tasks.begin(), tasks.end(),
                               [&](const task_queue::v1::ReadyTask& task) { return task.project() == project; }),
                tasks.end());
  }

  SchedulerProcess& owner_;
  LedgerChoice ledger_;
  bool cut_ = false;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, std::function<void()>> open_;
};

// As rpc::ResumingStream, on virtual time.
template <class Request, class Response>
class SchedulerProcess::Wires::WireFeed final : public scheduler::Feed {
 public:
  // Opens a wire, on which the other side says `deliver` over and over.
  using Deliver = std::function<void(Response)>;
  using Connect = std::function<std::shared_ptr<Wire>(const Request&, Deliver)>;

  WireFeed(SchedulerProcess& owner, Connect connect, Events<Request, Response> events)
      : state_(std::make_shared<State>(owner, std::move(connect), std::move(events))) {}
  ~WireFeed() override { Stop(); }

  void Start() override { Open(state_); }
  void Reopen() override {
    if (state_->wire != nullptr) state_->wire->Close(0, absl::OkStatus());
    Ended(state_, absl::CancelledError("opened again"), true);
  }
  void Stop() override {
    state_->stopped = true;
    if (state_->wire != nullptr) state_->wire->Close(0, absl::OkStatus());
    state_->wire = nullptr;
  }

 private:
  struct State {
    State(SchedulerProcess& owner, Connect connect, Events<Request, Response> events)
        : owner(owner), connect(std::move(connect)), events(std::move(events)) {}
    SchedulerProcess& owner;
    const Connect connect;
    const Events<Request, Response> events;
    std::shared_ptr<Wire> wire;
    int number = 0;
    bool stopped = false;
    absl::Duration pause = kFirstPause;
  };

  static void Open(const std::shared_ptr<State>& state) {
    if (state->stopped) return;
    const int number = ++state->number;
    state->wire = state->connect(state->events.on_open(), [state, number](Response response) {
      if (state->stopped || state->number != number) return;
      state->pause = kFirstPause;
      state->events.on_message(response);
    });
    state->wire->on_end[0] = [state, number](const absl::Status& status) {
      if (state->number == number) Ended(state, status, false);
    };
  }
  static void Ended(const std::shared_ptr<State>& state, const absl::Status& status, bool hurry) {
    if (state->stopped || state->wire == nullptr) return;
    state->wire = nullptr;
    ++state->number;
    // Never from within an event of the same stream.
    state->owner.world_.After(absl::ZeroDuration(), &state->owner, [state, status, hurry] {
      if (state->stopped) return;
      state->events.on_end(status);
      const absl::Duration wait = hurry ? absl::ZeroDuration() : state->pause * (0.5 + 0.5 * state->owner.rng_->Unit());
      if (!hurry) state->pause = std::min(kLongestPause, state->pause * 2);
      state->owner.world_.After(wait, &state->owner, [state] { Open(state); });
    });
  }

  const std::shared_ptr<State> state_;
};

std::unique_ptr<scheduler::Feed> SchedulerProcess::Wires::WatchReady(ReadyEvents events) {
  using Request = task_queue::v1::WatchReadyRequest;
  using Response = task_queue::v1::WatchReadyResponse;
  return std::make_unique<WireFeed<Request, Response>>(
      owner_,
      [this](const Request& request, std::function<void(Response)> deliver) {
        LedgerProcess& ledger = ledger_.Get();
        if (ledger.frozen_until() > owner_.world_.now() || !ledger.up()) ledger_.Heard(Gone());
        auto shared = std::make_shared<std::function<void(Response)>>(std::move(deliver));
        return owner_.network_.Open(
            owner_, ledger,
            [&ledger, request, shared, project = owner_.parts_.blind_for_project](std::shared_ptr<Wire> wire) {
              ledger.WatchReady(request, wire, [project, wire = wire.get(), shared](Response response) {
                Blind(project, *response.mutable_tasks());
                wire->Send(1, [shared, response = std::move(response)] { (*shared)(response); });
              });
            });
      },
      std::move(events));
}

std::unique_ptr<scheduler::Feed> SchedulerProcess::Wires::WatchCapacity(int hub, CapacityEvents events) {
  using Request = agent::v1::WatchCapacityRequest;
  using Response = agent::v1::WatchCapacityResponse;
  return std::make_unique<WireFeed<Request, Response>>(
      owner_,
      [this, hub](const Request&, std::function<void(Response)> deliver) {
        HubProcess& process = *owner_.parts_.hubs[hub];
        auto shared = std::make_shared<std::function<void(Response)>>(std::move(deliver));
        return owner_.network_.Open(owner_, process, [&process, shared](std::shared_ptr<Wire> wire) {
          process.Watch(wire, [wire = wire.get(), shared](Response response) {
            wire->Send(1, [shared, response = std::move(response)] { (*shared)(response); });
          });
        });
      },
      std::move(events));
}

SchedulerProcess::SchedulerProcess(World& world, Network& network, std::string name, int index, Parts parts)
    : Process(world, std::move(name), index), network_(network), parts_(std::move(parts)), gate_(*this) {}
SchedulerProcess::~SchedulerProcess() {
  if (core_ != nullptr) Die();
}

void SchedulerProcess::Boot() {
  rng_ = std::make_unique<SimRng>(Mix(Mix(world_.seed(), index()), life()));
  scheduler::SchedulerOptions options;
  options.id = name() + "-" + std::to_string(life());
  options.shards = parts_.shards;
  options.sweep_interval = absl::Seconds(10);
  options.call_timeout = absl::Seconds(5);
  core_ = std::make_unique<scheduler::Scheduler>(
      options, scheduler::Scheduler::Deps{.clock = clock(), .rng = *rng_, .routes = routes_, .meter = *parts_.meter});
  auto wires = std::make_unique<Wires>(*this);
  wires_ = wires.get();
  core_->Connect(std::move(wires));
  Every(kLease, [this] { (void)core_->RenewShards(); });
  Every(kUpkeep, [this] { core_->Upkeep(); });
}

void SchedulerProcess::Die() {
  wires_->Cut();
  core_.reset();
}

}  // namespace switchyard::sim
