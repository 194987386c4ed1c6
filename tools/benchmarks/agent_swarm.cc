#include "tools/benchmarks/agent_swarm.h"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tools/benchmarks/client.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kBeatPeriod = absl::Milliseconds(50);
constexpr absl::Duration kLookPeriod = absl::Milliseconds(5);
constexpr absl::Duration kRedialPeriod = absl::Milliseconds(500);

}  // namespace

void AgentSwarm::Relay::Set(SimAgentEvents* events) {
  to_ = events;
  while (busy_ > 0) absl::SleepFor(absl::Microseconds(100));
}

template <class Tell>
void AgentSwarm::Relay::Pass(Tell tell) {
  ++busy_;
  if (SimAgentEvents* const events = to_) tell(*events);
  --busy_;
}

void AgentSwarm::Relay::OnAssignment(SimAgent& agent, const av1::Assignment& assignment, std::int64_t nanos) {
  Pass([&](SimAgentEvents& events) { events.OnAssignment(agent, assignment, nanos); });
}
void AgentSwarm::Relay::OnSettled(SimAgent& agent, const SettledReport& report) {
  Pass([&](SimAgentEvents& events) { events.OnSettled(agent, report); });
}
void AgentSwarm::Relay::OnLost(SimAgent& agent, const absl::Status& status) {
  Pass([&](SimAgentEvents& events) { events.OnLost(agent, status); });
}

AgentSwarm::AgentSwarm()
    : beats_(
          "beats",
          [this] {
            const std::int64_t now = SteadyNanos();
            for (const auto& agent : agents_) agent->Beat(now);
          },
          [] { return kBeatPeriod; }) {}

absl::StatusOr<std::unique_ptr<AgentSwarm>> AgentSwarm::Create(const Installation& installation,
                                                               const std::string& prefix, int count,
                                                               const SimAgent::Settings& settings) {
  SY_ASSIGN_OR_RETURN(const std::vector<AgentIdentity> identities, EnrollAgents(installation, prefix, count));
  std::unique_ptr<AgentSwarm> swarm(new AgentSwarm);
  for (const AgentIdentity& identity : identities) {
    swarm->agents_.push_back(
        std::make_unique<SimAgent>(installation.hub_target(), identity, settings, swarm->relay_, swarm->tally_));
  }
  swarm->beats_.Start();
  return swarm;
}

AgentSwarm::~AgentSwarm() {
  beats_.Stop();
  Cut();
}

absl::Status AgentSwarm::Connect(int first, int count, bool restarted) {
  for (int i = first; i < first + count; ++i) SY_RETURN_IF_ERROR(agent(i).Connect(restarted));
  return absl::OkStatus();
}

absl::Status AgentSwarm::Redial(int count) {
  for (int i = 0; i < count; ++i) {
    const std::optional<absl::Status> lost = agent(i).lost();
    if (!lost.has_value()) continue;
    if (redialled_++ == 0) {
      first_loss_ = lost->ToString();
      std::fprintf(stderr, "a stream is lost and dialled again: %s\n", first_loss_.c_str());
    }
    SY_RETURN_IF_ERROR(agent(i).Connect(false));
  }
  return absl::OkStatus();
}

absl::Status AgentSwarm::Await(int count, bool available, absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  absl::Time redial = absl::Now() + kRedialPeriod;
  const auto there = [&](const std::unique_ptr<SimAgent>& agent) {
    return agent->welcomed() && (!available || agent->available());
  };
  for (;;) {
    const auto end = agents_.begin() + count;
    if (std::all_of(agents_.begin(), end, there)) return absl::OkStatus();
    const absl::Time now = absl::Now();
    if (now > deadline) {
      return absl::DeadlineExceededError(
          absl::StrCat("after ", absl::FormatDuration(patience), " ", std::count_if(agents_.begin(), end, there),
                       " of ", count, " agents are there; dialled again ", redialled_, " times, first: ", first_loss_));
    }
    if (now >= redial) {
      redial = now + kRedialPeriod;
      SY_RETURN_IF_ERROR(Redial(count));
    }
    absl::SleepFor(kLookPeriod);
  }
}

void AgentSwarm::Cut() {
  for (const auto& agent : agents_) agent->Cut();
  for (const auto& agent : agents_) agent->Forget();
}

}  // namespace switchyard::bench
