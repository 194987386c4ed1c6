#include "services/router/snapshot.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/text/model_family.h"
#include "libs/text/suggest.h"
#include "services/router/estimate.h"

namespace switchyard::router {
namespace {

constexpr std::size_t kTiers = 4;
constexpr std::size_t kOrders = 3;
// Tiers, local or not, urgent or not, orders.
constexpr std::size_t kCellsPerRole = kTiers * 2 * 2 * kOrders;

std::string Lower(std::string_view name) { return absl::AsciiStrToLower(ToAbsl(name)); }

// One spelling: Ollama's "x:latest" is "x".
std::string Normal(std::string_view model) {
  constexpr std::string_view kLatest = ":latest";
  std::string name = Lower(model);
  if (name.size() > kLatest.size() && std::string_view(name).substr(name.size() - kLatest.size()) == kLatest) {
    name.resize(name.size() - kLatest.size());
  }
  return name;
}

std::int64_t SmallerKnown(std::int64_t a, std::int64_t b) {
  if (a <= 0 || b <= 0) return std::max<std::int64_t>({a, b, 0});
  return std::min(a, b);
}

bool Has(const std::vector<std::string>& capabilities, std::string_view wanted) {
  return std::any_of(capabilities.begin(), capabilities.end(), [&](const std::string& one) { return one == wanted; });
}

bool OnlyOtherThanChat(const std::vector<std::string>& capabilities) {
  if (Has(capabilities, "completion") || Has(capabilities, "chat")) return false;
  return Has(capabilities, "embedding") || Has(capabilities, "image") || Has(capabilities, "rerank") ||
         Has(capabilities, "moderation");
}

Rejection BarredBy(const Slot& slot) {
  if (slot.placed->disabled || (slot.row != nullptr && slot.row->disabled)) return Rejection::kModelDisabled;
  if (slot.endpoint->state == EndpointState::kDisabled) return Rejection::kEndpointDisabled;
  if (slot.placed->warmth == Warmth::kAbsent) return Rejection::kModelAbsent;
  const bool said = !slot.placed->capabilities.empty() || slot.row == nullptr;
  if (OnlyOtherThanChat(said ? slot.placed->capabilities : slot.row->capabilities)) return Rejection::kNotChat;
  return Rejection::kNone;
}

Rejection ClosedBy(EndpointState state) {
  switch (state) {
    case EndpointState::kMisconfigured:
      return Rejection::kEndpointMisconfigured;
    case EndpointState::kOpen:
      return Rejection::kEndpointOpen;
    case EndpointState::kUnknown:
      return Rejection::kEndpointUnknown;
    case EndpointState::kRateLimited:
      return Rejection::kRateLimited;
    default:
      return Rejection::kNone;
  }
}

}  // namespace

std::shared_ptr<const Snapshot> Snapshot::Make(Catalogue catalogue, RouterRules rules) {
  return std::shared_ptr<const Snapshot>(new Snapshot(std::move(catalogue), std::move(rules)));
}

Snapshot::Snapshot(Catalogue catalogue, RouterRules rules)
    : catalogue_(std::move(catalogue)),
      rules_(std::move(rules)),
      ranks_((catalogue_.roles.size() + 1) * kCellsPerRole) {
  std::sort(catalogue_.endpoints.begin(), catalogue_.endpoints.end(),
            [](const Endpoint& a, const Endpoint& b) { return a.name < b.name; });
  for (Endpoint& endpoint : catalogue_.endpoints) {
    std::sort(endpoint.models.begin(), endpoint.models.end(),
              [](const PlacedModel& a, const PlacedModel& b) { return a.model < b.model; });
  }
  IndexModels();
  MakeSlots();
  IndexNames();
}

Snapshot::~Snapshot() {
  for (const std::atomic<const Ranks*>& ranks : ranks_) delete ranks.load(std::memory_order_relaxed);
}

ModelIndex Snapshot::IndexOf(std::string_view normal_name) {
  const auto [it, added] = models_.try_emplace(std::string(normal_name), static_cast<ModelIndex>(rows_.size()));
  if (added) rows_.push_back(nullptr);
  return it->second;
}

void Snapshot::IndexModels() {
  for (const ModelRow& row : catalogue_.models) {
    const ModelIndex index = IndexOf(Normal(row.model));
    rows_[static_cast<std::size_t>(index)] = &row;
  }
  // Names stand before aliases.
  for (const ModelRow& row : catalogue_.models) {
    const ModelIndex index = models_.find(Normal(row.model))->second;
    for (const std::string& alias : row.aliases) models_.try_emplace(Normal(alias), index);
  }
}

Slot Snapshot::MakeSlot(const Endpoint& endpoint, const PlacedModel& placed) {
  Slot slot{.endpoint = &endpoint, .placed = &placed};
  const std::string name = Normal(placed.model);
  const auto priced = models_.find(Normal(placed.priced_as));
  if (!placed.priced_as.empty() && priced != models_.end()) {
    slot.model = priced->second;
    // So that it is found as the endpoint calls it, too.
    models_.try_emplace(name, slot.model);
  } else {
    slot.model = IndexOf(name);
  }
  slot.row = rows_[static_cast<std::size_t>(slot.model)];
  if (slot.row != nullptr && slot.row->tier != ModelTier::kNone) slot.tier = slot.row->tier;
  slot.family = text::ModelFamily(placed.model);
  if (slot.family.empty()) slot.family = text::ModelFamily(slot.canonical_model());
  slot.window = SmallerKnown(placed.context_window, slot.row == nullptr ? 0 : slot.row->context_window);
  slot.max_output = slot.row == nullptr ? 0 : std::max<std::int64_t>(slot.row->max_output, 0);
  slot.price = PriceOf(endpoint, placed, slot.row);
  const auto ratio = catalogue_.ratios.find(slot.row == nullptr ? Lower(placed.model) : Lower(slot.row->model));
  if (ratio != catalogue_.ratios.end()) slot.ratio = ratio->second;
  if (!endpoint.credential.empty()) slot.needs.push_back(absl::StrCat("credential:", endpoint.credential));
  if (!endpoint.agent.empty()) slot.needs.push_back(absl::StrCat("agent:", endpoint.agent));
  for (const std::string& need : slot.needs) {
    slot.need_ids.push_back(needs_.try_emplace(need, static_cast<std::uint32_t>(needs_.size())).first->second);
  }
  slot.barred = BarredBy(slot);
  slot.closed = ClosedBy(endpoint.state);
  for (const bool urgent : {false, true}) slot.has_room[urgent ? 1 : 0] = FreeCapacity(endpoint, placed, urgent) > 0;
  return slot;
}

void Snapshot::MakeSlots() {
  std::size_t count = 0;
  for (const Endpoint& endpoint : catalogue_.endpoints) count += endpoint.models.size();
  slots_.reserve(count);
  double dearest = 0;
  for (const Endpoint& endpoint : catalogue_.endpoints) {
    for (const PlacedModel& placed : endpoint.models) {
      slots_.push_back(MakeSlot(endpoint, placed));
      const Slot& slot = slots_.back();
      if (slot.barred != Rejection::kNone) continue;
      dearest = std::max(dearest, NominalPrice(slot.price));
      strongest_[0] = std::max(strongest_[0], slot.tier);
      if (slot.local()) strongest_[1] = std::max(strongest_[1], slot.tier);
    }
  }
  slots_of_model_.resize(rows_.size());
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    for (const bool urgent : {false, true}) {
      slot.parts[urgent ? 1 : 0] = PartsOf(*slot.endpoint, *slot.placed, slot.price, dearest, urgent);
    }
    slots_of_model_[static_cast<std::size_t>(slot.model)].push_back(static_cast<std::uint32_t>(i));
  }
}

