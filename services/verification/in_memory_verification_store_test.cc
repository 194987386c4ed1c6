#include "services/verification/in_memory_verification_store.h"

#include "services/verification/verification_store_contract.h"

namespace switchyard::verification {

class InMemoryFixture final : public VerificationStoreFixture {
 public:
  VerificationStore& store(int) override { return store_; }

 private:
  InMemoryVerificationStore store_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, VerificationStoreContract,
                         ::testing::Values(VerificationStoreParam{"InMemory",
                                                                  [] { return std::make_unique<InMemoryFixture>(); }}));

}  // namespace switchyard::verification
