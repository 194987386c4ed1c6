// What every RegistryStore must do, as one suite: each implementation instantiates it and links
// registry_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/model_registry/registry_store.h"

namespace switchyard::model_registry {

// One empty store.
class RegistryStoreFixture {
 public:
  virtual ~RegistryStoreFixture() = default;
  virtual RegistryStore& store() = 0;
};

struct RegistryStoreParam {
  std::string name;
  std::function<std::unique_ptr<RegistryStoreFixture>()> make;
};
void PrintTo(const RegistryStoreParam& param, std::ostream* os);

class RegistryStoreContract : public ::testing::TestWithParam<RegistryStoreParam> {
 protected:
  static constexpr std::size_t kMany = 1'000;

  RegistryStoreContract() : fixture_(GetParam().make()) {}

  RegistryStore& store() { return fixture_->store(); }
  NewEndpoint Make(int n, const std::string& name) const;
  EndpointRecord Insert(const NewEndpoint& endpoint);
  Reservation Hold(int endpoint, int task, absl::Duration hold) const;
  // Stores them whatever else is there.
  void Put(const std::vector<Reservation>& reservations);
  EndpointId Endpoint(int n) const;

  const absl::Time now_ = testing::FakeClock().Now();

 private:
  const std::unique_ptr<RegistryStoreFixture> fixture_;
};

}  // namespace switchyard::model_registry