void Snapshot::IndexNames() {
  for (std::size_t i = 0; i < catalogue_.roles.size(); ++i) roles_.try_emplace(Lower(catalogue_.roles[i].role), i);
  for (std::size_t i = 0; i < catalogue_.roles.size(); ++i) {
    const Role& role = catalogue_.roles[i];
    for (const std::string& alias : role.aliases) roles_.try_emplace(Lower(alias), i);
    std::vector<ModelIndex>& models = role_models_.emplace_back();
    for (const std::string& model : role.models) models.push_back(FindModel(model));
    persona_tokens_.push_back(text::EstimateTokens(role.persona));
  }
  for (std::size_t i = 0; i < catalogue_.endpoints.size(); ++i) {
    endpoints_.try_emplace(Lower(catalogue_.endpoints[i].name), i);
  }
  for (std::size_t i = 0; i < catalogue_.endpoints.size(); ++i) {
    const EndpointId& id = catalogue_.endpoints[i].id;
    if (!id.is_nil()) endpoints_.try_emplace(id.ToString(), i);
  }
}

const Role* Snapshot::FindRole(std::string_view role) const {
  const auto found = roles_.find(Lower(role));
  return found == roles_.end() ? nullptr : &catalogue_.roles[found->second];
}

std::string Snapshot::SuggestRole(std::string_view role) const {
  std::vector<std::string> names;
  for (const Role& one : catalogue_.roles) {
    names.push_back(one.role);
    names.insert(names.end(), one.aliases.begin(), one.aliases.end());
  }
  return text::DidYouMean(role, names);
}

