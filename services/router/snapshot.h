#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "libs/base/strings.h"
#include "libs/text/token_estimate.h"
#include "services/router/candidates.h"
#include "services/router/catalogue.h"
#include "services/router/rules.h"
#include "services/router/scoring.h"

namespace switchyard::router {

// Names a model whatever it is called: by its row, its aliases or as endpoints list it. Of one snapshot.
enum class ModelIndex : std::uint32_t { kUnknown = ~0u };

// A model at an endpoint, with everything about it that no task changes.
struct Slot {
  const Endpoint* endpoint = nullptr;
  const PlacedModel* placed = nullptr;
  // Null: the table does not know it.
  const ModelRow* row = nullptr;
  ModelIndex model = ModelIndex::kUnknown;
  // A model that the table does not know, or gives no tier, counts as small.
  ModelTier tier = ModelTier::kSmall;
  // As text::ModelFamily says it.
  std::string_view family;
  // Of place and table, the smaller one that is known; 0: unknown.
  std::int64_t window = 0;
  // 0: unknown.
  std::int64_t max_output = 0;
  Price price;
  TokenRatio ratio;
  // "credential:env:NAME", "agent:NAME": what an agent must offer to use it; and what these are called in Reach.
  std::vector<std::string> needs;
  absl::InlinedVector<std::uint32_t, 2> need_ids;
  // What no waiting changes: disabled, absent, not for chat. kNone: nothing.
  Rejection barred = Rejection::kNone;
  // What is in the way at this moment: closed in some way.
  Rejection closed = Rejection::kNone;
  // Without and with urgency.
  std::array<Parts, 2> parts;
  std::array<bool, 2> has_room{};

  // As the table calls it; empty when it does not know it.
  std::string_view canonical_model() const { return row == nullptr ? std::string_view() : row->model; }
  std::string_view provider() const { return row == nullptr ? std::string_view() : row->provider; }
  bool local() const { return endpoint->local && !placed->remote; }
};

// Which of the needs of a snapshot's slots are offered. Of that snapshot only.
class Reach {
 public:
  bool Has(const Slot& slot) const {
    for (const std::uint32_t need : slot.need_ids) {
      if (!offered_[need]) return false;
    }
    return true;
  }

 private:
  friend class Snapshot;
  std::vector<bool> offered_;
};

// How candidates of a class are ordered.
enum class Order : std::uint8_t {
  // Local endpoints in good health that have the model loaded, then by score.
  kLocalFirst,
  // By score alone.
  kScore,
  // Local ones, then the weaker, then by score: for trivial work.
  kSmallest,
};

// What tasks have in common that get the same candidates in the same order.
struct RankClass {
  ModelTier least = ModelTier::kLarge;
  bool local_only = false;
  bool urgent = false;
  Order order = Order::kScore;
  // Only models of its list, with their preference; null: any model.
  const Role* role = nullptr;
};

struct Ranked {
  const Slot* slot = nullptr;
  double score = 0;
};

// Endpoints, models and roles at one moment, arranged so that deciding is fast. Immutable to its users, and
// thread-safe; ranks of a class are worked out when they are first asked for and kept. Shared by all calls that decide
// by it, however long they take.
class Snapshot {
 public:
  static std::shared_ptr<const Snapshot> Make(Catalogue catalogue, RouterRules rules);
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const RouterRules& rules() const { return rules_; }
  absl::Time time() const { return catalogue_.time; }
  const std::string& table_fingerprint() const { return catalogue_.table_fingerprint; }
  const std::string& profiles_fingerprint() const { return catalogue_.profiles_fingerprint; }

