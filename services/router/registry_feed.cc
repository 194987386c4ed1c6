#include "services/router/registry_feed.h"

#include <utility>

#include "libs/base/log.h"
#include "services/router/catalogue_convert.h"

namespace switchyard::router {

namespace mr = model_registry::v1;

void RegistryMirror::Clear() { *this = RegistryMirror(); }

bool RegistryMirror::Apply(const mr::WatchRegistryResponse& message) {
  if (message.sequence() != sequence_ + 1) return false;
  sequence_ = message.sequence();
  for (const std::string& id : message.removed_endpoint_ids()) endpoints_.erase(id);
  for (const mr::Endpoint& endpoint : message.endpoints()) {
    endpoints_.insert_or_assign(endpoint.endpoint_id(), FromProto(endpoint));
  }
  if (message.models_changed()) {
    models_.clear();
    for (const mr::Model& model : message.models()) models_.push_back(FromProto(model));
  }
  if (message.profiles_changed()) {
    roles_.clear();
    for (const mr::RoleProfile& profile : message.profiles()) roles_.push_back(FromProto(profile));
  }
  if (!message.table_fingerprint().empty()) table_fingerprint_ = message.table_fingerprint();
  if (!message.profiles_fingerprint().empty()) profiles_fingerprint_ = message.profiles_fingerprint();
  complete_ = complete_ || message.snapshot_complete();
  return true;
}

Catalogue RegistryMirror::ToCatalogue(absl::Time now) const {
  Catalogue catalogue;
  catalogue.time = now;
  for (const auto& [id, endpoint] : endpoints_) catalogue.endpoints.push_back(endpoint);
  catalogue.models = models_;
  catalogue.roles = roles_;
  catalogue.table_fingerprint = table_fingerprint_;
  catalogue.profiles_fingerprint = profiles_fingerprint_;
  return catalogue;
}

void RegistryFeed::Connect(std::shared_ptr<grpc::Channel> channel) {
  stub_ = mr::ModelRegistryService::NewStub(channel);
  channel_ = std::move(channel);
  stream_ = std::make_unique<Stream>(
      caller_, [this](auto... parts) { stub_->async()->WatchRegistry(parts...); },
      Stream::Events{.on_open =
                         [this] {
                           mirror_.Clear();
                           return mr::WatchRegistryRequest();
                         },
                     .on_message = [this](const mr::WatchRegistryResponse& message) { Heard(message); },
                     .on_end =
                         [this](const absl::Status& status) {
                           LogDebug("the watch of the model registry ended", {{"status", status}});
                           events_.lost();
                         }});
  stream_->Start();
}

void RegistryFeed::Disconnect() {
  if (stream_ != nullptr) stream_->Stop();
  stream_.reset();
  stub_.reset();
  channel_.reset();
}

void RegistryFeed::Heard(const mr::WatchRegistryResponse& message) {
  if (!mirror_.Apply(message)) {
    LogWarning("the watch of the model registry has a gap; it begins anew", {{"sequence", message.sequence()}});
    mirror_.Clear();
    stream_->Reopen();
    return;
  }
  if (mirror_.complete()) events_.news(mirror_.ToCatalogue(clock_.Now()));
}

}  // namespace switchyard::router
