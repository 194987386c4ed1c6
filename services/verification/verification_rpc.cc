#include "services/verification/verification_rpc.h"

#include <utility>

#include "libs/base/status.h"
#include "services/verification/verification_validation.h"

namespace switchyard::verification {

VerificationRpc::VerificationRpc(rpc::CallGate& gate, VerificationRecords& records, Executor& blocking)
    : rpc_(gate, v1::VerificationService::service_full_name()), records_(records), blocking_(blocking) {}

template <class Request, class Response, class Work>
grpc::ServerUnaryReactor* VerificationRpc::Run(const rpc::Method& method, grpc::CallbackServerContext* context,
                                               const Request* request, Response* response, Work work) {
  return rpc::BlockingUnary(rpc_, blocking_, context, method, request, response,
                            [work = std::move(work)](const rpc::CallContext& call, const Request& request,
                                                     Response& response) -> absl::Status {
                              if (Violations faults = Validate(request); !faults.empty())
                                return InvalidFields(std::move(faults));
                              return work(call, request, response);
                            });
}

template <class Request, class Response>
grpc::ServerUnaryReactor* VerificationRpc::Run(const rpc::Method& method, grpc::CallbackServerContext* context,
                                               const Request* request, Response* response,
                                               absl::Status (VerificationRecords::*work)(const Request&, Response&)) {
  return Run(method, context, request, response,
             [this, work](const rpc::CallContext&, const Request& request, Response& response) {
               return (records_.*work)(request, response);
             });
}

grpc::ServerUnaryReactor* VerificationRpc::ListVerifications(grpc::CallbackServerContext* context,
                                                             const v1::ListVerificationsRequest* request,
                                                             v1::ListVerificationsResponse* response) {
  return Run(list_, context, request, response, &VerificationRecords::List);
}

grpc::ServerUnaryReactor* VerificationRpc::GetVerification(grpc::CallbackServerContext* context,
                                                           const v1::GetVerificationRequest* request,
                                                           v1::GetVerificationResponse* response) {
  return Run(get_, context, request, response, &VerificationRecords::Get);
}

grpc::ServerUnaryReactor* VerificationRpc::Reassess(grpc::CallbackServerContext* context,
                                                    const v1::ReassessRequest* request,
                                                    v1::ReassessResponse* response) {
  return Run(reassess_, context, request, response, &VerificationRecords::Reassess);
}

grpc::ServerUnaryReactor* VerificationRpc::SetPolicy(grpc::CallbackServerContext* context,
                                                     const v1::SetPolicyRequest* request,
                                                     v1::SetPolicyResponse* response) {
  return Run(
      set_policy_, context, request, response,
      [this](const rpc::CallContext& call, const v1::SetPolicyRequest& request, v1::SetPolicyResponse& response) {
        return records_.SetPolicy(request, call.principal().name, response);
      });
}

grpc::ServerUnaryReactor* VerificationRpc::RemovePolicy(grpc::CallbackServerContext* context,
                                                        const v1::RemovePolicyRequest* request,
                                                        v1::RemovePolicyResponse* response) {
  return Run(remove_policy_, context, request, response, &VerificationRecords::RemovePolicy);
}

grpc::ServerUnaryReactor* VerificationRpc::ListPolicies(grpc::CallbackServerContext* context,
                                                        const v1::ListPoliciesRequest* request,
                                                        v1::ListPoliciesResponse* response) {
  return Run(list_policies_, context, request, response, &VerificationRecords::ListPolicies);
}

grpc::ServerUnaryReactor* VerificationRpc::RecordOutcome(grpc::CallbackServerContext* context,
                                                         const v1::RecordOutcomeRequest* request,
                                                         v1::RecordOutcomeResponse* response) {
  return Run(record_outcome_, context, request, response,
             [this](const rpc::CallContext& call, const v1::RecordOutcomeRequest& request,
                    v1::RecordOutcomeResponse& response) {
               return records_.RecordOutcome(request, call.principal().name, response);
             });
}

grpc::ServerUnaryReactor* VerificationRpc::GetCalibration(grpc::CallbackServerContext* context,
                                                          const v1::GetCalibrationRequest* request,
                                                          v1::GetCalibrationResponse* response) {
  return Run(calibration_, context, request, response, &VerificationRecords::GetCalibration);
}

}  // namespace switchyard::verification
