// What every RouteStore must do, as one suite: each implementation instantiates it and links route_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/router/route_store.h"

namespace switchyard::router {

// One empty store, as several processes see it.
class RouteStoreFixture {
 public:
  virtual ~RouteStoreFixture() = default;
  // 0 to 2: the same books, whichever is asked.
  virtual RouteStore& store(int replica) = 0;
};

struct RouteStoreParam {
  std::string name;
  std::function<std::unique_ptr<RouteStoreFixture>()> make;
};
void PrintTo(const RouteStoreParam& param, std::ostream* os);

class RouteStoreContract : public ::testing::TestWithParam<RouteStoreParam> {
 protected:
  RouteStoreContract();

  RouteStore& store(int replica = 0) { return fixture_->store(replica); }
  RouteKey Key(int task, std::int64_t generation = 1) const;
  // Of project "p", provider "alpha", model "big"; confirmed.
  NewReservation Make(int task, std::int64_t micros, std::int64_t generation = 1);
  // Stores one; what came of it.
  ReserveOutcome Reserve(const NewReservation& reservation);
  void SetBudget(const std::string& name, std::int64_t limit, const std::function<void(BudgetSpec&)>& change = {});
  BudgetState Budget(const std::string& name, int replica = 0);
  // How many of these this ended.
  int End(const RouteKey& key, Ending::Kind kind, std::int64_t micros = 0);

  const absl::Time now_ = testing::FakeClock().Now();
  std::uint64_t made_ = 0;

 private:
  const std::unique_ptr<RouteStoreFixture> fixture_;
};

}  // namespace switchyard::router
