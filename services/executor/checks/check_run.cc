#include "services/executor/checks/check_run.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"
#include "services/executor/checks/program_result.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::size_t kBodyBytes = std::size_t{1} << 20;

const std::vector<std::string>* ProgramOf(const Check& check) {
  if (const auto* test = std::get_if<TestPasses>(&check)) return &test->argv;
  if (const auto* command = std::get_if<CommandSucceeds>(&check)) return &command->argv;
  return nullptr;
}

constexpr std::string_view kStarved = "not made: the executor was busy until the time for all checks was over";

ProgramRequest ToProgram(const CheckRequest& request, const std::vector<std::string>& argv) {
  ProgramRequest program;
  program.task_id = request.task_id;
  program.generation = request.generation;
  program.argv = argv;
  program.folder = request.place.folder;
  program.network = request.network;
  program.inside_only = request.inside_only;
  return program;
}

}  // namespace

struct Checker::Shared {
  Programs& programs;
  http::HttpTransport* const http;
  const Clock& clock;
  Executor& slow;
  const Limits limits;
  std::unique_ptr<PeriodicTask> ticker = nullptr;
  Mutex mutex = {};
  CondVar ended = {};
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  // Under way; shared with their handles and with what they wait for.
  std::vector<std::shared_ptr<Run>> runs ABSL_GUARDED_BY(mutex) = {};
};

// Shared by its handle, the list of runs and whatever it waits for.
class Checker::Run final : public RunObserver, public std::enable_shared_from_this<Run> {
 public:
  Run(Shared& shared, CheckRequest request, CheckObserver& observer)
      : shared_(shared), request_(std::move(request)), observer_(observer), results_(request_.steps.size()) {
    for (const bool programs : {false, true}) {
      for (std::size_t i = 0; i < request_.steps.size(); ++i) {
        if (NeedsProgram(request_.steps[i].check) == programs) order_.push_back(i);
      }
    }
  }

  void Begin() {
    {
      MutexLock lock(shared_.mutex);
      shared_.runs.push_back(shared_from_this());
      if (shared_.stopped) Request(CheckEnd::kStopped, /*kill=*/true);
    }
    const absl::Duration most = shared_.limits.all_time;
    {
      MutexLock lock(mutex_);
      end_ = shared_.clock.Now() + (request_.time > absl::ZeroDuration() ? std::min(request_.time, most) : most);
      said_ = shared_.clock.Now();
    }
    Next();
  }

  // Asks for the end.
  void End(CheckEnd why, bool kill) {
    Request(why, kill);
    RunId program = 0;
    http::HttpCallId call = 0;
    {
      MutexLock lock(mutex_);
      if (over_) return;
      program = program_;
      call = call_;
    }
    if (program != 0) EndProgram(program);
    if (call != 0) shared_.http->Cancel(call);
  }

  void Tick(absl::Time now) {
    std::string message;
    {
      MutexLock lock(mutex_);
      if (over_ || at_ >= order_.size() || now < said_ + shared_.limits.progress_every) return;
      said_ = now;
      message = absl::StrCat("check ", at_ + 1, " of ", order_.size(), ", ", ToAbsl(CheckName(Current().check)),
                             ", for ", absl::FormatDuration(absl::Trunc(now - begun_, absl::Seconds(1))));
    }
    MutexLock calling(calls_);
    if (!over()) observer_.OnProgress(std::move(message));
  }

  // RunObserver, of the program under way.
  void OnStarted() override {}
  void OnLog(LogChunk chunk) override {
    MutexLock calling(calls_);
    if (!over()) observer_.OnLog(std::move(chunk));
  }
  void OnEnded(Evidence evidence) override {
    const std::shared_ptr<Run> self = shared_from_this();
    if (evidence.reason == "EXECUTOR_STOPPED") Request(CheckEnd::kStopped, /*kill=*/true);
    std::size_t at = 0;
    {
      MutexLock lock(mutex_);
      at = at_;
    }
    Done(at, ToStepResult(request_.steps[order_[at]], evidence));
  }

