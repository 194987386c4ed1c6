#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/rpc/authenticator.h"
#include "services/identity/identity.h"

namespace switchyard::identity {

// Asks the store of this process itself. Wants an rpc::CachingAuthenticator in front. Thread-safe.
class LocalAuthenticator final : public rpc::Authenticator {
 public:
  // Borrows both; stop the executor before either goes.
  LocalAuthenticator(Identity& identity, Executor& blocking) : identity_(identity), blocking_(blocking) {}

  void Authenticate(std::string_view token, Answer answer) override;

 private:
  Identity& identity_;
  Executor& blocking_;
};

}  // namespace switchyard::identity
