#include "services/identity/in_memory_identity_store.h"

#include "services/identity/identity_store_contract.h"

namespace switchyard::identity {

class InMemoryFixture final : public IdentityStoreFixture {
 public:
  IdentityStore& store() override { return store_; }

 private:
  InMemoryIdentityStore store_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, IdentityStoreContract,
                         ::testing::Values(IdentityStoreParam{"InMemory",
                                                              [] { return std::make_unique<InMemoryFixture>(); }}));

}  // namespace switchyard::identity
