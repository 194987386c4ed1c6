#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/rpc/blocking.h"
#include "libs/rpc/handler.h"
#include "services/verification/verification_records.h"
#include "switchyard/verification/v1/verification_service.grpc.pb.h"

namespace switchyard::verification {

// Serves the contract: validates and calls. Thread-safe.
class VerificationRpc final : public v1::VerificationService::CallbackService {
 public:
  // The executor is stopped before this goes.
  VerificationRpc(rpc::CallGate& gate, VerificationRecords& records, Executor& blocking);

  grpc::ServerUnaryReactor* ListVerifications(grpc::CallbackServerContext* context,
                                              const v1::ListVerificationsRequest* request,
                                              v1::ListVerificationsResponse* response) override;
  grpc::ServerUnaryReactor* GetVerification(grpc::CallbackServerContext* context,
                                            const v1::GetVerificationRequest* request,
                                            v1::GetVerificationResponse* response) override;
  grpc::ServerUnaryReactor* Reassess(grpc::CallbackServerContext* context, const v1::ReassessRequest* request,
                                     v1::ReassessResponse* response) override;
  grpc::ServerUnaryReactor* SetPolicy(grpc::CallbackServerContext* context, const v1::SetPolicyRequest* request,
                                      v1::SetPolicyResponse* response) override;
  grpc::ServerUnaryReactor* RemovePolicy(grpc::CallbackServerContext* context, const v1::RemovePolicyRequest* request,
                                         v1::RemovePolicyResponse* response) override;
  grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context, const v1::ListPoliciesRequest* request,
                                         v1::ListPoliciesResponse* response) override;
  grpc::ServerUnaryReactor* RecordOutcome(grpc::CallbackServerContext* context, const v1::RecordOutcomeRequest* request,
                                          v1::RecordOutcomeResponse* response) override;
  grpc::ServerUnaryReactor* GetCalibration(grpc::CallbackServerContext* context,
                                           const v1::GetCalibrationRequest* request,
                                           v1::GetCalibrationResponse* response) override;

 private:
  // `work` is a function of (const rpc::CallContext&, const Request&, Response&).
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Run(const rpc::Method& method, grpc::CallbackServerContext* context, const Request* request,
                                Response* response, Work work);
  template <class Request, class Response>
  grpc::ServerUnaryReactor* Run(const rpc::Method& method, grpc::CallbackServerContext* context, const Request* request,
                                Response* response,
                                absl::Status (VerificationRecords::*work)(const Request&, Response&));

  rpc::Handlers rpc_;
  VerificationRecords& records_;
  Executor& blocking_;
  const rpc::Method& list_ = rpc_.Find("ListVerifications");
  const rpc::Method& get_ = rpc_.Find("GetVerification");
  const rpc::Method& reassess_ = rpc_.Find("Reassess");
  const rpc::Method& set_policy_ = rpc_.Find("SetPolicy");
  const rpc::Method& remove_policy_ = rpc_.Find("RemovePolicy");
  const rpc::Method& list_policies_ = rpc_.Find("ListPolicies");
  const rpc::Method& record_outcome_ = rpc_.Find("RecordOutcome");
  const rpc::Method& calibration_ = rpc_.Find("GetCalibration");
};

}  // namespace switchyard::verification
