// What git lists, read. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/executor/checks/place.h"

namespace switchyard::executor::repository {

// Names with NUL behind each.
std::vector<std::string> ParseNames(std::string_view text);

struct RawChange {
  checks::ChangedPath change;
  // It is, or became, a commit of another repository.
  bool repository = false;
};

// Of `--raw --numstat -z --no-renames`, or `--raw -z` alone; sorted by path. INTERNAL, reason GIT_FAILED, for anything
// else.
absl::StatusOr<std::vector<RawChange>> ParseChanges(std::string_view text);

}  // namespace switchyard::executor::repository
