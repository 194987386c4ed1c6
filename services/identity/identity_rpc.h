#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/rpc/handler.h"
#include "services/identity/identity.h"
#include "switchyard/identity/v1/identity_service.grpc.pb.h"

namespace switchyard::identity {

// Serves the contract: validates, converts, calls, converts. Thread-safe.
class IdentityRpc final : public v1::IdentityService::CallbackService {
 public:
  // Borrows all. What waits for the store runs on `blocking`, which must be stopped before this goes.
  IdentityRpc(rpc::CallGate& gate, Identity& identity, Executor& blocking);

  grpc::ServerUnaryReactor* IssueToken(grpc::CallbackServerContext* context, const v1::IssueTokenRequest* request,
                                       v1::IssueTokenResponse* response) override;
  grpc::ServerUnaryReactor* VerifyToken(grpc::CallbackServerContext* context, const v1::VerifyTokenRequest* request,
                                        v1::VerifyTokenResponse* response) override;
  grpc::ServerUnaryReactor* RevokeToken(grpc::CallbackServerContext* context, const v1::RevokeTokenRequest* request,
                                        v1::RevokeTokenResponse* response) override;
  grpc::ServerUnaryReactor* RotateToken(grpc::CallbackServerContext* context, const v1::RotateTokenRequest* request,
                                        v1::RotateTokenResponse* response) override;
  grpc::ServerUnaryReactor* ListTokens(grpc::CallbackServerContext* context, const v1::ListTokensRequest* request,
                                       v1::ListTokensResponse* response) override;
  grpc::ServerUnaryReactor* GetSelf(grpc::CallbackServerContext* context, const v1::GetSelfRequest* request,
                                    v1::GetSelfResponse* response) override;

 private:
  rpc::Handlers rpc_;
  Identity& identity_;
  Executor& blocking_;
  const rpc::Method& issue_ = rpc_.Find("IssueToken");
  const rpc::Method& verify_ = rpc_.Find("VerifyToken");
  const rpc::Method& revoke_ = rpc_.Find("RevokeToken");
  const rpc::Method& rotate_ = rpc_.Find("RotateToken");
  const rpc::Method& list_ = rpc_.Find("ListTokens");
  const rpc::Method& self_ = rpc_.Find("GetSelf");
};

}  // namespace switchyard::identity