 private:
  bool over() {
    MutexLock lock(mutex_);
    return over_;
  }
  const Step& Current() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return request_.steps[order_[at_]]; }

  void Request(CheckEnd why, bool kill) {
    MutexLock lock(mutex_);
    if (ending_ == CheckEnd::kDone) ending_ = why;
    kill_ = kill_ || kill;
    stop_ = true;
  }

  void EndProgram(RunId program) {
    bool kill = false;
    {
      MutexLock lock(mutex_);
      kill = kill_;
    }
    if (kill) {
      shared_.programs.Kill(program);
    } else {
      shared_.programs.Cancel(program);
    }
  }

  // Makes the next step, or ends.
  void Next() {
    std::size_t at = 0;
    absl::Time until;
    bool more = false;
    {
      MutexLock lock(mutex_);
      const absl::Time now = shared_.clock.Now();
      if (ending_ == CheckEnd::kDone && now >= end_) {
        for (; at_ < order_.size(); ++at_) {
          results_[order_[at_]] =
              starved_ ? Result(StepStatus::kError, kStarved)
                       : Result(StepStatus::kTimedOut, "the time for all checks was over before this one");
        }
      }
      more = ending_ == CheckEnd::kDone && at_ < order_.size();
      if (more) {
        at = at_;
        begun_ = now;
        until = std::min(end_, now + TimeOf(Current()));
      } else {
        over_ = true;
      }
    }
    if (!more) return Finish();
    const Step& step = request_.steps[order_[at]];
    if (const std::vector<std::string>* argv = ProgramOf(step.check)) {
      RunProgram(at, *argv, until);
    } else if (const auto* http = std::get_if<HttpOk>(&step.check)) {
      Ask(at, *http, until);
    } else {
      LookLater(at);
    }
  }

  absl::Duration TimeOf(const Step& step) const {
    if (step.timeout > absl::ZeroDuration()) return step.timeout;
    if (NeedsProgram(step.check)) return shared_.limits.all_time;
    return std::holds_alternative<HttpOk>(step.check) ? shared_.limits.http_time : shared_.limits.look_time;
  }

  void RunProgram(std::size_t at, const std::vector<std::string>& argv, absl::Time until) {
    ProgramRequest program = ToProgram(request_, argv);
    program.time = std::max(until - shared_.clock.Now(), absl::Milliseconds(1));
    const absl::StatusOr<StartedProgram> started = shared_.programs.Start(program, *this);
    if (!started.ok()) {
      const std::string reason = ReasonOf(started.status());
      if (reason == "SHUTTING_DOWN") Request(CheckEnd::kStopped, /*kill=*/true);
      StepResult result = Result(StepStatus::kError, absl::StrCat(reason, ": ", started.status().message()));
      if (!reason.empty()) result.facts["reason"] = reason;
      return Done(at, std::move(result));
    }
    bool end = false;
    {
      MutexLock lock(mutex_);
      // Its end may have been heard already.
      if (at_ != at || over_) return;
      program_ = started->id;
      end = stop_;
    }
    if (end) EndProgram(started->id);
  }

  void LookLater(std::size_t at) {
    const absl::Status queued = shared_.slow.Run([self = shared_from_this(), at] {
      absl::Time until;
      bool late = false;
      {
        // The step's time begins now: what it waited for others says nothing about the work.
        MutexLock lock(self->mutex_);
        const absl::Time now = self->shared_.clock.Now();
        self->begun_ = now;
        until = std::min(self->end_, now + self->TimeOf(self->request_.steps[self->order_[at]]));
        late = now >= self->end_ && self->ending_ == CheckEnd::kDone;
        self->starved_ = late;
      }
      if (late) return self->Done(at, Result(StepStatus::kError, kStarved));
      const Patience patience(self->shared_.clock, until, self->stop_);
      const Limits& limits = self->shared_.limits;
      self->Done(
          at,
          LookAt(self->request_.steps[self->order_[at]].check, self->request_.place,
                 {.file_bytes = limits.file_bytes, .scan_bytes = limits.scan_bytes, .scan_files = limits.scan_files},
                 patience));
    });
    if (!queued.ok()) Done(at, Result(StepStatus::kError, absl::StrCat("the executor is busy: ", queued.message())));
  }

  void Ask(std::size_t at, const HttpOk& check, absl::Time until) {
    if (shared_.http == nullptr) return Done(at, Result(StepStatus::kError, "this executor asks no servers"));
    http::HttpRequest request;
    request.url = check.url;
    request.max_body_bytes = kBodyBytes;
    const absl::Duration time = std::max(until - shared_.clock.Now(), absl::Milliseconds(1));
    request.timeouts = {.connect = time, .first_byte = time, .idle = time, .total = time};
    // The status is all that is wanted: whatever would follow it is left unread.
    auto status = std::make_shared<int>(0);  // Shared by both callbacks.
    http::HttpCallbacks callbacks;
    callbacks.on_head = [status](const http::HttpHead& head) {
      *status = head.status;
      return false;
    };
    callbacks.on_done = [self = shared_from_this(), at, status](const http::HttpOutcome& outcome) {
      const int seen = *status != 0 ? *status : outcome.head.status;
      self->Done(at, ToStepResult(std::get<HttpOk>(self->request_.steps[self->order_[at]].check), outcome, seen));
    };
    const absl::StatusOr<http::HttpCallId> call = shared_.http->Send(std::move(request), std::move(callbacks));
    if (!call.ok()) {
      return Done(at, Result(StepStatus::kError, absl::StrCat("not asked: ", call.status().message())));
    }
    bool end = false;
    {
      MutexLock lock(mutex_);
      if (at_ != at || over_) return;
      call_ = *call;
      end = stop_;
    }
    if (end) shared_.http->Cancel(*call);
  }

  void Done(std::size_t at, StepResult result) {
    const std::size_t step = order_[at];
    {
      MutexLock lock(mutex_);
      if (over_ || at_ != at) return;
      // Ended by us, it says nothing about the work.
      if (ending_ != CheckEnd::kDone && result.status != StepStatus::kPassed && result.status != StepStatus::kFailed) {
        result = {.status = StepStatus::kSkipped, .evidence = "the work ended before the check had"};
      }
      const absl::Time now = shared_.clock.Now();
      result.duration = now - begun_;
      said_ = now;
      program_ = 0;
      call_ = 0;
      results_[step] = result;
      ++at_;
    }
    {
      MutexLock calling(calls_);
      observer_.OnStep(static_cast<int>(step), result);
    }
    Next();
  }

  void Finish() {
    const std::shared_ptr<Run> self = shared_from_this();
    CheckEnd end = CheckEnd::kDone;
    std::vector<StepResult> results;
    {
      MutexLock lock(mutex_);
      for (; at_ < order_.size(); ++at_) results_[order_[at_]].evidence = "not made: the work ended before";
      // Asked for too late to change anything.
      const bool complete = std::none_of(results_.begin(), results_.end(), [](const StepResult& result) {
        return result.status == StepStatus::kSkipped;
      });
      end = complete ? CheckEnd::kDone : ending_;
      results = std::move(results_);
    }
    {
      MutexLock calling(calls_);
      observer_.OnEnded(end, std::move(results));
    }
    MutexLock lock(shared_.mutex);
    std::erase(shared_.runs, self);
    shared_.ended.NotifyAll();
  }

  Shared& shared_;
  const CheckRequest request_;
  CheckObserver& observer_;
  // Indexes of steps, as they are made.
  std::vector<std::size_t> order_;
  std::atomic<bool> stop_{false};
  // Held while the observer is called; taken before mutex_.
  Mutex calls_;
  Mutex mutex_;
  std::vector<StepResult> results_ ABSL_GUARDED_BY(mutex_);
  // Of order_: the one under way.
  std::size_t at_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time begun_ ABSL_GUARDED_BY(mutex_);
  absl::Time end_ ABSL_GUARDED_BY(mutex_);
  absl::Time said_ ABSL_GUARDED_BY(mutex_);
  RunId program_ ABSL_GUARDED_BY(mutex_) = 0;
  http::HttpCallId call_ ABSL_GUARDED_BY(mutex_) = 0;
  CheckEnd ending_ ABSL_GUARDED_BY(mutex_) = CheckEnd::kDone;
  bool kill_ ABSL_GUARDED_BY(mutex_) = false;
  // The time went by while a step waited for its turn.
  bool starved_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

