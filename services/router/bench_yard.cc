#include "services/router/bench_yard.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace switchyard::router {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

ModelRow Row(std::string model, std::string provider, ModelTier tier, std::int64_t input, std::int64_t output) {
  ModelRow row;
  row.model = std::move(model);
  row.provider = std::move(provider);
  row.tier = tier;
  row.context_window = 131'072;
  row.price.free = input == 0;
  if (input > 0) row.price.rates = {.input = input, .output = output};
  return row;
}

Endpoint MakeEndpoint(int number) {
  Endpoint endpoint;
  endpoint.name = absl::StrCat("endpoint-", number);
  endpoint.local = number % 5 != 4;
  endpoint.host = endpoint.local ? endpoint.name : "";
  if (!endpoint.local) endpoint.credential = absl::StrCat("env:KEY_", number % 3);
  endpoint.state = number % 10 == 7 ? EndpointState::kOpen : EndpointState::kHealthy;
  endpoint.capacity = 8;
  endpoint.in_flight = number % 8;
  const char* const local[] = {"small-a", "small-b", "medium-a", "medium-b"};
  const char* const cloud[] = {"medium-c", "large-a", "large-b", "large-c"};
  for (int i = 0; i < 4; ++i) {
    PlacedModel placed;
    placed.model = endpoint.local ? local[i] : cloud[i];
    placed.priced_as = placed.model;
    placed.warmth = (number + i) % 3 == 0 ? Warmth::kCold : Warmth::kWarm;
    placed.first_token_p50 = absl::Milliseconds(100 + 37 * ((number * 7 + i) % 50));
    endpoint.models.push_back(std::move(placed));
  }
  return endpoint;
}

}  // namespace

BenchYard::BenchYard(int endpoints) {
  catalogue_.time = kNow;
  catalogue_.models = {Row("small-a", "own", ModelTier::kSmall, 0, 0),
                       Row("small-b", "own", ModelTier::kSmall, 0, 0),
                       Row("medium-a", "own", ModelTier::kMedium, 0, 0),
                       Row("medium-b", "own", ModelTier::kMedium, 0, 0),
                       Row("medium-c", "alpha", ModelTier::kMedium, 300'000, 2'500'000),
                       Row("large-a", "alpha", ModelTier::kLarge, 3'000'000, 15'000'000),
                       Row("large-b", "beta", ModelTier::kLarge, 1'250'000, 10'000'000),
                       Row("large-c", "beta", ModelTier::kLarge, 2'000'000, 8'000'000)};
  Role role;
  role.role = "coder";
  role.version = 1;
  role.tier = ModelTier::kMedium;
  role.models = {"medium-b", "large-a", "large-b"};
  catalogue_.roles.push_back(role);
  for (int i = 0; i < endpoints; ++i) catalogue_.endpoints.push_back(MakeEndpoint(i));
  offers_ = {"credential:env:KEY_0", "credential:env:KEY_1", "credential:env:KEY_2"};
  BudgetState budget;
  budget.spec = {.name = "all", .limit_micros = std::int64_t{1} << 50};
  budget.bounds = BoundsOf(BudgetPeriod::kDay, kNow);
  budgets_ = BudgetBook({budget});
  Renew();

  for (int i = 0; i < 64; ++i) {
    TaskFacts facts;
    facts.project = absl::StrCat("project-", i % 5);
    facts.prompt = {.expected = 50 + 40 * i, .upper = 60 + 48 * i};
    facts.urgent = i % 8 == 0;
    switch (i % 8) {
      case 0:
        facts.complexity = Complexity::kStandard;
        break;
      case 1:
        facts.task_type = "docs";
        break;
      case 2:
        facts.role = "coder";
        break;
      case 3:
        facts.local_only = true;
        break;
      case 4:
        facts.routine = true;
        break;
      case 5:
        facts.complexity = Complexity::kTrivial;
        break;
      case 6:
        facts.words = {"security", "migration"};
        break;
      default:
        break;
    }
    tasks_.push_back(std::move(facts));
  }
  hopeless_.prompt = {.expected = 1'000'000, .upper = 1'100'000};
}

void BenchYard::Renew() {
  snapshot_ = Snapshot::Make(catalogue_, {});
  reach_ = snapshot_->ReachOf(offers_);
}

DecideResult BenchYard::Ask(const TaskFacts& facts) const {
  return router::Decide(facts, {.snapshot = *snapshot_, .budgets = budgets_, .reach = reach_, .now = kNow});
}

}  // namespace switchyard::router
