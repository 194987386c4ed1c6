// Verifications and what executors reported of checks, as tables and cards.
#pragma once

#include <string>

#include "switchyard/task_queue/v1/task.pb.h"
#include "switchyard/verification/v1/verification_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

Table VerificationTable(const google::protobuf::RepeatedPtrField<verification::v1::Verification>& verifications,
                        const ViewTimes& times);
// `evidence`: all of it, below the tables.
std::string VerificationCard(const verification::v1::Verification& verification, bool evidence, const ViewTimes& times,
                             const OutputStyle& style);
std::string ReassessmentCard(const verification::v1::ReassessResponse& answer, const OutputStyle& style);
Table PolicyTable(const google::protobuf::RepeatedPtrField<verification::v1::Policy>& policies, const ViewTimes& times);
std::string CalibrationCard(const verification::v1::GetCalibrationResponse& figures, const OutputStyle& style);

// What an executor reported: steps, iterations, change and pull request, as sections of a card. Empty for a report that
// says nothing.
std::string ReportSections(const verification::v1::CheckReport& report, const OutputStyle& style);
// The same of a task's result; for one that cannot be read, a line that says so.
std::string ReportSections(const task_queue::v1::TaskResult& result, const OutputStyle& style);

}  // namespace switchyard::yard
