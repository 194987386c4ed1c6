#include "services/agent_hub/in_memory_agent_store.h"

#include "services/agent_hub/agent_store_contract.h"
#include "services/agent_hub/in_memory_log_store.h"

namespace switchyard::agent_hub {
namespace {

class InMemoryFixture final : public AgentStoreFixture {
 public:
  AgentStore& agents() override { return agents_; }
  LogStore& logs() override { return logs_; }

 private:
  InMemoryAgentStore agents_;
  InMemoryLogStore logs_{kContractLimits};
};

const AgentStoreParam kParam{"InMemory", [] { return std::make_unique<InMemoryFixture>(); }};

}  // namespace

INSTANTIATE_TEST_SUITE_P(InMemory, AgentStoreContract, ::testing::Values(kParam));
INSTANTIATE_TEST_SUITE_P(InMemory, LogStoreContract, ::testing::Values(kParam));

}  // namespace switchyard::agent_hub
