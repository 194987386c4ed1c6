// A task queue of a few lines that keeps its contract, for tests.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "services/verification/verification_ports.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::verification {

// Not thread-safe.
class FakeQueue final : public QueuePort {
 public:
  using Read = task_queue::v1::ReadVerifyingResponse;
  using Task = task_queue::v1::Task;

  explicit FakeQueue(const Clock& clock) : ids_(clock) {}

  // A prompt of project "web" with one test that passed, done by `model`, awaiting its verdict under generation 1.
  WorkKey Await(const std::string& model = "qwen2.5-coder:7b", const std::function<void(Task&)>& change = {}) {
    const WorkKey key{TaskId(ids_.NewUuid()), 1};
    Task& task = *reads_[key.task].mutable_task();
    task.set_id(key.task.ToString());
    task.set_state(task_queue::v1::TASK_STATE_VERIFYING);
    task.set_generation(1);
    task.set_agent_id("agent-1");
    task.mutable_spec()->set_project("web");
    task.mutable_spec()->set_title("mend it");
    task.mutable_spec()->mutable_prompt()->set_instruction("Mend the parser.");
    task.mutable_spec()->set_complexity(task_queue::v1::COMPLEXITY_COMPLEX);
    auto& step = *task.mutable_spec()->add_verification();
    step.set_name("tests");
    step.mutable_test_passes()->add_argv("make");
    v1::CheckReport report;
    report.set_schema_version(1);
    v1::StepReport& reported = *report.add_steps();
    reported.set_name("tests");
    reported.set_check("test_passes");
    reported.set_status(v1::STEP_STATUS_PASSED);
    reported.set_evidence("12 passed");
    reported.set_exit_code(0);
    task.mutable_result()->set_checks(report.SerializeAsString());
    task.mutable_result()->mutable_usage()->set_model(model);
    task.mutable_result()->mutable_usage()->set_cost_micros(7);
    if (change) change(task);
    return key;
  }
  Task& task(const TaskId& id) { return *reads_.at(id).mutable_task(); }
  Read& read(const TaskId& id) { return reads_.at(id); }
  // The answer of the judge of that work.
  void Answer(const WorkKey& key, const std::string& text, const std::string& model = "gpt-5") {
    Task& judge = judge_of(key);
    judge.set_state(task_queue::v1::TASK_STATE_SUCCEEDED);
    judge.mutable_result()->set_output(text);
    judge.mutable_result()->mutable_usage()->set_model(model);
    judge.mutable_result()->mutable_usage()->set_cost_micros(3);
  }
  Task& judge_of(const WorkKey& key) {
    return judges_.at(submitted_.at(absl::StrCat("judge/", key.task.ToString(), "/", key.generation)).first);
  }
  int conclusions(const TaskId& id) { return taken_[id]; }
  int judges() const { return static_cast<int>(judges_.size()); }
  int told() const { return told_; }
  const std::vector<TaskId>& cancelled() const { return cancelled_; }

  // Called before each call, with its name; what it returns is answered instead.
  std::function<absl::Status(std::string_view)> before = [](std::string_view) { return absl::OkStatus(); };
  // The same after its effect.
  std::function<absl::Status(std::string_view)> after = [](std::string_view) { return absl::OkStatus(); };