class Checker::Handle final : public CheckRun {
 public:
  explicit Handle(std::shared_ptr<Run> run) : run_(std::move(run)) {}
  void Start() override {
    // The end may destroy this.
    const std::shared_ptr<Run> run = run_;
    run->Begin();
  }
  void Cancel() override { run_->End(CheckEnd::kCancelled, /*kill=*/false); }
  void Kill() override { run_->End(CheckEnd::kCancelled, /*kill=*/true); }

 private:
  const std::shared_ptr<Run> run_;
};

Checker::Checker(Programs& programs, http::HttpTransport* http, const Clock& clock, Executor& slow, Limits limits)
    : shared_(new Shared{.programs = programs, .http = http, .clock = clock, .slow = slow, .limits = limits}) {}

Checker::~Checker() { Stop(); }

absl::Status Checker::Check(const CheckRequest& request) const {
  for (const Step& step : request.steps) {
    const std::vector<std::string>* argv = ProgramOf(step.check);
    if (argv == nullptr || step.optional) continue;
    if (const absl::Status status = shared_->programs.Check(ToProgram(request, *argv)); !status.ok()) {
      return Annotate(status, absl::StrCat("the check ", Quoted(step.name)));
    }
  }
  return absl::OkStatus();
}

bool Checker::ReachesBeyond(const CheckRequest& request) const {
  return std::any_of(request.steps.begin(), request.steps.end(), [&](const Step& step) {
    const std::vector<std::string>* argv = ProgramOf(step.check);
    return argv != nullptr && shared_->programs.ReachesBeyond(ToProgram(request, *argv));
  });
}

std::unique_ptr<CheckRun> Checker::Make(CheckRequest request, CheckObserver& observer) {
  return std::make_unique<Handle>(std::make_shared<Run>(*shared_, std::move(request), observer));
}

void Checker::StartTicking() {
  shared_->ticker = std::make_unique<PeriodicTask>(
      "checks", [this] { Tick(); }, [] { return absl::Seconds(5); });
  shared_->ticker->Start();
}

void Checker::Tick() {
  std::vector<std::shared_ptr<Run>> runs;
  {
    MutexLock lock(shared_->mutex);
    runs = shared_->runs;
  }
  for (const std::shared_ptr<Run>& run : runs) run->Tick(shared_->clock.Now());
}

void Checker::Stop() {
  if (shared_->ticker != nullptr) shared_->ticker->Stop();
  std::vector<std::shared_ptr<Run>> runs;
  {
    MutexLock lock(shared_->mutex);
    shared_->stopped = true;
    runs = shared_->runs;
  }
  for (const std::shared_ptr<Run>& run : runs) run->End(CheckEnd::kStopped, /*kill=*/true);
  MutexLock lock(shared_->mutex);
  while (!shared_->runs.empty()) shared_->ended.Wait(shared_->mutex);
}

}  // namespace switchyard::executor::checks
