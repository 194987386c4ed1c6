#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::router {

struct TierRules {
  // Values of task_type that a medium model serves well, whatever the case.
  std::vector<std::string> simple_task_types = {"docs", "format", "changelog", "summary", "label", "translate"};
  // Words, or phrases with single blanks, that ask for the strongest tier. They never lower one.
  std::vector<std::string> raising_words = {"security",   "migration",    "concurrency",  "race",
                                            "deadlock",   "cryptography", "architecture", "refactor",
                                            "production", "payment",      "unsafe",       "data loss"};
  std::int64_t long_instruction_tokens = 2'000;
};

// Only the proportions count.
struct ScoreWeights {
  double health = 3;
  double warmth = 3;
  double load = 2;
  // Counts twice for urgent work.
  double latency = 2;
  double price = 2;
  double preference = 4;
};

struct RouterRules {
  TierRules tiers;
  ScoreWeights weights;
  // Most further endpoints that an attempt may go on to once it has begun, 0 to 8.
  int fallbacks = 3;
  // Of a request, where neither task nor role say otherwise.
  std::int64_t output_tokens = 8'192;
  // Whether work may leave endpoints of one's own at all.
  bool allow_cloud = true;
  // Whether a task whose model is gone may go on with another one. Otherwise it waits, and says so.
  bool reroute_gone_models = false;
  // After how long a task without a route is asked about again.
  absl::Duration hold = absl::Seconds(5);
};

}  // namespace switchyard::router
