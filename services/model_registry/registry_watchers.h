#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "libs/base/mutex.h"
#include "libs/rpc/server_stream.h"
#include "services/model_registry/registry.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"

namespace switchyard::model_registry {

// Streams the registry to those who watch: each is sent what differs from what it was sent before, a part at a time,
// once it has taken the part before. So a slow one costs no more than one message. Thread-safe.
class RegistryWatchers {
 public:
  using Stream = rpc::ServerStream<v1::WatchRegistryResponse>;

  // Borrows.
  RegistryWatchers(Registry& registry, std::size_t most) : registry_(registry), most_(most) {}

  // REGISTRY_LOADING, TOO_MANY_WATCHES.
  absl::Status Add(std::shared_ptr<Stream> stream);
  // There is a new snapshot.
  void Publish();
  std::size_t size() const;

 private:
  struct Reader {
    std::shared_ptr<Stream> stream;
    std::int64_t sequence = 0;
    bool complete = false;
    std::map<EndpointId, std::shared_ptr<const EndpointView>> sent;
    std::shared_ptr<const ModelTable> table;
    std::shared_ptr<const RoleProfiles> profiles;
  };

  void SendNews(std::int64_t id);

  Registry& registry_;
  const std::size_t most_;
  mutable Mutex mutex_;
  std::int64_t last_id_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::int64_t, Reader> readers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace switchyard::model_registry
