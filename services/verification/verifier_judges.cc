// Judges: their tasks, and what comes of them.
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/text/model_family.h"
#include "services/verification/judge_task.h"
#include "services/verification/proto_time.h"
#include "services/verification/verifier.h"

namespace switchyard::verification {
namespace {

namespace tq = task_queue::v1;

// Another time it may do.
bool MayPassLater(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status) ||
         absl::IsAborted(status) || absl::IsCancelled(status);
}

bool IsFinal(tq::TaskState state) {
  switch (state) {
    case tq::TASK_STATE_SUCCEEDED:
    case tq::TASK_STATE_PARTIAL:
    case tq::TASK_STATE_DEAD_LETTER:
    case tq::TASK_STATE_CANCELLED:
    case tq::TASK_STATE_EXPIRED:
    case tq::TASK_STATE_DISCARDED:
      return true;
    default:
      return false;
  }
}

bool IsGone(const absl::Status& status) {
  const std::string reason = ReasonOf(status);
  return reason == "STALE_GENERATION" || reason == "TASK_NOT_FOUND";
}

// Whether that agent ended it.
bool IsBy(const tq::Task& task, const std::string& agent) {
  const std::string& last = task.agent_id().empty() && task.history_size() > 0
                                ? task.history(task.history_size() - 1).agent_id()
                                : task.agent_id();
  return !agent.empty() && last == agent;
}

bool Awaits(const tq::Task& task, const WorkKey& key) {
  return task.generation() == key.generation && task.state() == tq::TASK_STATE_VERIFYING;
}

std::vector<WorkKey> KeysOf(const std::vector<Record>& records) {
  std::vector<WorkKey> keys;
  for (const Record& record : records) keys.push_back(record.key);
  return keys;
}

}  // namespace

absl::Status Verifier::Supersede(const std::vector<Finish>& finishes) {
  SY_RETURN_IF_ERROR(deps_.store.End(finishes));
  for (const Finish& finish : finishes) {
    SetJudging(finish.key, false);
    deps_.meter.Ended(finish.state);
  }
  return absl::OkStatus();
}

absl::Status Verifier::Judge(const std::vector<Record>& records) {
  std::vector<Record> fresh, waiting;
  for (const Record& record : records) (record.judge_task.is_nil() ? fresh : waiting).push_back(record);
  std::vector<Judged> judged;
  absl::Status failure = Look(waiting, judged);
  failure.Update(Submit(fresh, judged));
  failure.Update(Close(judged));
  return failure;
}

absl::Status Verifier::Submit(const std::vector<Record>& records, std::vector<Judged>& judged) {
  if (records.empty()) return absl::OkStatus();
  const std::vector<absl::StatusOr<ReadVerifying>> reads = deps_.queue.ReadVerifying(KeysOf(records));
  absl::Status failure;
  std::vector<Finish> finishes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (!reads[i].ok()) {
      if (IsGone(reads[i].status())) {
        finishes.push_back({record.key, RecordState::kSuperseded});
      } else {
        failure.Update(reads[i].status());
      }
      continue;
    }
    const std::optional<std::vector<std::string>> families = AuthorFamilies(ToWork(*reads[i]));
    if (!families.has_value() || deps_.clock.Now() >= record.judge_due) {
      judged.push_back({record, std::nullopt, "no judge could be asked in time"});
      continue;
    }
    tq::SubmitTaskRequest request = JudgeTask(record.key, *reads[i], *families, record.judge_due);
    absl::StatusOr<TaskId> judge = deps_.queue.Submit(request);
    if (ReasonOf(judge.status()) == "REQUEST_ID_REUSED") {
      // Asked by another version of this service, in other words, whose note of it is lost: nobody can tell its task.
      request.set_request_id(absl::StrCat(request.request_id(), "/again"));
      judge = deps_.queue.Submit(request);
    }
    if (judge.ok()) {
      deps_.meter.JudgeSubmitted();
      failure.Update(deps_.store.SetJudgeTask(record.key, *judge));
    } else if (MayPassLater(judge.status()) || ReasonOf(judge.status()) == "REQUEST_ID_REUSED") {
      failure.Update(judge.status());
    } else {
      LogWarning("a judge cannot be asked", {{"task_id", record.key.task.ToString()}, {"status", judge.status()}});
      judged.push_back({record, std::nullopt, absl::StrCat("no judge could be asked: ", ReasonOf(judge.status()))});
    }
  }
  failure.Update(Supersede(finishes));
  return failure;
}

