// Between the core and the back ends.
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/executor/agent_convert.h"
#include "services/executor/agent_loop_state.h"

namespace switchyard::executor {

void AgentLoop::Sink::OnPhase(WorkPhase phase) {
  state_.Post([&state = state_, key = key_, phase] {
    state.core.OnVerifying(key, phase == WorkPhase::kVerifying);
    if (state.stream != nullptr && !state.stream->phases) return;
    state.core.OnPhase(key, ToPhase(phase));
  });
}

void AgentLoop::Sink::OnLog(LogChunk chunk) {
  if (state_.logs.Push(key_, std::move(chunk))) state_.Post([] {});
}

void AgentLoop::Sink::OnFinished(Evidence evidence) {
  state_.Post([&state = state_, key = key_, evidence = std::move(evidence)] { state.Finished(key, evidence); });
}

absl::Status AgentLoop::Checker::Check(Assignment& assignment) {
  absl::StatusOr<Work> work = ToWork(assignment);
  if (!work.ok()) return work.status();
  work->inside_only = false;
  work->agent = agent_;
  absl::Status last =
      MakeError(absl::StatusCode::kInvalidArgument, "UNSUPPORTED", "no back end for work of this kind is enabled");
  for (const Backend* backend : backends_) {
    if (!backend->Takes(*work)) continue;
    last = backend->Check(*work);
    if (!last.ok()) continue;
    assignment.beyond_workspace = assignment.beyond_workspace || backend->ReachesBeyond(*work);
    return last;
  }
  return last;
}

void AgentLoop::State::Perform(Actions actions) {
  for (const TaskKey& key : actions.cancel) {
    if (const auto found = runs.find(key); found != runs.end()) found->second->run->Cancel();
  }
  for (const TaskKey& key : actions.kill) {
    if (const auto found = runs.find(key); found != runs.end()) found->second->run->Kill();
  }
  for (const TaskKey& key : actions.forgotten) logs.Forget(key);
  for (const Assignment& assignment : actions.start) StartWork(assignment);
  for (const Assignment& assignment : actions.probe) RunProbe(assignment);
}

void AgentLoop::State::StartWork(const Assignment& assignment) {
  const TaskKey key = assignment.key;
  auto sink = std::make_unique<Sink>(*this, key);
  absl::Status last =
      MakeError(absl::StatusCode::kInvalidArgument, "UNSUPPORTED", "no back end for work of this kind is enabled");
  if (absl::StatusOr<Work> work = ToWork(assignment); !work.ok()) {
    last = work.status();
  } else {
    work->agent = seen.agent_name;
    for (Backend* backend : deps.backends) {
      if (!backend->Takes(*work)) continue;
      if (last = backend->Check(*work); !last.ok()) continue;
      absl::StatusOr<std::unique_ptr<BackendRun>> run = backend->Start(*work, *sink);
      last = run.status();
      if (!run.ok()) continue;
      sink->run = *std::move(run);
      runs[key] = std::move(sink);
      LogInfo("task started", {{"task", key.task_id}, {"generation", key.generation}});
      return;
    }
  }
  LogWarning("an accepted task could not be started", {{"task", key.task_id}, {"error", last}});
  Evidence evidence{.task_id = key.task_id, .generation = key.generation, .outcome = Outcome::kNotStarted};
  evidence.reason = ReasonOf(last).empty() ? "NOT_STARTED" : ReasonOf(last);
  evidence.message = std::string(last.message());
  // Taken, and then not able to: somewhere else it may run.
  evidence.executor_fault = last.code() == absl::StatusCode::kUnavailable || last.code() == absl::StatusCode::kInternal;
  evidence.started = evidence.ended = deps.clock.Now();
  Post([this, key, evidence] { Finished(key, evidence); });
}

void AgentLoop::State::Finished(const TaskKey& key, const Evidence& evidence) {
  logs.Finish(key);
  runs.erase(key);
  route_wishes.erase(key);
  confirm_wishes.erase(key);
  progress.erase(key);
  Ended ended = ToEnded(evidence);
  LogInfo("task ended", {{"task", key.task_id},
                         {"generation", key.generation},
                         {"outcome", evidence.reason.empty() ? "SUCCEEDED" : evidence.reason}});
  core.OnFinished(key, std::move(ended.report), ended.cancelled);
}

void AgentLoop::State::RunProbe(const Assignment& assignment) {
  const TaskKey key = assignment.key;
  const std::string nonce = ProbeNonce(assignment);
  const auto end = [this, key](Report report) {
    Post([this, key, report = std::move(report)]() mutable { core.OnFinished(key, std::move(report), false); });
  };
  const absl::Status queued = deps.slow.Run([this, nonce, end] {
    std::vector<agent::v1::SelfTest> tests = RunTests();
    Report report{.kind = ReportKind::kComplete};
    for (const agent::v1::SelfTest& test : tests) {
      if (test.passed()) continue;
      report.kind = ReportKind::kFail;
      report.reason = "PROBE_FAILED";
      report.message = test.message();
      report.agent_fault = true;
    }
    task_queue::v1::TaskResult result;
    result.set_summary(nonce);
    result.SerializeToString(&report.result);
    Post([this, tests = std::move(tests)]() mutable {
      self_tests = std::move(tests);
      tests_news = true;
    });
    end(std::move(report));
  });
  if (!queued.ok()) {
    end({.kind = ReportKind::kFail,
         .reason = "PROBE_FAILED",
         .message = std::string(queued.message()),
         .agent_fault = true});
  }
}

}  // namespace switchyard::executor
