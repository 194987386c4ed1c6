#include "services/verification/verification_meter.h"

#include "libs/base/log.h"

namespace switchyard::verification {
namespace {

const char* NameOf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSucceeded:
      return "succeeded";
    case Verdict::kPartial:
      return "partial";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kNone:
      break;
  }
  return "none";
}

const char* NameOf(JudgeState state) {
  switch (state) {
    case JudgeState::kPending:
      return "pending";
    case JudgeState::kPassed:
      return "passed";
    case JudgeState::kRejected:
      return "rejected";
    case JudgeState::kInconclusive:
      return "inconclusive";
    case JudgeState::kUnjudged:
      return "unjudged";
    case JudgeState::kNotAsked:
      break;
  }
  return "not_asked";
}

}  // namespace

VerificationMeter::VerificationMeter(telemetry::Metrics& metrics)
    : verdicts_(metrics.Counters("switchyard_verification_verdicts_total", "Verdicts decided, by verdict and reason.",
                                 {"verdict", "reason"})),
      judges_(metrics.Counters("switchyard_verification_judges_total", "Verdicts decided, by what came of a judge.",
                               {"state"})),
      ended_(metrics.Counters(
          "switchyard_verification_ended_total",
          "Verdicts that the task queue took (concluded), or that it had moved on from (superseded).", {"how"})),
      unfinished_(metrics.Gauges("switchyard_verification_unfinished",
                                 "Reports that await a judge (judging) or the task queue (decided), in all replicas.",
                                 {"state"})),
      same_family_(metrics.AddCounter("switchyard_verification_same_family_judges_total",
                                      "Answers of judges that were refused, being of the author's own family.")),
      submitted_(metrics.AddCounter("switchyard_verification_judge_tasks_total", "Tasks submitted for judges.")),
      dropped_(metrics.AddCounter("switchyard_verification_dropped_total",
                                  "Reports not taken up for lack of room; they are heard of again.")),
      pending_(metrics.AddGauge("switchyard_verification_pending", "Reports heard of and not taken up yet.")),
      batch_time_(metrics.AddHistogram("switchyard_verification_batch_seconds",
                                       "From reading a batch of reports until their verdicts were told.",
                                       telemetry::LatencyBuckets())),
      batch_size_(metrics.AddHistogram("switchyard_verification_batch_reports", "Reports of a batch.",
                                       telemetry::CountBuckets())) {}

void VerificationMeter::Decided(const Record& record) {
  verdicts_.With({NameOf(record.verdict), record.reason}).Add();
  judges_.With({NameOf(record.judge_state)}).Add();
  if (record.same_family) {
    same_family_.Add();
    LogWarning("a judge was of the author's own family and does not count",
               {{"task_id", record.key.task.ToString()}, {"author", record.model}, {"judge", record.judge_model}});
  }
}

void VerificationMeter::Ended(RecordState state) {
  ended_.With({state == RecordState::kConcluded ? "concluded" : "superseded"}).Add();
}

void VerificationMeter::Batch(std::size_t reports, absl::Duration took) {
  batch_size_.Observe(static_cast<double>(reports));
  batch_time_.Observe(took);
}

void VerificationMeter::JudgeSubmitted() { submitted_.Add(); }
void VerificationMeter::Pending(std::size_t reports) { pending_.Set(static_cast<double>(reports)); }
void VerificationMeter::Dropped(std::size_t reports) { dropped_.Add(reports); }

void VerificationMeter::Unfinished(const Backlog& backlog) {
  unfinished_.With({"judging"}).Set(static_cast<double>(backlog.judging));
  unfinished_.With({"decided"}).Set(static_cast<double>(backlog.decided));
}

}  // namespace switchyard::verification
