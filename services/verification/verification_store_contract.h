// What every VerificationStore must do, as one suite: each implementation instantiates it and links
// verification_store_contract.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "libs/testing/fake_clock.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

// One empty store, as several processes see it.
class VerificationStoreFixture {
 public:
  virtual ~VerificationStoreFixture() = default;
  // 0 to 2: the same records, whichever is asked.
  virtual VerificationStore& store(int replica) = 0;
};

struct VerificationStoreParam {
  std::string name;
  std::function<std::unique_ptr<VerificationStoreFixture>()> make;
};
void PrintTo(const VerificationStoreParam& param, std::ostream* os);

class VerificationStoreContract : public ::testing::TestWithParam<VerificationStoreParam> {
 protected:
  VerificationStoreContract() : fixture_(GetParam().make()) {}

  VerificationStore& store(int replica = 0) { return fixture_->store(replica); }
  WorkKey Key(int task, std::int64_t generation = 1) const;
  // Decided as succeeded; of project "web", model "author", by no judge.
  Record Make(int task, std::int64_t generation = 1) const;
  Record Judging(int task) const;
  // Stores one; what stands then.
  KeptRecord Add(const Record& record, int replica = 0);
  Record Find(int task, std::int64_t generation = 0);
  std::vector<Record> Claim(absl::Time now, int limit = 10, int replica = 0);
  std::vector<int> List(const RecordQuery& query);
  void Mark(int task, OutcomeKind kind, const std::string& source, absl::Duration after = absl::ZeroDuration());

  const absl::Time now_ = testing::FakeClock().Now();

 private:
  const std::unique_ptr<VerificationStoreFixture> fixture_;
};

}  // namespace switchyard::verification
