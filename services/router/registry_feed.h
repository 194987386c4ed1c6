#pragma once

#include <grpcpp/channel.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/client_stream.h"
#include "services/router/catalogue.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"

namespace switchyard::router {

// What a stream of WatchRegistry adds up to. Not thread-safe.
class RegistryMirror {
 public:
  // Begins anew.
  void Clear();
  // False for a message that cannot follow the one before: the stream is to be opened again.
  bool Apply(const model_registry::v1::WatchRegistryResponse& message);
  // Everything was told once.
  bool complete() const { return complete_; }
  Catalogue ToCatalogue(absl::Time now) const;

 private:
  std::int64_t sequence_ = 0;
  bool complete_ = false;
  // By id.
  std::map<std::string, Endpoint> endpoints_;
  std::vector<ModelRow> models_;
  std::vector<Role> roles_;
  std::string table_fingerprint_;
  std::string profiles_fingerprint_;
};

// Follows the model registry for as long as it is connected. Thread-safe.
class RegistryFeed {
 public:
  struct Events {
    // All of it, whenever any changed.
    std::function<void(Catalogue)> news;
    // Nothing is heard any more, until there are news again.
    std::function<void()> lost;
  };
  // Borrows both.
  RegistryFeed(const rpc::Caller& caller, const Clock& clock, Events events)
      : caller_(caller), clock_(clock), events_(std::move(events)) {}
  ~RegistryFeed() { Disconnect(); }

  // Once.
  void Connect(std::shared_ptr<grpc::Channel> channel);
  // No event comes afterwards.
  void Disconnect();

 private:
  using Stream =
      rpc::ResumingStream<model_registry::v1::WatchRegistryRequest, model_registry::v1::WatchRegistryResponse>;

  void Heard(const model_registry::v1::WatchRegistryResponse& message);

  const rpc::Caller& caller_;
  const Clock& clock_;
  const Events events_;
  // Of the stream's events, which come one at a time.
  RegistryMirror mirror_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<model_registry::v1::ModelRegistryService::Stub> stub_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace switchyard::router
