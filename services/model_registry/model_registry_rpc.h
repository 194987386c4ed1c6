#pragma once

#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/blocking.h"
#include "libs/rpc/handler.h"
#include "services/model_registry/checker.h"
#include "services/model_registry/registry.h"
#include "services/model_registry/registry_admin.h"
#include "services/model_registry/registry_errors.h"
#include "services/model_registry/registry_watchers.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"

namespace switchyard::model_registry {

// Serves the contract: validates, converts, calls, converts. Thread-safe.
class ModelRegistryRpc final : public v1::ModelRegistryService::CallbackService {
 public:
  struct Deps {
    Registry& registry;
    RegistryAdmin& admin;
    Checker& checker;
    RegistryWatchers& watchers;
    const Clock& clock;
    // For what waits for the store; stopped before this goes.
    Executor& blocking;
  };
  ModelRegistryRpc(rpc::CallGate& gate, Deps deps);

  grpc::ServerUnaryReactor* AddEndpoint(grpc::CallbackServerContext* context, const v1::AddEndpointRequest* request,
                                        v1::AddEndpointResponse* response) override;
  grpc::ServerUnaryReactor* UpdateEndpoint(grpc::CallbackServerContext* context,
                                           const v1::UpdateEndpointRequest* request,
                                           v1::UpdateEndpointResponse* response) override;
  grpc::ServerUnaryReactor* RemoveEndpoint(grpc::CallbackServerContext* context,
                                           const v1::RemoveEndpointRequest* request,
                                           v1::RemoveEndpointResponse* response) override;
  grpc::ServerUnaryReactor* DisableEndpoint(grpc::CallbackServerContext* context,
                                            const v1::DisableEndpointRequest* request,
                                            v1::DisableEndpointResponse* response) override;
  grpc::ServerUnaryReactor* EnableEndpoint(grpc::CallbackServerContext* context,
                                           const v1::EnableEndpointRequest* request,
                                           v1::EnableEndpointResponse* response) override;
  grpc::ServerUnaryReactor* ProbeEndpoint(grpc::CallbackServerContext* context, const v1::ProbeEndpointRequest* request,
                                          v1::ProbeEndpointResponse* response) override;
  grpc::ServerUnaryReactor* ListEndpoints(grpc::CallbackServerContext* context, const v1::ListEndpointsRequest* request,
                                          v1::ListEndpointsResponse* response) override;
  grpc::ServerUnaryReactor* GetEndpoint(grpc::CallbackServerContext* context, const v1::GetEndpointRequest* request,
                                        v1::GetEndpointResponse* response) override;
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context, const v1::ListModelsRequest* request,
                                       v1::ListModelsResponse* response) override;
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context, const v1::GetModelRequest* request,
                                     v1::GetModelResponse* response) override;
  grpc::ServerUnaryReactor* DisableModel(grpc::CallbackServerContext* context, const v1::DisableModelRequest* request,
                                         v1::DisableModelResponse* response) override;
  grpc::ServerUnaryReactor* EnableModel(grpc::CallbackServerContext* context, const v1::EnableModelRequest* request,
                                        v1::EnableModelResponse* response) override;
  grpc::ServerUnaryReactor* SetPrice(grpc::CallbackServerContext* context, const v1::SetPriceRequest* request,
                                     v1::SetPriceResponse* response) override;
  grpc::ServerUnaryReactor* RemovePrice(grpc::CallbackServerContext* context, const v1::RemovePriceRequest* request,
                                        v1::RemovePriceResponse* response) override;
  grpc::ServerUnaryReactor* ListRoleProfiles(grpc::CallbackServerContext* context,
                                             const v1::ListRoleProfilesRequest* request,
                                             v1::ListRoleProfilesResponse* response) override;
  grpc::ServerUnaryReactor* GetRoleProfile(grpc::CallbackServerContext* context,
                                           const v1::GetRoleProfileRequest* request,
                                           v1::GetRoleProfileResponse* response) override;
  grpc::ServerUnaryReactor* ReserveCapacity(grpc::CallbackServerContext* context,
                                            const v1::ReserveCapacityRequest* request,
                                            v1::ReserveCapacityResponse* response) override;
  grpc::ServerUnaryReactor* ReleaseCapacity(grpc::CallbackServerContext* context,
                                            const v1::ReleaseCapacityRequest* request,
                                            v1::ReleaseCapacityResponse* response) override;
  grpc::ServerUnaryReactor* RenewReservations(grpc::CallbackServerContext* context,
                                              const v1::RenewReservationsRequest* request,
                                              v1::RenewReservationsResponse* response) override;
  grpc::ServerUnaryReactor* ReportObservations(grpc::CallbackServerContext* context,
                                               const v1::ReportObservationsRequest* request,
                                               v1::ReportObservationsResponse* response) override;
  grpc::ServerUnaryReactor* ReportEndpointChecks(grpc::CallbackServerContext* context,
                                                 const v1::ReportEndpointChecksRequest* request,
                                                 v1::ReportEndpointChecksResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRegistryResponse>* WatchRegistry(grpc::CallbackServerContext* context,
                                                                     const v1::WatchRegistryRequest* request) override;

 private:
  // Work on the store, off gRPC's threads.
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Blocking(const rpc::Method& method, grpc::CallbackServerContext* context,
                                     const Request* request, Response* response, Work work) {
    return rpc::BlockingUnary(
        rpc_, deps_.blocking, context, method, request, response,
        [this, work](const rpc::CallContext& call, const Request& request, Response& response) -> absl::Status {
          if (!deps_.registry.loaded()) SY_RETURN_IF_ERROR(deps_.admin.Sync());
          return work(call, request, response);
        });
  }
  // Answers from the snapshot, at once.
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Reading(const rpc::Method& method, grpc::CallbackServerContext* context,
                                    const Request* request, Response* response, Work work) {
    return rpc_.Unary(
        context, method, request, response,
        [this, work](const rpc::CallContext&, const Request& request, Response& response, rpc::Done done) {
          if (!deps_.registry.loaded()) return done(RegistryLoading());
          done(work(*deps_.registry.snapshot(), request, response));
        });
  }
  absl::Status SwitchModel(const rpc::CallContext& call, const std::string& model, const std::string& endpoint,
                           bool enabled, v1::ModelView& out);

  rpc::Handlers rpc_;
  const Deps deps_;
  const rpc::Method& add_ = rpc_.Find("AddEndpoint");
  const rpc::Method& update_ = rpc_.Find("UpdateEndpoint");
  const rpc::Method& remove_ = rpc_.Find("RemoveEndpoint");
  const rpc::Method& disable_ = rpc_.Find("DisableEndpoint");
  const rpc::Method& enable_ = rpc_.Find("EnableEndpoint");
  const rpc::Method& probe_ = rpc_.Find("ProbeEndpoint");
  const rpc::Method& list_ = rpc_.Find("ListEndpoints");
  const rpc::Method& get_ = rpc_.Find("GetEndpoint");
  const rpc::Method& list_models_ = rpc_.Find("ListModels");
  const rpc::Method& get_model_ = rpc_.Find("GetModel");
  const rpc::Method& disable_model_ = rpc_.Find("DisableModel");
  const rpc::Method& enable_model_ = rpc_.Find("EnableModel");
  const rpc::Method& set_price_ = rpc_.Find("SetPrice");
  const rpc::Method& remove_price_ = rpc_.Find("RemovePrice");
  const rpc::Method& list_roles_ = rpc_.Find("ListRoleProfiles");
  const rpc::Method& get_role_ = rpc_.Find("GetRoleProfile");
  const rpc::Method& reserve_ = rpc_.Find("ReserveCapacity");
  const rpc::Method& release_ = rpc_.Find("ReleaseCapacity");
  const rpc::Method& renew_ = rpc_.Find("RenewReservations");
  const rpc::Method& observe_ = rpc_.Find("ReportObservations");
  const rpc::Method& checks_ = rpc_.Find("ReportEndpointChecks");
  const rpc::Method& watch_ = rpc_.Find("WatchRegistry");
};

}  // namespace switchyard::model_registry
