// From what was asked to what is stored. Validation comes first: these expect a specification without faults.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "services/task_queue/task_store.h"
#include "switchyard/task_queue/v1/spec.pb.h"

namespace switchyard::task_queue {

// SHA-256 in 32 raw bytes over the specification as the client sent it, so take it before ApplyDefaults: the same
// request hashes the same also after the defaults of the server change.
std::string ContentHash(const v1::TaskSpec& spec);

// Resolves what the client left open and does not depend on the installation: schema_version 1, lane NORMAL, project
// "default", a title, verdict policy, effects, what happens on loss, and the rule of dependencies. An older
// schema_version gets the defaults of its time.
void ApplyDefaults(v1::TaskSpec* spec);

// Fills spec, title and task_type, and of the record: lane, project, policy, matching and what it waits for. Ids,
// times, principal, request id and hash are the caller's. Expects defaults to be applied.
void FillFromSpec(const v1::TaskSpec& spec, NewTask* task);

// When the task may begin; InfinitePast when the client named no time.
absl::Time StartTimeOf(const v1::TaskSpec& spec);

}  // namespace switchyard::task_queue
