// What every IdentityStore must do, as one suite: each implementation instantiates it and links
// identity_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/identity/identity_store.h"

namespace switchyard::identity {

// One empty store.
class IdentityStoreFixture {
 public:
  virtual ~IdentityStoreFixture() = default;
  virtual IdentityStore& store() = 0;
};

struct IdentityStoreParam {
  std::string name;
  std::function<std::unique_ptr<IdentityStoreFixture>()> make;
};
void PrintTo(const IdentityStoreParam& param, std::ostream* os);

class IdentityStoreContract : public ::testing::TestWithParam<IdentityStoreParam> {
 protected:
  static constexpr std::size_t kMany = 1'000;

  IdentityStoreContract() : fixture_(GetParam().make()) {}

  IdentityStore& store() { return fixture_->store(); }
  // The n-th token: of scope read, living an hour.
  NewToken Make(int n, Scopes scopes = {Scope::kRead}) const;
  Token Insert(const NewToken& token);

  const absl::Time now_ = testing::FakeClock().Now();

 private:
  const std::unique_ptr<IdentityStoreFixture> fixture_;
};

}  // namespace switchyard::identity
