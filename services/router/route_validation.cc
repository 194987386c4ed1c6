#include "services/router/route_validation.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/router/route_store.h"

namespace switchyard::router {
namespace {

constexpr int kMostItems = 200;
constexpr int kMostKeys = 500;
constexpr int kMostOffered = 1'000;
constexpr int kMostObservations = 100;
constexpr int kMostPage = 200;
constexpr std::size_t kMostName = 200;

void CheckCount(int count, int most, const std::string& field, Violations& faults) {
  if (count < 1 || count > most) faults.push_back({field, absl::StrCat("must be 1 to ", most, " items")});
}

void CheckTask(const std::string& task, const std::string& field, Violations& faults) {
  if (!TaskId::Parse(task).ok()) faults.push_back({field, "is not the id of a task"});
}

void CheckKey(const std::string& task, std::int64_t generation, const std::string& at, Violations& faults) {
  CheckTask(task, at + "task_id", faults);
  if (generation < 1) faults.push_back({at + "generation", "must be at least 1"});
}

template <class Names>
void CheckOffered(const Names& offered, const std::string& field, Violations& faults) {
  if (offered.size() > kMostOffered) {
    faults.push_back({field, absl::StrCat("must be at most ", kMostOffered, " items")});
  }
  const bool long_one = std::any_of(offered.begin(), offered.end(), [](const std::string& name) {
    return name.empty() || name.size() > 2 * kMostName;
  });
  if (long_one) faults.push_back({field, absl::StrCat("must be of 1 to ", 2 * kMostName, " bytes each")});
}

// Of a batch, so that each is answered once.
class Once {
 public:
  void Check(const std::string& task, std::int64_t generation, const std::string& field, Violations& faults) {
    if (!seen_.emplace(task, generation).second) faults.push_back({field, "comes twice"});
  }

 private:
  std::set<std::pair<std::string, std::int64_t>> seen_;
};

template <class Keys>
Violations CheckKeys(const Keys& keys) {
  Violations faults;
  CheckCount(keys.size(), kMostKeys, "keys", faults);
  for (int i = 0; i < keys.size(); ++i) {
    CheckKey(keys[i].task_id(), keys[i].generation(), absl::StrCat("keys[", i, "]."), faults);
  }
  return faults;
}

}  // namespace

Violations Validate(const v1::RouteRequest& request) {
  Violations faults;
  CheckCount(request.items_size(), kMostItems, "items", faults);
  for (int i = 0; i < request.items_size(); ++i) {
    const std::string at = absl::StrCat("items[", i, "].");
    CheckTask(request.items(i).task_id(), at + "task_id", faults);
    if (request.items(i).generation() < 0) faults.push_back({at + "generation", "must not be negative"});
  }
  CheckOffered(request.offered(), "offered", faults);
  return faults;
}

Violations Validate(const v1::ReserveRoutesRequest& request) {
  Violations faults;
  Once once;
  CheckCount(request.items_size(), kMostItems, "items", faults);
  for (int i = 0; i < request.items_size(); ++i) {
    const v1::ReserveItem& item = request.items(i);
    const std::string at = absl::StrCat("items[", i, "].");
    CheckKey(item.task_id(), item.generation(), at, faults);
    once.Check(item.task_id(), item.generation(), at + "task_id", faults);
    if (!item.decision_id().empty() && !DecisionId::Parse(item.decision_id()).ok()) {
      faults.push_back({at + "decision_id", "is not the id of a decision"});
    }
    CheckOffered(item.offered(), at + "offered", faults);
  }
  return faults;
}

Violations Validate(const v1::ReleaseRoutesRequest& request) { return CheckKeys(request.keys()); }
Violations Validate(const v1::RenewRoutesRequest& request) { return CheckKeys(request.keys()); }

Violations Validate(const v1::GrantRouteRequest& request) {
  Violations faults;
  CheckKey(request.task_id(), request.generation(), "", faults);
  if (request.reason().empty() || request.reason().size() > kMostName) {
    faults.push_back({"reason", absl::StrCat("must be 1 to ", kMostName, " bytes")});
  }
  CheckOffered(request.offered(), "offered", faults);
  return faults;
}

Violations Validate(const v1::ReportOutcomesRequest& request) {
  Violations faults;
  CheckCount(request.outcomes_size(), kMostItems, "outcomes", faults);
  for (int i = 0; i < request.outcomes_size(); ++i) {
    const v1::RouteOutcome& outcome = request.outcomes(i);
    const std::string at = absl::StrCat("outcomes[", i, "].");
    CheckKey(outcome.task_id(), outcome.generation(), at, faults);
    const task_queue::v1::Usage& usage = outcome.usage();
    if (usage.input_tokens() < 0 || usage.output_tokens() < 0 || usage.cost_micros() < 0 ||
        usage.cached_input_tokens() < 0 || usage.cache_write_tokens() < 0) {
      faults.push_back({at + "usage", "has a negative number"});
    }
    if (outcome.observations_size() > kMostObservations) {
      faults.push_back({at + "observations", absl::StrCat("must be at most ", kMostObservations, " items")});
    }
  }
  return faults;
}

Violations Validate(const v1::ExplainRouteRequest& request) {
  Violations faults;
  if (request.has_spec() != request.task_id().empty()) {
    faults.push_back({"spec", "either this or task_id is needed, and not both"});
  } else if (!request.has_spec()) {
    CheckTask(request.task_id(), "task_id", faults);
  }
  CheckOffered(request.offered(), "offered", faults);
  return faults;
}

Violations Validate(const v1::ListDecisionsRequest& request) {
  Violations faults;
  if (request.page_size() < 0 || request.page_size() > kMostPage) {
    faults.push_back({"page_size", absl::StrCat("must be 0 to ", kMostPage)});
  }
  if (!request.task_id().empty()) CheckTask(request.task_id(), "task_id", faults);
  if (request.project().size() > kMostName) faults.push_back({"project", "is too long"});
  if (request.model().size() > kMostName) faults.push_back({"model", "is too long"});
  return faults;
}

}  // namespace switchyard::router
