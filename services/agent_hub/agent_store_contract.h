// What every AgentStore and every LogStore must do, as suites: each implementation instantiates them and links
// agent_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/agent_hub/agent_store.h"
#include "services/agent_hub/log_store.h"

namespace switchyard::agent_hub {

// Empty stores.
class AgentStoreFixture {
 public:
  virtual ~AgentStoreFixture() = default;
  virtual AgentStore& agents() = 0;
  // Made with `kContractLimits`; not maintained yet.
  virtual LogStore& logs() = 0;
};
inline constexpr LogLimits kContractLimits = {.head_bytes = 100, .tail_bytes = 200};

struct AgentStoreParam {
  std::string name;
  std::function<std::unique_ptr<AgentStoreFixture>()> make;
};
void PrintTo(const AgentStoreParam& param, std::ostream* os);

class AgentStoreContract : public ::testing::TestWithParam<AgentStoreParam> {
 protected:
  AgentStoreContract() : fixture_(GetParam().make()) {}

  AgentStore& store() { return fixture_->agents(); }
  // The n-th enrolment, for an hour: its token's hash is that of its number.
  Enrollment Make(int n, const std::string& name) const;
  // Enrolled, redeemed and with a token for an hour.
  AgentRecord Join(int n, const std::string& name);
  Observation See(const AgentId& agent, std::int64_t epoch, AgentState state, absl::Duration later) const;

  const absl::Time now_ = testing::FakeClock().Now();

 private:
  const std::unique_ptr<AgentStoreFixture> fixture_;
};

class LogStoreContract : public ::testing::TestWithParam<AgentStoreParam> {
 protected:
  LogStoreContract();

  LogStore& store() { return fixture_->logs(); }
  LogChunk Chunk(std::int64_t generation, std::int64_t sequence, std::string data) const;
  // "1/1 2/1!" and so on: generation/sequence, "-N" when N bytes were omitted before, "!" when the last.
  std::string Places(const LogQuery& query);

  const absl::Time now_ = testing::FakeClock().Now();
  const TaskId task_;

 private:
  const std::unique_ptr<AgentStoreFixture> fixture_;
};

}  // namespace switchyard::agent_hub
