#include "tests/sim/scenario.h"

#include "absl/strings/str_cat.h"
#include "tests/sim/script.h"

namespace switchyard::sim {
namespace {

constexpr int kMostTasks = 30;
constexpr absl::Duration kSubmitting = absl::Seconds(25);

Wish MakeWish(SimRng& rng) {
  static constexpr const char* kOutcomes[] = {"k", "k", "k", "k", "k", "k", "fk", "ffk", "f", "p", "ak", "bk", "fbk"};
  Wish wish{.at = rng.Between(absl::ZeroDuration(), kSubmitting)};
  // Urgent is kept for what comes when all is over.
  wish.spec.set_lane(static_cast<task_queue::v1::Lane>(task_queue::v1::LANE_HIGH + rng.Below(3)));
  wish.spec.set_project(absl::StrCat("project-", rng.Below(3)));
  Script script;
  script.run = rng.Between(absl::Milliseconds(5), rng.Chance(0.2) ? absl::Seconds(8) : absl::Seconds(1));
  script.outcomes = kOutcomes[rng.Below(std::size(kOutcomes))];
  if (rng.Chance(0.15)) wish.spec.set_verdict_policy(task_queue::v1::VERDICT_POLICY_REQUIRED);
  const bool effects = rng.Chance(0.15);
  if (effects) wish.spec.set_effects(task_queue::v1::EFFECTS_NETWORK);
  // Those must not run twice at once, and where faults last long they could.
  if (effects) script.run *= 2;
  if (rng.Chance(effects ? 0.7 : 0.1)) wish.spec.set_on_lost(task_queue::v1::ON_LOST_RETRY);
  Write(script, wish.spec);
  if (rng.Chance(0.1)) wish.cancel_after = rng.Between(absl::ZeroDuration(), absl::Seconds(4));
  if (rng.Chance(0.05)) {
    wish.spec.add_capabilities("moon");
    wish.may_wait_for_ever = true;
  }
  if (rng.Chance(0.1)) wish.spec.mutable_context()->set_repository(absl::StrCat("repository-", rng.Below(2)));
  return wish;
}

}  // namespace

Scenario MakeScenario(std::uint64_t seed) {
  SimRng rng(Mix(seed, 0x5ce));
  Scenario scenario;
  scenario.cast = {.ledgers = 1 + static_cast<int>(rng.Below(2)),
                   .schedulers = 1 + static_cast<int>(rng.Below(2)),
                   .hubs = 1 + static_cast<int>(rng.Below(2)),
                   .executors = 2 + static_cast<int>(rng.Below(4))};
  for (int i = 0; i < scenario.cast.executors; ++i) scenario.slots.push_back(1 + static_cast<int>(rng.Below(3)));
  if (scenario.cast.schedulers == 2 && rng.Chance(0.5)) scenario.shards = 8;
  const auto tasks = 5 + rng.Below(kMostTasks - 5);
  for (std::uint64_t i = 0; i < tasks; ++i) scenario.wishes.push_back(MakeWish(rng));
  scenario.faults = PlanFaults(seed, scenario.cast, scenario.calm);
  return scenario;
}

task_queue::Rules SimRules() {
  task_queue::Rules rules;
  rules.backoff = {absl::ZeroDuration(), absl::Seconds(3), absl::Seconds(8)};
  rules.max_losses = 6;
  rules.loss_cooldown = {absl::ZeroDuration(), absl::Seconds(1)};
  rules.accept = absl::Seconds(5);
  rules.run = absl::Seconds(60);
  rules.stuck_mechanical = absl::Seconds(40);
  rules.verification = absl::Seconds(60);
  rules.cancel_grace = absl::Seconds(6);
  rules.session_lease = absl::Seconds(8);
  return rules;
}

agent_hub::HubRules SimHubRules() {
  agent_hub::HubRules rules;
  rules.hello = absl::Seconds(4);
  rules.heartbeat = absl::Seconds(2);
  rules.renew = absl::Seconds(2);
  rules.breaker_open = absl::Seconds(10);
  rules.penalty_first = absl::Seconds(1);
  rules.penalty_max = absl::Seconds(10);
  return rules;
}

}  // namespace switchyard::sim