const Endpoint* Snapshot::FindEndpoint(std::string_view endpoint) const {
  const auto found = endpoints_.find(Lower(endpoint));
  return found == endpoints_.end() ? nullptr : &catalogue_.endpoints[found->second];
}

std::string Snapshot::SuggestEndpoint(std::string_view endpoint) const {
  std::vector<std::string> names;
  for (const Endpoint& one : catalogue_.endpoints) names.push_back(one.name);
  return text::DidYouMean(endpoint, names);
}

ModelIndex Snapshot::FindModel(std::string_view model) const {
  const auto found = models_.find(Normal(model));
  return found == models_.end() ? ModelIndex::kUnknown : found->second;
}

std::string Snapshot::SuggestModel(std::string_view model) const {
  std::vector<std::string> names;
  for (const auto& [name, index] : models_) names.push_back(name);
  std::sort(names.begin(), names.end());
  return text::DidYouMean(model, names);
}

const ModelRow* Snapshot::FindRow(std::string_view model) const {
  const ModelIndex index = FindModel(model);
  return index == ModelIndex::kUnknown ? nullptr : rows_[static_cast<std::size_t>(index)];
}

const Slot* Snapshot::FindSlot(std::string_view endpoint, std::string_view model) const {
  const Endpoint* const at = FindEndpoint(endpoint);
  if (at == nullptr) return nullptr;
  const ModelIndex index = FindModel(model);
  const std::string name = Normal(model);
  const Slot* likely = nullptr;
  for (const Slot& slot : slots_) {
    if (slot.endpoint != at) continue;
    if (Normal(slot.placed->model) == name) return &slot;
    if (likely == nullptr && index != ModelIndex::kUnknown && slot.model == index) likely = &slot;
  }
  return likely;
}

std::span<const std::uint32_t> Snapshot::SlotsOf(ModelIndex model) const {
  if (model == ModelIndex::kUnknown) return {};
  return slots_of_model_[static_cast<std::size_t>(model)];
}

Reach Snapshot::ReachOf(std::span<const std::string> offered) const {
  Reach reach;
  reach.offered_.resize(needs_.size());
  for (const std::string& offer : offered) {
    const auto found = needs_.find(offer);
    if (found != needs_.end()) reach.offered_[found->second] = true;
  }
  return reach;
}

Reach Snapshot::ReachOfAll() const {
  Reach reach;
  reach.offered_.assign(needs_.size(), true);
  return reach;
}

text::TokenEstimate Snapshot::PersonaTokens(const Role& role) const { return persona_tokens_[IndexOfRole(role)]; }

int Snapshot::PositionIn(const Role& role, ModelIndex model) const {
  const std::vector<ModelIndex>& models = role_models_[IndexOfRole(role)];
  const auto found = std::find(models.begin(), models.end(), model);
  return found == models.end() || model == ModelIndex::kUnknown ? -1 : static_cast<int>(found - models.begin());
}

