#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "services/router/decision.h"
#include "services/router/rules.h"
#include "services/router/snapshot.h"
#include "services/router/task_facts.h"

namespace switchyard::router {

// Finds the words that raise a tier. A word is found where one begins with it, whatever the case, so "refactor" in
// "Refactoring" and never "race" in "trace". Immutable, thread-safe.
class RaisingWords {
 public:
  explicit RaisingWords(std::span<const std::string> words);
  // Each once, as the rules spell them, in order of the rules. Linear in the text.
  std::vector<std::string> Find(std::span<const std::string_view> texts) const;

 private:
  std::vector<std::string> words_;
  // By first letter: indexes of words.
  std::array<std::vector<std::size_t>, 256> by_first_;
};

// Fills `prompt` and `words` from what is said to the model, each text a message of its own; empty ones are passed
// over.
void ReadText(const RaisingWords& words, std::span<const std::string_view> texts, TaskFacts& facts);

// What is asked of the model before endpoints are looked at.
struct Tiering {
  Strategy strategy = Strategy::kNone;
  ModelTier least = ModelTier::kNone;
  Cause cause = Cause::kNone;
  absl::InlinedVector<Signal, 4> signals;
  bool local_only = false;
  Order order = Order::kScore;
  const Role* role = nullptr;
  // Only models of the role's list.
  bool role_list = false;
  // Only this model, or models at this endpoint, unless `may_leave`.
  ModelIndex only_model = ModelIndex::kUnknown;
  const Endpoint* only_endpoint = nullptr;
  // Another one will do when those are not to be had.
  bool may_leave = false;
  // For Choice::fallback_reason of those that are something else; and whether all are, since what was asked for is
  // nowhere.
  std::string_view leave_reason;
  bool left = false;
  // Models that had the task twice.
  std::vector<ModelIndex> tried_out;
  // Models that had it and failed: only after all others.
  std::vector<ModelIndex> last_resort;

  // Nothing but the class decides the order: the fast path.
  bool plain() const {
    return only_model == ModelIndex::kUnknown && only_endpoint == nullptr && tried_out.empty() && last_resort.empty();
  }
};

// R1: the first cause that applies. A hold where none is to be had: the role is unknown, the pinned model or the model
// that it was begun with is nowhere.
std::variant<Tiering, Hold> FindTier(const TaskFacts& facts, const Snapshot& snapshot, absl::Time now);

// How much speaks for the strongest tier, where nobody named one: 0 to 1. From 0.5 on the inference takes the
// strongest; the rest of the scale is for judging it on data (tools/route-eval).
double StrengthScore(const TaskFacts& facts, const TierRules& rules);

}  // namespace switchyard::router
