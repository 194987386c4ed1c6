#include "services/model_registry/model_registry_rpc.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/model_registry/model_views.h"
#include "services/model_registry/registry_convert.h"
#include "services/model_registry/registry_errors.h"

namespace switchyard::model_registry {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 500;
constexpr int kMaxReservations = 200;

absl::StatusOr<int> PageSize(int asked) {
  if (asked < 0) return InvalidFields({{.field = "page_size", .description = "must not be negative"}});
  return asked == 0 ? kDefaultPage : std::min(asked, kMaxPage);
}

void ToProto(const ModelView& view, v1::ModelView& out) {
  model_registry::ToProto(view.model, *out.mutable_model());
  out.set_in_table(view.in_table);
  for (const Place& place : view.places) {
    v1::Place& made = *out.add_places();
    made.set_endpoint_id(place.endpoint->record.id.ToString());
    made.set_endpoint(place.endpoint->record.spec.name);
    made.set_state(static_cast<v1::EndpointState>(place.endpoint->status.state));
    model_registry::ToProto(place.placed(), *made.mutable_placed());
  }
}

void Note(const char* what, const EndpointView& view, const rpc::CallContext& call) {
  LogInfo(
      what,
      {{"endpoint", view.record.spec.name}, {"endpoint_id", view.record.id.ToString()}, {"by", call.principal().name}});
}

}  // namespace

ModelRegistryRpc::ModelRegistryRpc(rpc::CallGate& gate, Deps deps)
    : rpc_(gate, v1::ModelRegistryService::service_full_name()), deps_(deps) {}