absl::Status Verifier::Look(const std::vector<Record>& records, std::vector<Judged>& judged) {
  if (records.empty()) return absl::OkStatus();
  std::vector<TaskId> tasks, authors;
  for (const Record& record : records) {
    tasks.push_back(record.judge_task);
    authors.push_back(record.key.task);
  }
  const std::vector<absl::StatusOr<tq::Task>> works = deps_.queue.ReadTasks(authors);
  std::vector<absl::StatusOr<tq::Task>> judges = deps_.queue.GetTasks(tasks);
  std::vector<Finish> finishes;
  for (std::size_t i = 0; i < records.size(); ++i) {
    if (works[i].ok() && !Awaits(*works[i], records[i].key)) {
      // Cancelled, or out of time: nobody waits for the judge any more.
      if (judges[i].ok() && !IsFinal(judges[i]->state()))
        deps_.queue.Cancel(records[i].judge_task, "nobody waits for it");
      finishes.push_back({records[i].key, RecordState::kSuperseded});
    } else if (judges[i].ok() && IsFinal(judges[i]->state())) {
      judged.push_back({records[i], *std::move(judges[i]), ""});
    } else if (ReasonOf(judges[i].status()) == "TASK_NOT_FOUND") {
      judged.push_back({records[i], std::nullopt, "the judge's task is gone"});
    } else if (deps_.clock.Now() >= records[i].judge_due) {
      deps_.queue.Cancel(records[i].judge_task, "the judge did not answer in time");
      judged.push_back({records[i], std::nullopt, "the judge did not answer in time"});
    }
  }
  return Supersede(finishes);
}

Judgement Verifier::WeighTask(const tq::Task& judge, const std::string& author_agent,
                              const std::vector<std::string>& families, const Policy& policy) {
  const tq::TaskResult& result = judge.result();
  const std::string reported(text::ModelFamily(result.usage().model()));
  const std::string assigned(text::ModelFamily(result.usage().assigned_model()));
  Judgement judgement;
  if (judge.state() == tq::TASK_STATE_SUCCEEDED && !assigned.empty() && !reported.empty() && assigned != reported) {
    judgement = Unjudged(
        absl::StrCat("the judge was to be of the family ", assigned, ", and is reported as ", reported), families);
  } else if (judge.state() == tq::TASK_STATE_SUCCEEDED) {
    judgement = Weigh(ParseJudgeAnswer(result.output()), result.usage().model(), families, policy);
    // It counts: an executor is believed about what it runs, or nothing that it reports is worth anything. But it is
    // said.
    if (IsBy(judge, author_agent) && judgement.message.empty()) {
      judgement.message = "run by the agent that did the work";
    }
  } else {
    judgement = Unjudged(absl::StrCat("the judge's task ended as ", tq::TaskState_Name(judge.state()),
                                      judge.failure().reason().empty() ? "" : ", ", judge.failure().reason()),
                         families);
  }
  judgement.cost_micros = result.usage().cost_micros();
  return judgement;
}

absl::Status Verifier::Close(const std::vector<Judged>& judged) {
  if (judged.empty()) return absl::OkStatus();
  std::vector<WorkKey> keys;
  for (const Judged& one : judged) keys.push_back(one.record.key);
  const std::vector<absl::StatusOr<ReadVerifying>> reads = deps_.queue.ReadVerifying(keys);
  const absl::Time now = deps_.clock.Now();
  std::vector<Record> decided;
  std::vector<Finish> finishes;
  absl::Status failure;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (!reads[i].ok()) {
      if (IsGone(reads[i].status())) {
        finishes.push_back({keys[i], RecordState::kSuperseded});
      } else {
        failure.Update(reads[i].status());
      }
      continue;
    }
    // Specification and evidence stand still under a generation: the rules say what they said before.
    const Work work = ToWork(*reads[i]);
    const Policy policy = FromStored(judged[i].record.policy);
    const Assessment assessment = Assess(work, policy);
    const std::vector<std::string> families = AuthorFamilies(work).value_or(std::vector<std::string>());
    const Judgement judgement = judged[i].judge.has_value()
                                    ? WeighTask(*judged[i].judge, reads[i]->task().agent_id(), families, policy)
                                    : Unjudged(judged[i].message, families);
    const Decision decision = Combine(assessment, judgement, policy);
    Record& record = decided.emplace_back(MakeRecord(
        keys[i], *reads[i],
        {.work = work, .assessment = assessment, .policy = policy, .judgement = judgement, .decision = decision},
        judged[i].record.create_time));
    record.state = RecordState::kDecided;
    record.decide_time = Whole(now);
  }
  SY_RETURN_IF_ERROR(Supersede(finishes));
  SY_ASSIGN_OR_RETURN(const std::vector<KeptRecord> kept, deps_.store.Decide(decided, now + options_.sweep));
  std::vector<Record> told;
  for (const KeptRecord& one : kept) {
    SetJudging(one.record.key, false);
    if (one.record.state != RecordState::kDecided) continue;
    if (one.fresh) deps_.meter.Decided(one.record);
    told.push_back(one.record);
  }
  failure.Update(Tell(told));
  return failure;
}

}  // namespace switchyard::verification
