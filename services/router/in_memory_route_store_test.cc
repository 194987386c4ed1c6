#include "services/router/in_memory_route_store.h"

#include "services/router/route_store_contract.h"

namespace switchyard::router {

class InMemoryFixture final : public RouteStoreFixture {
 public:
  RouteStore& store(int) override { return store_; }

 private:
  InMemoryRouteStore store_;
};

INSTANTIATE_TEST_SUITE_P(InMemory, RouteStoreContract,
                         ::testing::Values(RouteStoreParam{"InMemory",
                                                           [] { return std::make_unique<InMemoryFixture>(); }}));

}  // namespace switchyard::router