grpc::ServerUnaryReactor* ModelRegistryRpc::AddEndpoint(grpc::CallbackServerContext* context,
                                                        const v1::AddEndpointRequest* request,
                                                        v1::AddEndpointResponse* response) {
  return Blocking(add_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::AddEndpointRequest& request,
                         v1::AddEndpointResponse& response) -> absl::Status {
                    std::vector<FieldViolation> faults;
                    const EndpointSpec spec = FromProto(request.spec(), "spec", faults);
                    if (!faults.empty()) return InvalidFields(std::move(faults));
                    SY_ASSIGN_OR_RETURN(
                        const EndpointView view,
                        deps_.admin.Add(spec, {call.principal().id, call.principal().name}, request.request_id()));
                    Note("endpoint added", view, call);
                    model_registry::ToProto(view, *response.mutable_endpoint());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::UpdateEndpoint(grpc::CallbackServerContext* context,
                                                           const v1::UpdateEndpointRequest* request,
                                                           v1::UpdateEndpointResponse* response) {
  return Blocking(update_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::UpdateEndpointRequest& request,
                         v1::UpdateEndpointResponse& response) -> absl::Status {
                    std::vector<FieldViolation> faults;
                    const EndpointSpec spec = FromProto(request.spec(), "spec", faults);
                    if (!faults.empty()) return InvalidFields(std::move(faults));
                    SY_ASSIGN_OR_RETURN(const EndpointView view,
                                        deps_.admin.Update(request.endpoint(), spec, request.revision()));
                    Note("endpoint updated", view, call);
                    model_registry::ToProto(view, *response.mutable_endpoint());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::RemoveEndpoint(grpc::CallbackServerContext* context,
                                                           const v1::RemoveEndpointRequest* request,
                                                           v1::RemoveEndpointResponse* response) {
  return Blocking(remove_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::RemoveEndpointRequest& request,
                         v1::RemoveEndpointResponse& response) -> absl::Status {
                    SY_ASSIGN_OR_RETURN(const EndpointView view, deps_.admin.Remove(request.endpoint()));
                    Note("endpoint removed", view, call);
                    model_registry::ToProto(view, *response.mutable_endpoint());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::DisableEndpoint(grpc::CallbackServerContext* context,
                                                            const v1::DisableEndpointRequest* request,
                                                            v1::DisableEndpointResponse* response) {
  return Blocking(disable_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::DisableEndpointRequest& request,
                         v1::DisableEndpointResponse& response) -> absl::Status {
                    SY_ASSIGN_OR_RETURN(const EndpointView view, deps_.admin.SetEnabled(request.endpoint(), false));
                    Note("endpoint disabled", view, call);
                    model_registry::ToProto(view, *response.mutable_endpoint());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::EnableEndpoint(grpc::CallbackServerContext* context,
                                                           const v1::EnableEndpointRequest* request,
                                                           v1::EnableEndpointResponse* response) {
  return Blocking(enable_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::EnableEndpointRequest& request,
                         v1::EnableEndpointResponse& response) -> absl::Status {
                    SY_ASSIGN_OR_RETURN(const EndpointView view, deps_.admin.SetEnabled(request.endpoint(), true));
                    Note("endpoint enabled", view, call);
                    model_registry::ToProto(view, *response.mutable_endpoint());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ProbeEndpoint(grpc::CallbackServerContext* context,
                                                          const v1::ProbeEndpointRequest* request,
                                                          v1::ProbeEndpointResponse* response) {
  return rpc_.Unary(context, probe_, request, response,
                    [this](const rpc::CallContext&, const v1::ProbeEndpointRequest& request,
                           v1::ProbeEndpointResponse& response, rpc::Done done) {
                      if (!deps_.registry.loaded()) return done(RegistryLoading());
                      // Shared only because std::function must be copyable.
                      const auto answer = std::make_shared<rpc::Done>(std::move(done));
                      const absl::Time began = deps_.clock.Now();
                      const absl::Status taken = deps_.blocking.Run([this, &request, &response, answer, began] {
                        const absl::StatusOr<EndpointView> found = deps_.admin.Find(request.endpoint());
                        if (!found.ok()) return (*answer)(found.status());
                        const EndpointId id = found->record.id;
                        const absl::Status begun = deps_.checker.CheckNow(
                            id, request.generate(), request.model(),
                            [this, &response, answer, began, id](const CheckResult&) {
                              deps_.registry.Refresh();
                              const absl::StatusOr<EndpointView> view = deps_.admin.Find(id.ToString());
                              if (!view.ok()) return (*answer)(view.status());
                              model_registry::ToProto(*view, *response.mutable_endpoint());
                              model_registry::ToProto(deps_.clock.Now() - began, *response.mutable_duration());
                              (*answer)(absl::OkStatus());
                            });
                        if (!begun.ok()) (*answer)(begun);
                      });
                      if (!taken.ok()) (*answer)(taken);
                    });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ListEndpoints(grpc::CallbackServerContext* context,
                                                          const v1::ListEndpointsRequest* request,
                                                          v1::ListEndpointsResponse* response) {
  return Reading(
      list_, context, request, response,
      [](const Snapshot& snapshot, const v1::ListEndpointsRequest& request,
         v1::ListEndpointsResponse& response) -> absl::Status {
        SY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
        model_registry::ToProto(snapshot.time, *response.mutable_snapshot_time());
        for (const auto& view : snapshot.endpoints) {
          const EndpointSpec& spec = view->record.spec;
          if (spec.name <= request.page_token()) continue;
          const bool in_state =
              request.states().empty() || std::find(request.states().begin(), request.states().end(),
                                                    static_cast<int>(view->status.state)) != request.states().end();
          const auto& models = view->status.models;
          const bool has =
              request.model().empty() || std::any_of(models.begin(), models.end(), [&](const PlacedModel& placed) {
                return placed.warmth != Warmth::kAbsent &&
                       (SameModel(spec.kind, placed.model, request.model()) || placed.priced_as == request.model());
              });
          if (!in_state || !has) continue;
          if (response.endpoints_size() == size) {
            response.set_next_page_token(response.endpoints(size - 1).spec().name());
            break;
          }
          model_registry::ToProto(*view, *response.add_endpoints());
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::GetEndpoint(grpc::CallbackServerContext* context,
                                                        const v1::GetEndpointRequest* request,
                                                        v1::GetEndpointResponse* response) {
  return Reading(get_, context, request, response,
                 [this](const Snapshot& snapshot, const v1::GetEndpointRequest& request,
                        v1::GetEndpointResponse& response) -> absl::Status {
                   const EndpointView* const view = snapshot.Find(request.endpoint());
                   if (view == nullptr) return EndpointNotFound(request.endpoint());
                   model_registry::ToProto(*view, *response.mutable_endpoint());
                   for (const Reservation& reservation : deps_.registry.ReservationsAt(view->record.id)) {
                     if (response.reservations_size() == kMaxReservations) break;
                     model_registry::ToProto(reservation, *response.add_reservations());
                   }
                   return absl::OkStatus();
                 });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ListModels(grpc::CallbackServerContext* context,
                                                       const v1::ListModelsRequest* request,
                                                       v1::ListModelsResponse* response) {
  return Reading(list_models_, context, request, response,
                 [](const Snapshot& snapshot, const v1::ListModelsRequest& request,
                    v1::ListModelsResponse& response) -> absl::Status {
                   SY_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
                   for (const ModelView& view : ViewModels(snapshot)) {
                     if (view.model.model <= request.page_token()) continue;
                     const bool placed = std::any_of(view.places.begin(), view.places.end(), [](const Place& place) {
                       return place.placed().warmth != Warmth::kAbsent;
                     });
                     if (request.placed_only() && !placed) continue;
                     if (response.models_size() == size) {
                       response.set_next_page_token(response.models(size - 1).model().model());
                       break;
                     }
                     ToProto(view, *response.add_models());
                   }
                   return absl::OkStatus();
                 });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::GetModel(grpc::CallbackServerContext* context,
                                                     const v1::GetModelRequest* request,
                                                     v1::GetModelResponse* response) {
  return Reading(
      get_model_, context, request, response,
      [](const Snapshot& snapshot, const v1::GetModelRequest& request, v1::GetModelResponse& response) -> absl::Status {
        const std::optional<ModelView> view = ViewModel(snapshot, request.model());
        if (!view.has_value()) {
          return ModelNotFound(request.model(), snapshot.table->Suggest(request.model()));
        }
        ToProto(*view, *response.mutable_model());
        return absl::OkStatus();
      });
}

absl::Status ModelRegistryRpc::SwitchModel(const rpc::CallContext& call, const std::string& model,
                                           const std::string& endpoint, bool enabled, v1::ModelView& out) {
  SY_ASSIGN_OR_RETURN(const std::string name,
                      deps_.admin.SetModelEnabled(model, endpoint, enabled, call.principal().name));
  LogInfo(enabled ? "model enabled" : "model disabled",
          {{"model", name}, {"endpoint", endpoint}, {"by", call.principal().name}});
  const std::optional<ModelView> view = ViewModel(*deps_.registry.snapshot(), name);
  if (view.has_value()) ToProto(*view, out);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* ModelRegistryRpc::DisableModel(grpc::CallbackServerContext* context,
                                                         const v1::DisableModelRequest* request,
                                                         v1::DisableModelResponse* response) {
  return Blocking(
      disable_model_, context, request, response,
      [this](const rpc::CallContext& call, const v1::DisableModelRequest& request, v1::DisableModelResponse& response) {
        return SwitchModel(call, request.model(), request.endpoint(), false, *response.mutable_model());
      });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::EnableModel(grpc::CallbackServerContext* context,
                                                        const v1::EnableModelRequest* request,
                                                        v1::EnableModelResponse* response) {
  return Blocking(
      enable_model_, context, request, response,
      [this](const rpc::CallContext& call, const v1::EnableModelRequest& request, v1::EnableModelResponse& response) {
        return SwitchModel(call, request.model(), request.endpoint(), true, *response.mutable_model());
      });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::SetPrice(grpc::CallbackServerContext* context,
                                                     const v1::SetPriceRequest* request,
                                                     v1::SetPriceResponse* response) {
  return Blocking(set_price_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::SetPriceRequest& request,
                         v1::SetPriceResponse& response) -> absl::Status {
                    std::vector<FieldViolation> faults;
                    ModelInfo model = FromProto(request.model(), "model", faults);
                    if (!faults.empty()) return InvalidFields(std::move(faults));
                    SY_ASSIGN_OR_RETURN(const ModelInfo stored,
                                        deps_.admin.SetPrice(std::move(model), call.principal().name));
                    LogInfo("price of a model set", {{"model", stored.model}, {"by", call.principal().name}});
                    model_registry::ToProto(stored, *response.mutable_model());
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::RemovePrice(grpc::CallbackServerContext* context,
                                                        const v1::RemovePriceRequest* request,
                                                        v1::RemovePriceResponse* response) {
  return Blocking(remove_price_, context, request, response,
                  [this](const rpc::CallContext& call, const v1::RemovePriceRequest& request,
                         v1::RemovePriceResponse&) -> absl::Status {
                    SY_RETURN_IF_ERROR(deps_.admin.RemovePrice(request.model()));
                    LogInfo("price of a model removed", {{"model", request.model()}, {"by", call.principal().name}});
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ListRoleProfiles(grpc::CallbackServerContext* context,
                                                             const v1::ListRoleProfilesRequest* request,
                                                             v1::ListRoleProfilesResponse* response) {
  return Reading(
      list_roles_, context, request, response,
      [](const Snapshot& snapshot, const v1::ListRoleProfilesRequest&, v1::ListRoleProfilesResponse& response) {
        for (const RoleProfile& profile : snapshot.profiles->profiles()) {
          model_registry::ToProto(profile, *response.add_profiles());
        }
        response.set_fingerprint(snapshot.profiles->fingerprint());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::GetRoleProfile(grpc::CallbackServerContext* context,
                                                           const v1::GetRoleProfileRequest* request,
                                                           v1::GetRoleProfileResponse* response) {
  return Reading(get_role_, context, request, response,
                 [](const Snapshot& snapshot, const v1::GetRoleProfileRequest& request,
                    v1::GetRoleProfileResponse& response) -> absl::Status {
                   const RoleProfile* const profile = snapshot.profiles->Find(request.role());
                   if (profile == nullptr) {
                     return RoleNotFound(request.role(), snapshot.profiles->Suggest(request.role()));
                   }
                   model_registry::ToProto(*profile, *response.mutable_profile());
                   return absl::OkStatus();
                 });
}

}  // namespace switchyard::model_registry
