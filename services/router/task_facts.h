#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libs/text/token_estimate.h"

namespace switchyard::router {

enum class WorkKind { kCommand = 1, kPrompt = 2, kAction = 3, kExternal = 4 };
// The numbers are the contract's.
enum class Complexity { kUnknown = 0, kTrivial = 1, kStandard = 2, kComplex = 3 };
enum class Effects { kWorkspace = 1, kNetwork = 2, kHost = 3 };
enum class AttemptOutcome {
  kUnknown = 0,
  kSucceeded = 1,
  kFailed = 2,
  kTimedOut = 3,
  kVerificationFailed = 4,
  kCancelled = 5,
  kLost = 6,
  kRejected = 7,
  kNotAccepted = 8,
  kReleased = 9,
};

// What a person or program fixed. Empty names leave it to the router.
struct Pin {
  std::string model;
  std::string endpoint;
  bool allow_fallback = false;

  bool set() const { return !model.empty() || !endpoint.empty(); }
};

// An earlier assignment of the task, with the model that it ran on last.
struct FormerAttempt {
  // As the endpoint or the table calls it; empty when none was used.
  std::string model;
  std::string endpoint;
  AttemptOutcome outcome = AttemptOutcome::kUnknown;
  // The tier of the model at that time, should it be gone from the table.
  int tier = 0;
  // It is known that no model was asked anything.
  bool nothing_sent = false;
};

// What of a task counts when it is routed.
struct TaskFacts {
  WorkKind kind = WorkKind::kPrompt;
  std::string project;
  std::string task_type;
  std::string role;
  Complexity complexity = Complexity::kUnknown;
  bool routine = false;
  bool local_only = false;
  Pin pin;
  // As text::ModelFamily says them.
  std::vector<std::string> excluded_families;
  bool urgent = false;
  Effects effects = Effects::kWorkspace;
  // 0: no limit of the task's own. Of one attempt, input and output together; in millionths of a US dollar.
  std::int64_t max_tokens = 0;
  std::int64_t max_cost_micros = 0;
  // Filled by ReadText: of all that is said to the model except the role's persona, and the raising words therein.
  text::TokenEstimate prompt;
  std::vector<std::string> words;
  // Oldest first.
  std::vector<FormerAttempt> former;
};

// Whether the attempt counts as one of the two that a model has. Agents that were lost or refused are not the model's
// doing.
inline bool CountsAsTry(AttemptOutcome outcome) {
  return outcome == AttemptOutcome::kFailed || outcome == AttemptOutcome::kTimedOut ||
         outcome == AttemptOutcome::kVerificationFailed || outcome == AttemptOutcome::kSucceeded;
}
// Whether the model may have begun with the task: then the task stays with it.
inline bool MayHaveBegun(AttemptOutcome outcome) {
  return outcome != AttemptOutcome::kRejected && outcome != AttemptOutcome::kNotAccepted;
}

}  // namespace switchyard::router
