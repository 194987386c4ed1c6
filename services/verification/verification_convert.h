// Between the contracts and the domain, nothing else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/status.h"
#include "services/verification/calibration.h"
#include "services/verification/merge_rules.h"
#include "services/verification/verification_store.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"
#include "switchyard/verification/v1/verification_service.pb.h"

namespace switchyard::verification {

// What the rules look at. The report's bytes may be of any kind.
Work ToWork(const task_queue::v1::TaskSpec& spec, std::string_view checks);
// Of a task that awaits its verdict: with the models that took part and were assigned.
Work ToWork(const task_queue::v1::ReadVerifyingResponse& read);
// Of what is stored.
Work ToWork(const Record& record);
// The specification as far as the rules look at it.
task_queue::v1::TaskSpec Skeleton(const task_queue::v1::TaskSpec& spec);

// Defaults for what is left out. Faults are added for what has no counterpart in the domain; the rest is the rules' to
// check.
Policy FromProto(const v1::Policy& policy, std::string_view prefix, std::vector<FieldViolation>& faults);
void ToProto(const Policy& policy, v1::Policy& out);
// In the stored order.
std::vector<Policy> FromStored(const std::vector<StoredPolicy>& policies);
Policy FromStored(const std::string& body);

void ToProto(const Judgement& judgement, v1::Judgement& out);
Judgement FromProto(const v1::Judgement& judgement);
void ToProto(const MergeEligibility& merge, v1::MergeEligibility& out);
void ToProto(const Calibration& calibration, v1::GetCalibrationResponse& out);
// With its outcomes; with its report where the record has one that can be read.
void ToProto(const FoundRecord& found, v1::Verification& out);

// A record of what was read and decided; its state is left to the caller.
struct Decided {
  const Work& work;
  const Assessment& assessment;
  const Policy& policy;
  const Judgement& judgement;
  const Decision& decision;
};
Record MakeRecord(const WorkKey& key, const task_queue::v1::ReadVerifyingResponse& read, const Decided& decided,
                  absl::Time create_time);

// What the task queue is told of a decided record.
void ToProto(const Record& record, task_queue::v1::Conclusion& out);

// The position in ListVerifications.
std::string ToPageToken(const Record& last);
absl::Status FromPageToken(const std::string& token, RecordQuery& query);

}  // namespace switchyard::verification
