#include "services/model_registry/in_memory_registry_store.h"

#include "services/model_registry/registry_store_contract.h"

namespace switchyard::model_registry {

class InMemoryFixture final : public RegistryStoreFixture {
 public:
  RegistryStore& store() override { return store_; }

 private:
  InMemoryRegistryStore store_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, RegistryStoreContract,
                         ::testing::Values(RegistryStoreParam{"InMemory",
                                                              [] { return std::make_unique<InMemoryFixture>(); }}));

}  // namespace switchyard::model_registry
