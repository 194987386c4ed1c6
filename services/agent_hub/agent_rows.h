// Rows of the tables of agents and enrolments, to and from records.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/pg/params.h"
#include "libs/pg/result.h"
#include "services/agent_hub/agent_record.h"

namespace switchyard::agent_hub {

// In the columns' order of every query of agents; likewise of enrolments.
AgentRecord ToAgent(const pg::Row& row);
Enrollment ToEnrollment(const pg::Row& row);
std::vector<AgentRecord> ToAgents(const pg::Result& result);

// "key=value" each.
pg::TextArray ToTexts(const std::map<std::string, std::string>& labels);

// Of change_agent; `labels` are the record's, borrowed.
pg::Params ChangeParams(const AgentRecord& agent, const pg::TextArray& labels, absl::Time now);

}  // namespace switchyard::agent_hub
