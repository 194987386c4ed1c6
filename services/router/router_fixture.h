// Endpoints, models and roles for the tests and benchmarks of the core.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "services/router/chain.h"
#include "services/router/decide.h"
#include "services/router/snapshot.h"

namespace switchyard::router {

inline const absl::Time kTestNow = absl::FromUnixSeconds(1'790'000'000);

inline PlacedModel Placed(std::string model, Warmth warmth = Warmth::kWarm) {
  PlacedModel placed;
  placed.priced_as = model;
  placed.model = std::move(model);
  placed.warmth = warmth;
  return placed;
}

// Local, healthy, room for four.
inline Endpoint Box(std::string name, std::vector<std::string> models) {
  Endpoint endpoint;
  endpoint.name = std::move(name);
  endpoint.local = true;
  endpoint.host = endpoint.name;
  endpoint.state = EndpointState::kHealthy;
  endpoint.capacity = 4;
  for (std::string& model : models) endpoint.models.push_back(Placed(std::move(model)));
  return endpoint;
}

// A provider's, with a credential env:NAME.
inline Endpoint Cloud(std::string name, std::vector<std::string> models) {
  Endpoint endpoint = Box(std::move(name), std::move(models));
  endpoint.local = false;
  endpoint.host.clear();
  endpoint.kind = EndpointKind::kAnthropic;
  endpoint.credential = "env:" + endpoint.name;
  endpoint.capacity = 32;
  return endpoint;
}

inline ModelRow FreeRow(std::string model, ModelTier tier, std::int64_t window = 32'768) {
  ModelRow row;
  row.model = std::move(model);
  row.provider = "own";
  row.tier = tier;
  row.context_window = window;
  row.price.free = true;
  return row;
}

// In dollars per million tokens.
inline ModelRow PricedRow(std::string model, std::string provider, ModelTier tier, double input, double output) {
  ModelRow row;
  row.model = std::move(model);
  row.provider = std::move(provider);
  row.tier = tier;
  row.context_window = 200'000;
  row.max_output = 64'000;
  row.price.rates.input = static_cast<std::int64_t>(input * 1e6);
  row.price.rates.output = static_cast<std::int64_t>(output * 1e6);
  return row;
}

// tiny, mid and strong are free; flash (medium), big and vast (large) have prices.
inline std::vector<ModelRow> TestRows() {
  return {FreeRow("tiny", ModelTier::kSmall),
          FreeRow("mid", ModelTier::kMedium),
          FreeRow("strong", ModelTier::kLarge),
          PricedRow("flash", "beta", ModelTier::kMedium, 0.3, 2.5),
          PricedRow("big", "alpha", ModelTier::kLarge, 3, 15),
          PricedRow("vast", "beta", ModelTier::kLarge, 1.25, 10)};
}

inline Role TestRole(std::string name, ModelTier tier, std::vector<std::string> models, bool local_only = false) {
  Role role;
  role.role = std::move(name);
  role.version = 1;
  role.tier = tier;
  role.models = std::move(models);
  role.local_only = local_only;
  return role;
}

// A box with tiny and mid, two providers.
inline Catalogue TestCatalogue() {
  Catalogue catalogue;
  catalogue.time = kTestNow;
  catalogue.models = TestRows();
  catalogue.endpoints = {Box("box", {"tiny", "mid"}), Cloud("alpha", {"big"}), Cloud("beta", {"flash", "vast"})};
  catalogue.roles = {TestRole("coder", ModelTier::kMedium, {"mid", "big", "vast"}),
                     TestRole("operator", ModelTier::kSmall, {"mid", "tiny"}, true),
                     TestRole("planner", ModelTier::kLarge, {"big", "vast"})};
  return catalogue;
}

// What the agents of these tests offer unless a test says otherwise.
inline std::vector<std::string> TestOffers() { return {"credential:env:alpha", "credential:env:beta"}; }

// A snapshot with what deciding by it takes.
class TestYard {
 public:
  explicit TestYard(Catalogue catalogue = TestCatalogue(), RouterRules rules = {})
      : snapshot_(Snapshot::Make(std::move(catalogue), std::move(rules))) {
    // Decisions of a yard that is gone may still be looked at.
    static auto& kept = *new std::vector<std::shared_ptr<const Snapshot>>();
    kept.push_back(snapshot_);
  }

  const Snapshot& snapshot() const { return *snapshot_; }
  void Offer(std::vector<std::string> offers) { offers_ = std::move(offers); }
  void SetBudgets(std::vector<BudgetState> states) { budgets_ = BudgetBook(std::move(states)); }
  void OneAgent() { one_agent_ = true; }

  DecideResult Ask(const TaskFacts& facts) const {
    const Reach reach = snapshot_->ReachOf(offers_);
    return Decide(
        facts, {.snapshot = *snapshot_, .budgets = budgets_, .reach = reach, .now = kTestNow, .one_agent = one_agent_});
  }
  Explanation AskWhy(const TaskFacts& facts, std::size_t most = 100) const {
    const Reach reach = snapshot_->ReachOf(offers_);
    return Explain(
        facts, {.snapshot = *snapshot_, .budgets = budgets_, .reach = reach, .now = kTestNow, .one_agent = one_agent_},
        most);
  }
  GrantResult Next(const TaskFacts& facts, const HeldRoute& held, EndpointOutcome outcome,
                   std::string_view reason = "") const {
    const Reach reach = snapshot_->ReachOf(offers_);
    return NextInChain(facts, held, outcome, reason,
                       {.snapshot = *snapshot_, .budgets = budgets_, .reach = reach, .now = kTestNow});
  }

 private:
  std::shared_ptr<const Snapshot> snapshot_;
  BudgetBook budgets_;
  std::vector<std::string> offers_ = TestOffers();
  bool one_agent_ = false;
};

// "big at alpha, vast at beta"; "hold NO_MODEL"; "no model".
inline std::string Show(const DecideResult& result) {
  if (const Hold* const hold = std::get_if<Hold>(&result)) {
    return "hold " + std::string(NameOf(hold->code)) + (hold->permanent ? " for good" : "");
  }
  std::string text;
  for (const Choice& choice : std::get<Decision>(result).candidates) {
    if (!text.empty()) text += ", ";
    text += choice.slot->placed->model + " at " + choice.slot->endpoint->name;
  }
  return text.empty() ? "no model" : text;
}

inline std::string Best(const DecideResult& result) {
  const std::string text = Show(result);
  return text.substr(0, text.find(','));
}

inline std::string SignalsOf(const Decision& decision) {
  std::string text;
  for (const Signal& signal : decision.signals) {
    if (!text.empty()) text += ' ';
    text += signal.name;
  }
  return text;
}

// A prompt of so many tokens.
inline TaskFacts TestPrompt(std::int64_t tokens = 100) {
  TaskFacts facts;
  facts.project = "default";
  facts.prompt = {.expected = tokens, .upper = tokens + tokens / 10};
  return facts;
}

}  // namespace switchyard::router
