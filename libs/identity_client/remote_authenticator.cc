#include "libs/identity_client/remote_authenticator.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/retry.h"

namespace switchyard::identity_client {

using identity::v1::IdentityService;
using identity::v1::VerifyTokenRequest;
using identity::v1::VerifyTokenResponse;

RemoteAuthenticator::RemoteAuthenticator(std::shared_ptr<grpc::Channel> channel, const rpc::Caller& caller,
                                         absl::Duration timeout)
    : stub_(IdentityService::NewStub(std::move(channel))), caller_(caller), timeout_(timeout) {}

RemoteAuthenticator::~RemoteAuthenticator() {
  MutexLock lock(mutex_);
  while (under_way_ != 0) none_.Wait(mutex_);
}

rpc::Authenticator::Result RemoteAuthenticator::ToResult(const absl::StatusOr<VerifyTokenResponse>& response) {
  if (!response.ok()) {
    const absl::Status& status = response.status();
    if (ReasonOf(status) == "TOKEN_UNKNOWN") return rpc::TokenInvalid();
    const bool refused =
        status.code() == absl::StatusCode::kUnauthenticated || status.code() == absl::StatusCode::kPermissionDenied;
    if (!refused) return status;
    if (!refused_.exchange(true)) {
      LogError("the identity service refuses this process' own token; see auth.token", {{"error", status}});
    }
    return MakeError(absl::StatusCode::kUnavailable, "IDENTITY_REFUSED", "tokens cannot be verified at the moment");
  }
  refused_ = false;
  auto principal = std::make_shared<rpc::Principal>();
  const identity::v1::Token& token = response->token();
  principal->id = token.principal_id();
  principal->name = token.name();
  for (const int scope : token.scopes()) principal->scopes.Add(static_cast<rpc::Scope>(scope));
  principal->expire_time =
      absl::FromUnixSeconds(token.expire_time().seconds()) + absl::Nanoseconds(token.expire_time().nanos());
  return std::shared_ptr<const rpc::Principal>(std::move(principal));
}

void RemoteAuthenticator::Authenticate(std::string_view token, Answer answer) {
  {
    MutexLock lock(mutex_);
    ++under_way_;
  }
  VerifyTokenRequest request;
  request.set_text(std::string(token));
  rpc::CallUnaryAsync(caller_, stub_->async(), &IdentityService::StubInterface::async_interface::VerifyToken,
                      std::move(request), {.timeout = timeout_, .idempotent = true, .trace = {}},
                      [this, answer = std::move(answer)](const absl::StatusOr<VerifyTokenResponse>& response) {
                        answer(ToResult(response));
                        MutexLock lock(mutex_);
                        if (--under_way_ == 0) none_.NotifyAll();
                      });
}

}  // namespace switchyard::identity_client
