#pragma once

#include <map>
#include <string>

#include "libs/base/status.h"
#include "libs/rpc/handler.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"

namespace switchyard::yard {

// A model registry in memory, as far as the commands of yard can tell it from the real one. Used by one call at a time.
class FakeRegistry final : public model_registry::v1::ModelRegistryService::CallbackService {
 public:
  explicit FakeRegistry(rpc::CallGate& gate)
      : rpc_(gate, model_registry::v1::ModelRegistryService::service_full_name()) {}

  std::map<std::string, model_registry::v1::Endpoint> endpoints;
  std::map<std::string, model_registry::v1::ModelView> models;
  model_registry::v1::RoleProfile role;
  model_registry::v1::AddEndpointRequest added;
  model_registry::v1::UpdateEndpointRequest updated;
  model_registry::v1::ProbeEndpointRequest probed;
  model_registry::v1::DisableModelRequest disabled;
  model_registry::v1::SetPriceRequest priced;
  model_registry::v1::ListEndpointsRequest listed;

  grpc::ServerUnaryReactor* ListEndpoints(grpc::CallbackServerContext* context,
                                          const model_registry::v1::ListEndpointsRequest* request,
                                          model_registry::v1::ListEndpointsResponse* response) override {
    return Answer("ListEndpoints", context, request, response, [this](const auto& request, auto& response) {
      listed = request;
      for (const auto& [name, endpoint] : endpoints) *response.add_endpoints() = endpoint;
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* GetEndpoint(grpc::CallbackServerContext* context,
                                        const model_registry::v1::GetEndpointRequest* request,
                                        model_registry::v1::GetEndpointResponse* response) override {
    return Answer("GetEndpoint", context, request, response, [this](const auto& request, auto& response) {
      return Find(request.endpoint(), *response.mutable_endpoint());
    });
  }
  grpc::ServerUnaryReactor* AddEndpoint(grpc::CallbackServerContext* context,
                                        const model_registry::v1::AddEndpointRequest* request,
                                        model_registry::v1::AddEndpointResponse* response) override {
    return Answer("AddEndpoint", context, request, response, [this](const auto& request, auto& response) {
      added = request;
      *response.mutable_endpoint()->mutable_spec() = request.spec();
      endpoints[request.spec().name()] = response.endpoint();
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* UpdateEndpoint(grpc::CallbackServerContext* context,
                                           const model_registry::v1::UpdateEndpointRequest* request,
                                           model_registry::v1::UpdateEndpointResponse* response) override {
    return Answer("UpdateEndpoint", context, request, response, [this](const auto& request, auto& response) {
      updated = request;
      *response.mutable_endpoint()->mutable_spec() = request.spec();
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* RemoveEndpoint(grpc::CallbackServerContext* context,
                                           const model_registry::v1::RemoveEndpointRequest* request,
                                           model_registry::v1::RemoveEndpointResponse* response) override {
    return Answer("RemoveEndpoint", context, request, response,
                  [this](const auto& request, auto& response) -> absl::Status {
                    const absl::Status found = Find(request.endpoint(), *response.mutable_endpoint());
                    endpoints.erase(request.endpoint());
                    return found;
                  });
  }
  grpc::ServerUnaryReactor* ProbeEndpoint(grpc::CallbackServerContext* context,
                                          const model_registry::v1::ProbeEndpointRequest* request,
                                          model_registry::v1::ProbeEndpointResponse* response) override {
    return Answer("ProbeEndpoint", context, request, response, [this](const auto& request, auto& response) {
      probed = request;
      response.mutable_duration()->set_seconds(2);
      return Find(request.endpoint(), *response.mutable_endpoint());
    });
  }
  grpc::ServerUnaryReactor* ListModels(grpc::CallbackServerContext* context,
                                       const model_registry::v1::ListModelsRequest* request,
                                       model_registry::v1::ListModelsResponse* response) override {
    return Answer("ListModels", context, request, response, [this](const auto&, auto& response) {
      for (const auto& [name, model] : models) *response.add_models() = model;
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* GetModel(grpc::CallbackServerContext* context,
                                     const model_registry::v1::GetModelRequest* request,
                                     model_registry::v1::GetModelResponse* response) override {
    return Answer("GetModel", context, request, response, [this](const auto& request, auto& response) -> absl::Status {
      const auto found = models.find(request.model());
      if (found == models.end()) {
        return MakeError(absl::StatusCode::kNotFound, "MODEL_NOT_FOUND", "there is no such model");
      }
      *response.mutable_model() = found->second;
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* DisableModel(grpc::CallbackServerContext* context,
                                         const model_registry::v1::DisableModelRequest* request,
                                         model_registry::v1::DisableModelResponse* response) override {
    return Answer("DisableModel", context, request, response, [this](const auto& request, auto& response) {
      disabled = request;
      *response.mutable_model() = models[request.model()];
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* SetPrice(grpc::CallbackServerContext* context,
                                     const model_registry::v1::SetPriceRequest* request,
                                     model_registry::v1::SetPriceResponse* response) override {
    return Answer("SetPrice", context, request, response, [this](const auto& request, auto& response) {
      priced = request;
      *response.mutable_model() = request.model();
      model_registry::v1::ModelView& view = models[request.model().model()];
      *view.mutable_model() = request.model();
      view.set_in_table(true);
      return absl::OkStatus();
    });
  }
  grpc::ServerUnaryReactor* ListRoleProfiles(grpc::CallbackServerContext* context,
                                             const model_registry::v1::ListRoleProfilesRequest* request,
                                             model_registry::v1::ListRoleProfilesResponse* response) override {
    return Answer("ListRoleProfiles", context, request, response, [this](const auto&, auto& response) {
      *response.add_profiles() = role;
      return absl::OkStatus();
    });
  }

 private:
  template <class Request, class Response, class Work>
  grpc::ServerUnaryReactor* Answer(const char* method, grpc::CallbackServerContext* context, const Request* request,
                                   Response* response, Work work) {
    return rpc_.Unary(context, rpc_.Find(method), request, response,
                      [work](const rpc::CallContext&, const Request& request, Response& response, rpc::Done done) {
                        done(work(request, response));
                      });
  }
  absl::Status Find(const std::string& name, model_registry::v1::Endpoint& out) const {
    const auto found = endpoints.find(name);
    if (found == endpoints.end()) {
      return MakeError(absl::StatusCode::kNotFound, "ENDPOINT_NOT_FOUND", "no endpoint has the id or name " + name);
    }
    out = found->second;
    return absl::OkStatus();
  }

  rpc::Handlers rpc_;
};

}  // namespace switchyard::yard