std::size_t Snapshot::RankCell(const RankClass& rank_class) const {
  std::size_t cell = rank_class.role == nullptr ? 0 : IndexOfRole(*rank_class.role) + 1;
  cell = cell * kTiers + static_cast<std::size_t>(rank_class.least);
  cell = cell * 2 + (rank_class.local_only ? 1 : 0);
  cell = cell * 2 + (rank_class.urgent ? 1 : 0);
  return cell * kOrders + static_cast<std::size_t>(rank_class.order);
}

const Snapshot::Ranks& Snapshot::RanksOf(const RankClass& rank_class) const {
  std::atomic<const Ranks*>& cell = ranks_[RankCell(rank_class)];
  if (const Ranks* const ranks = cell.load(std::memory_order_acquire)) return *ranks;
  std::unique_ptr<Ranks> made = WorkOut(rank_class);
  const Ranks* expected = nullptr;
  // Two that work it out at once come to the same.
  if (cell.compare_exchange_strong(expected, made.get(), std::memory_order_acq_rel)) return *made.release();
  return *expected;
}

bool Snapshot::Belongs(const RankClass& rank_class, const Slot& slot) const {
  return slot.barred == Rejection::kNone && slot.tier >= rank_class.least && (!rank_class.local_only || slot.local()) &&
         (rank_class.role == nullptr || PositionIn(*rank_class.role, slot.model) >= 0);
}

std::unique_ptr<Snapshot::Ranks> Snapshot::WorkOut(const RankClass& rank_class) const {
  auto ranks = std::make_unique<Ranks>();
  const auto before = [&](const Ranked& a, const Ranked& b) { return Before(rank_class, a, b); };
  Ranked shut;
  for (const Slot& slot : slots_) {
    if (!Belongs(rank_class, slot)) continue;
    if (slot.closed == Rejection::kNone && slot.has_room[rank_class.urgent ? 1 : 0]) {
      ranks->open.push_back({.slot = &slot, .score = ScoreIn(rank_class, slot)});
    } else if (slot.closed == Rejection::kEndpointMisconfigured) {
      // As if nothing were wrong with it.
      Parts parts = PartsIn(rank_class, slot);
      parts.health = parts.load = 1;
      const Ranked one{.slot = &slot,
                       .score = ScoreOf(parts, rules_.weights, rank_class.urgent, rank_class.role != nullptr)};
      if (shut.slot == nullptr || before(one, shut)) shut = one;
    }
  }
  std::sort(ranks->open.begin(), ranks->open.end(), before);
  if (shut.slot != nullptr && (ranks->open.empty() || before(shut, ranks->open.front()))) {
    ranks->misconfigured = shut.slot;
  }
  return ranks;
}

Parts Snapshot::PartsIn(const RankClass& rank_class, const Slot& slot) const {
  Parts parts = slot.parts[rank_class.urgent ? 1 : 0];
  if (rank_class.role != nullptr) {
    parts.preference =
        PreferenceOf(PositionIn(*rank_class.role, slot.model), static_cast<int>(rank_class.role->models.size()));
  }
  return parts;
}

double Snapshot::ScoreIn(const RankClass& rank_class, const Slot& slot) const {
  return ScoreOf(PartsIn(rank_class, slot), rules_.weights, rank_class.urgent, rank_class.role != nullptr);
}

bool Snapshot::Prime(const Slot& slot) {
  const EndpointState state = slot.endpoint->state;
  return slot.local() && slot.placed->warmth == Warmth::kWarm &&
         (state == EndpointState::kHealthy || state == EndpointState::kBusy || state == EndpointState::kLoading);
}

bool Snapshot::Before(const RankClass& rank_class, const Ranked& a, const Ranked& b) const {
  switch (rank_class.order) {
    case Order::kLocalFirst:
      if (Prime(*a.slot) != Prime(*b.slot)) return Prime(*a.slot);
      break;
    case Order::kSmallest:
      if (a.slot->local() != b.slot->local()) return a.slot->local();
      if (a.slot->tier != b.slot->tier) return a.slot->tier < b.slot->tier;
      break;
    case Order::kScore:
      break;
  }
  if (a.score != b.score) return a.score > b.score;
  // They stand by name.
  return a.slot < b.slot;
}

}  // namespace switchyard::router
