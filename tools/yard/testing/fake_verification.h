#pragma once

#include <string>
#include <utility>
#include <vector>

#include "libs/base/status.h"
#include "libs/rpc/handler.h"
#include "switchyard/verification/v1/verification_service.grpc.pb.h"

namespace switchyard::yard {

// A verification service in memory, as far as the commands of yard can tell it from the real one. Used by one call at a
// time.
class FakeVerification final : public verification::v1::VerificationService::CallbackService {
 public:
  explicit FakeVerification(rpc::CallGate& gate)
      : rpc_(gate, verification::v1::VerificationService::service_full_name()) {}

  std::vector<verification::v1::Verification> verifications;
  std::vector<verification::v1::ListVerificationsRequest> listed;
  verification::v1::ReassessResponse reassessed;
  verification::v1::GetCalibrationResponse calibration;
  std::vector<verification::v1::GetCalibrationRequest> calibrations;
  std::vector<verification::v1::RecordOutcomeRequest> outcomes;
  // The built-in one last.
  std::vector<verification::v1::Policy> policies;

  // Pages of two, so that readers must go on.
  grpc::ServerUnaryReactor* ListVerifications(grpc::CallbackServerContext* context,
                                              const verification::v1::ListVerificationsRequest* request,
                                              verification::v1::ListVerificationsResponse* response) override {
    return Answer("ListVerifications", context, request, response, [this](const auto& request, auto& response) {
      listed.push_back(request);
      const std::size_t first = request.page_token().empty() ? 0 : std::stoul(request.page_token());
      for (std::size_t i = first; i < verifications.size() && i < first + 2; ++i) {
        *response.add_verifications() = verifications[i];
      }
      if (first + 2 < verifications.size()) response.set_next_page_token(std::to_string(first + 2));
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* GetVerification(grpc::CallbackServerContext* context,
                                            const verification::v1::GetVerificationRequest* request,
                                            verification::v1::GetVerificationResponse* response) override {
    return Answer("GetVerification", context, request, response, [this](const auto& request, auto& response) {
      return Find(request.task_id(), request.generation(), *response.mutable_verification());
    });
  }
  grpc::ServerUnaryReactor* Reassess(grpc::CallbackServerContext* context,
                                     const verification::v1::ReassessRequest* request,
                                     verification::v1::ReassessResponse* response) override {
    return Answer("Reassess", context, request, response, [this](const auto& request, auto& response) {
      response = reassessed;
      return Find(request.task_id(), request.generation(), *response.mutable_stored());
    });
  }
  grpc::ServerUnaryReactor* SetPolicy(grpc::CallbackServerContext* context,
                                      const verification::v1::SetPolicyRequest* request,
                                      verification::v1::SetPolicyResponse* response) override {
    return Answer("SetPolicy", context, request, response, [this](const auto& request, auto& response) {
      std::erase_if(policies, [&](const auto& known) { return Same(known, request.policy()); });
      policies.insert(policies.begin(), request.policy());
      *response.mutable_policy() = request.policy();
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* RemovePolicy(grpc::CallbackServerContext* context,
                                         const verification::v1::RemovePolicyRequest* request,
                                         verification::v1::RemovePolicyResponse* response) override {
    return Answer("RemovePolicy", context, request, response, [this](const auto& request, auto&) -> absl::Status {
      if (std::erase_if(policies, [&](const auto& known) { return Same(known, request); }) > 0) return absl::OkStatus();
      return MakeError(absl::StatusCode::kNotFound, "POLICY_NOT_FOUND", "there is no such policy");
    });
  }
  grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context,
                                         const verification::v1::ListPoliciesRequest* request,
                                         verification::v1::ListPoliciesResponse* response) override {
    return Answer("ListPolicies", context, request, response, [this](const auto&, auto& response) {
      for (const verification::v1::Policy& policy : policies) *response.add_policies() = policy;
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* RecordOutcome(grpc::CallbackServerContext* context,
                                          const verification::v1::RecordOutcomeRequest* request,
                                          verification::v1::RecordOutcomeResponse* response) override {
    return Answer("RecordOutcome", context, request, response, [this](const auto& request, auto& response) {
      outcomes.push_back(request);
      const absl::Status found = Find(request.task_id(), 0, *response.mutable_verification());
      response.mutable_verification()->add_outcomes()->set_kind(request.kind());
      return found;
    });
  }
  grpc::ServerUnaryReactor* GetCalibration(grpc::CallbackServerContext* context,
                                           const verification::v1::GetCalibrationRequest* request,
                                           verification::v1::GetCalibrationResponse* response) override {
    return Answer("GetCalibration", context, request, response, [this](const auto& request, auto& response) {
      calibrations.push_back(request);
      response = calibration;
      return absl::OkStatus();
    });
  }

 private:
  template <class Key>
  static bool Same(const verification::v1::Policy& known, const Key& key) {
    return known.project() == key.project() && known.tier() == key.tier();
  }

  absl::Status Find(const std::string& task, std::int64_t generation, verification::v1::Verification& out) const {
    for (const verification::v1::Verification& one : verifications) {
      if (one.task_id() != task || (generation > 0 && one.generation() != generation)) continue;
      out = one;
      return absl::OkStatus();
    }
    return MakeError(absl::StatusCode::kNotFound, "VERIFICATION_NOT_FOUND", "there is no verification of " + task);
  }

  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Answer(const char* method, grpc::CallbackServerContext* context, const Request* request,
                                   Response* response, Work work) {
    return rpc_.Unary(context, rpc_.Find(method), request, response,
                      [work](const rpc::CallContext&, const Request& request, Response& response, rpc::Done done) {
                        done(work(request, response));
                      });
  }

  rpc::Handlers rpc_;
};

}  // namespace switchyard::yard