  std::vector<absl::StatusOr<Read>> ReadVerifying(absl::Span<const WorkKey> keys) override {
    std::vector<absl::StatusOr<Read>> answers;
    for (const WorkKey& key : keys) {
      if (const absl::Status status = before("ReadVerifying"); !status.ok()) {
        answers.push_back(status);
        continue;
      }
      const auto found = reads_.find(key.task);
      if (found == reads_.end()) {
        answers.push_back(MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "gone"));
      } else if (!Awaits(found->second.task(), key.generation)) {
        answers.push_back(MakeError(absl::StatusCode::kFailedPrecondition, "STALE_GENERATION", "stale"));
      } else {
        answers.push_back(found->second);
      }
    }
    return answers;
  }

  absl::StatusOr<task_queue::v1::ConcludeTasksResponse> Conclude(
      const task_queue::v1::ConcludeTasksRequest& request) override {
    if (absl::Status status = before("Conclude"); !status.ok()) return status;
    ++told_;
    task_queue::v1::ConcludeTasksResponse response;
    for (const task_queue::v1::Conclusion& conclusion : request.conclusions()) {
      task_queue::v1::ReportResult& result = *response.add_results();
      result.set_task_id(conclusion.task_id());
      ConcludeOne(conclusion, result);
    }
    if (absl::Status status = after("Conclude"); !status.ok()) return status;
    return response;
  }

  std::vector<absl::StatusOr<Task>> ReadTasks(absl::Span<const TaskId> tasks) override {
    std::vector<absl::StatusOr<Task>> answers;
    for (const TaskId& id : tasks) {
      const auto found = reads_.find(id);
      if (const absl::Status status = before("ReadTasks"); !status.ok()) {
        answers.push_back(status);
      } else if (found == reads_.end()) {
        answers.push_back(MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "gone"));
      } else {
        answers.push_back(found->second.task());
      }
    }
    return answers;
  }

  absl::StatusOr<TaskId> Submit(const task_queue::v1::SubmitTaskRequest& request) override {
    if (absl::Status status = before("Submit"); !status.ok()) return status;
    const auto [found, fresh] = submitted_.try_emplace(request.request_id(), TaskId(ids_.NewUuid()), request);
    if (!fresh && !google::protobuf::util::MessageDifferencer::Equals(found->second.second, request)) {
      return MakeError(absl::StatusCode::kFailedPrecondition, "REQUEST_ID_REUSED", "another content");
    }
    if (fresh) {
      Task& judge = judges_[found->second.first];
      judge.set_id(found->second.first.ToString());
      judge.set_state(task_queue::v1::TASK_STATE_QUEUED);
      *judge.mutable_spec() = request.spec();
    }
    if (absl::Status status = after("Submit"); !status.ok()) return status;
    return found->second.first;
  }

  std::vector<absl::StatusOr<Task>> GetTasks(absl::Span<const TaskId> tasks) override {
    std::vector<absl::StatusOr<Task>> answers;
    for (const TaskId& id : tasks) {
      if (const absl::Status status = before("GetTasks"); !status.ok()) {
        answers.push_back(status);
        continue;
      }
      const auto found = judges_.find(id);
      if (found == judges_.end()) {
        answers.push_back(MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "gone"));
      } else {
        answers.push_back(found->second);
      }
    }
    return answers;
  }

  void Cancel(const TaskId& task, std::string_view) override { cancelled_.push_back(task); }

 private:
  static bool Awaits(const Task& task, std::int64_t generation) {
    return task.generation() == generation && task.state() == task_queue::v1::TASK_STATE_VERIFYING;
  }

  void ConcludeOne(const task_queue::v1::Conclusion& conclusion, task_queue::v1::ReportResult& result) {
    const TaskId id = *TaskId::Parse(conclusion.task_id());
    const auto refuse = [&](const char* reason) {
      result.mutable_error()->set_code(static_cast<int>(absl::StatusCode::kFailedPrecondition));
      result.mutable_error()->set_reason(reason);
    };
    const auto found = reads_.find(id);
    if (found == reads_.end()) return refuse("TASK_NOT_FOUND");
    Task& task = *found->second.mutable_task();
    if (task.generation() != conclusion.generation()) return refuse("STALE_GENERATION");
    const bool failed = conclusion.verdict() == task_queue::v1::VERDICT_FAILED;
    const auto outcome =
        failed ? task_queue::v1::ATTEMPT_OUTCOME_VERIFICATION_FAILED : task_queue::v1::ATTEMPT_OUTCOME_SUCCEEDED;
    if (task.state() != task_queue::v1::TASK_STATE_VERIFYING) {
      const bool same = task.history_size() > 0 && task.history(task.history_size() - 1).outcome() == outcome;
      return same ? void() : refuse("WRONG_STATE");
    }
    task.set_state(failed                                                    ? task_queue::v1::TASK_STATE_QUEUED
                   : conclusion.verdict() == task_queue::v1::VERDICT_PARTIAL ? task_queue::v1::TASK_STATE_PARTIAL
                                                                             : task_queue::v1::TASK_STATE_SUCCEEDED);
    *task.mutable_failure() = conclusion.failure();
    task_queue::v1::Attempt& attempt = *task.add_history();
    attempt.set_generation(conclusion.generation());
    attempt.set_outcome(outcome);
    ++taken_[id];
  }

  testing::FakeIdSource ids_;
  std::map<TaskId, Read> reads_;
  std::map<TaskId, Task> judges_;
  std::map<std::string, std::pair<TaskId, task_queue::v1::SubmitTaskRequest>> submitted_;
  std::map<TaskId, int> taken_;
  int told_ = 0;
  std::vector<TaskId> cancelled_;
};

}  // namespace switchyard::verification
