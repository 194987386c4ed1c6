// What a loop leaves behind: for the verification service, for people, and for work that goes on with it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/executor/backend.h"
#include "services/executor/checks/place.h"
#include "services/executor/checks/step.h"
#include "services/executor/delivery/delivery.h"
#include "services/executor/loop/loop_core.h"
#include "services/executor/repository/worktrees.h"
#include "switchyard/router/v1/routing.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::loop {

// What all calls of a loop used, and how their endpoints fared.
class Spending {
 public:
  // Of one call's end; what it used.
  TurnUsage Add(const Evidence& call);
  // Serialised, as Evidence has them; empty when nothing was called.
  std::string usage() const;
  std::string route_report() const;

 private:
  bool any_ = false;
  task_queue::v1::Usage sum_;
  router::v1::RouteReport report_;
};

// Of one turn, besides what the core knows.
struct TurnFacts {
  // As it was reported, and where.
  std::string model;
  std::string endpoint;
  // As edits::FormatName has it.
  std::string format;
};

struct LoopFacts {
  const Work& work;
  const LoopCore& core;
  // One for each turn.
  const std::vector<TurnFacts>& turns;
  // Of the state that is kept; shorter than the steps: the rest was not made.
  const std::vector<checks::StepResult>& results;
  // Null outside a repository.
  const repository::WorktreeFacts* worktree = nullptr;
  const checks::Changes* changes = nullptr;
  std::string head_commit;
  const delivery::DeliveryResult* delivered = nullptr;
};

// Everything in it is redacted and bounded.
verification::v1::CheckReport MakeReport(const LoopFacts& facts);
// What was done, what failed, what is left; at most 16 KiB.
std::string StateSummary(const LoopFacts& facts);
// One or two sentences, at most 1,000 bytes.
std::string Summary(const LoopFacts& facts);

// Of one turn's commit.
std::string CommitText(const Work& work, int turn, int iterations);

}  // namespace switchyard::executor::loop
