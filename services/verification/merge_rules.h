#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/verification/policy.h"
#include "services/verification/verdict.h"
#include "services/verification/work.h"

namespace switchyard::verification {

inline constexpr int kDefaultMergeFiles = 20;
inline constexpr int kDefaultMergeLines = 500;

struct MergeEligibility {
  bool eligible = false;
  // What stands against it; within the bounds of findings.
  std::vector<std::string> against;
};

// What tells two writings of a repository's URL for the same; empty for what is no URL, as a name that only executors
// know.
std::string RepositoryKey(std::string_view url);

// By rules alone, from what the executor reports: whoever merges makes sure of it at the forge.
MergeEligibility MayMerge(const Work& work, const Policy& policy, const Assessment& assessment);

}  // namespace switchyard::verification
