#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/rpc/authenticator.h"
#include "libs/rpc/caller.h"
#include "switchyard/identity/v1/identity_service.grpc.pb.h"

namespace switchyard::identity_client {

// Asks the identity service whose token it is. Wants an rpc::CachingAuthenticator in front. Thread-safe.
class RemoteAuthenticator final : public rpc::Authenticator {
 public:
  // Borrows the caller, which carries this process' own token of scope service. The channel must be kept elsewhere too.
  // `timeout` bounds one question with all its tries.
  RemoteAuthenticator(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller, absl::Duration timeout);
  // Waits for the answers under way.
  ~RemoteAuthenticator() override;

  // When the identity service refuses our own token, that is logged once and answered with UNAVAILABLE, reason
  // IDENTITY_REFUSED: it says nothing about the token that was asked for.
  void Authenticate(std::string_view token, Answer answer) override;

 private:
  Result ToResult(const absl::StatusOr<identity::v1::VerifyTokenResponse>& response);

  const std::unique_ptr<identity::v1::IdentityService::Stub> stub_;
  const rpc::Caller& caller_;
  const absl::Duration timeout_;
  std::atomic<bool> refused_{false};
  Mutex mutex_;
  CondVar none_;
  std::size_t under_way_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::identity_client