  // By endpoint's name, then model.
  const std::vector<Slot>& slots() const { return slots_; }
  const std::vector<Endpoint>& endpoints() const { return catalogue_.endpoints; }
  // By name or alias, whatever the case. Null when there is none.
  const Role* FindRole(std::string_view role) const;
  // The role or alias that was likely meant; "" when none is near.
  std::string SuggestRole(std::string_view role) const;
  // By id or name, whatever the name's case.
  const Endpoint* FindEndpoint(std::string_view endpoint) const;
  std::string SuggestEndpoint(std::string_view endpoint) const;
  // By name or alias, of the table or of an endpoint, whatever the case, also without ":latest".
  ModelIndex FindModel(std::string_view model) const;
  std::string SuggestModel(std::string_view model) const;
  // As FindModel, the row; null when the table does not know it.
  const ModelRow* FindRow(std::string_view model) const;
  // Null when the endpoint does not list that model.
  const Slot* FindSlot(std::string_view endpoint, std::string_view model) const;
  // Where the model is, whatever the state; indexes into slots().
  std::span<const std::uint32_t> SlotsOf(ModelIndex model) const;

  // What these offers reach; those that nothing here needs are passed over.
  Reach ReachOf(std::span<const std::string> offered) const;
  // Everything: for dry runs that ask about no agents.
  Reach ReachOfAll() const;

  // What a role's persona takes of the prompt.
  text::TokenEstimate PersonaTokens(const Role& role) const;
  // The strongest tier that is not barred, among local ones or all. kNone: there is nothing.
  ModelTier Strongest(bool local_only) const { return strongest_[local_only ? 1 : 0]; }
  // The position of a model in the role's list; -1 when it is not there.
  int PositionIn(const Role& role, ModelIndex model) const;

  // All that are neither barred nor closed and have room, best first. Ties go by endpoint's name, then model.
  std::span<const Ranked> RankOf(const RankClass& rank_class) const { return RanksOf(rank_class).open; }
  // What would have been the first of the class, were it not misconfigured; null: nothing. It is never passed by
  // without a word.
  const Slot* MisconfiguredFirst(const RankClass& rank_class) const { return RanksOf(rank_class).misconfigured; }
  // The score of one slot in a class, whether it belongs there or not, and what it is made of.
  Parts PartsIn(const RankClass& rank_class, const Slot& slot) const;
  double ScoreIn(const RankClass& rank_class, const Slot& slot) const;
  // Whether `a` stands before `b` there.
  bool Before(const RankClass& rank_class, const Ranked& a, const Ranked& b) const;
  // Local, in good health, loaded.
  static bool Prime(const Slot& slot);

 private:
  struct Ranks {
    std::vector<Ranked> open;
    const Slot* misconfigured = nullptr;
  };

  Snapshot(Catalogue catalogue, RouterRules rules);
  void IndexModels();
  void IndexNames();
  void MakeSlots();
  Slot MakeSlot(const Endpoint& endpoint, const PlacedModel& placed);
  ModelIndex IndexOf(std::string_view normal_name);
  std::size_t IndexOfRole(const Role& role) const { return static_cast<std::size_t>(&role - catalogue_.roles.data()); }
  std::size_t RankCell(const RankClass& rank_class) const;
  const Ranks& RanksOf(const RankClass& rank_class) const;
  bool Belongs(const RankClass& rank_class, const Slot& slot) const;
  std::unique_ptr<Ranks> WorkOut(const RankClass& rank_class) const;

  Catalogue catalogue_;
  const RouterRules rules_;
  std::vector<Slot> slots_;
  std::vector<std::vector<std::uint32_t>> slots_of_model_;
  StringMap<ModelIndex> models_;
  std::vector<const ModelRow*> rows_;
  StringMap<std::size_t> roles_;
  // By role, then position.
  std::vector<std::vector<ModelIndex>> role_models_;
  std::vector<text::TokenEstimate> persona_tokens_;
  StringMap<std::size_t> endpoints_;
  StringMap<std::uint32_t> needs_;
  std::array<ModelTier, 2> strongest_{};
  // One per class; null until it was asked for.
  mutable std::vector<std::atomic<const Ranks*>> ranks_;
};

}  // namespace switchyard::router
