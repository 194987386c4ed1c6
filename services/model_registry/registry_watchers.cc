#include "services/model_registry/registry_watchers.h"

#include <utility>
#include <vector>

#include "services/model_registry/registry_convert.h"
#include "services/model_registry/registry_errors.h"

namespace switchyard::model_registry {
namespace {

// Of one message; each may have many models.
constexpr int kEndpoints = 25;

}  // namespace

absl::Status RegistryWatchers::Add(std::shared_ptr<Stream> stream) {
  if (!registry_.loaded()) return RegistryLoading();
  std::int64_t id = 0;
  {
    MutexLock lock(mutex_);
    if (readers_.size() >= most_) return TooManyWatches(most_);
    id = ++last_id_;
    readers_.emplace(id, Reader{.stream = stream, .sent = {}, .table = nullptr, .profiles = nullptr});
  }
  stream->OnIdle([this, id] { SendNews(id); });
  stream->OnClosed([this, id] {
    MutexLock lock(mutex_);
    readers_.erase(id);
  });
  SendNews(id);
  return absl::OkStatus();
}

void RegistryWatchers::Publish() {
  std::vector<std::int64_t> ids;
  {
    MutexLock lock(mutex_);
    for (const auto& [id, reader] : readers_) ids.push_back(id);
  }
  for (const std::int64_t id : ids) SendNews(id);
}

std::size_t RegistryWatchers::size() const {
  MutexLock lock(mutex_);
  return readers_.size();
}

void RegistryWatchers::SendNews(std::int64_t id) {
  std::shared_ptr<Stream> stream;
  {
    MutexLock lock(mutex_);
    const auto found = readers_.find(id);
    // What happens meanwhile joins the next message, once this reader is idle.
    if (found == readers_.end() || found->second.stream->buffered() > 0) return;
    Reader& reader = found->second;
    const std::shared_ptr<const Snapshot> snapshot = registry_.snapshot();
    v1::WatchRegistryResponse message;
    bool news = false;
    if (reader.table != snapshot->table) {
      const bool same = reader.table != nullptr && reader.table->fingerprint() == snapshot->table->fingerprint();
      reader.table = snapshot->table;
      if (!same) {
        news = true;
        message.set_models_changed(true);
        for (const ModelInfo& model : snapshot->table->models()) ToProto(model, *message.add_models());
      }
    }
    if (reader.profiles != snapshot->profiles) {
      const bool same =
          reader.profiles != nullptr && reader.profiles->fingerprint() == snapshot->profiles->fingerprint();
      reader.profiles = snapshot->profiles;
      if (!same) {
        news = true;
        message.set_profiles_changed(true);
        for (const RoleProfile& profile : snapshot->profiles->profiles()) ToProto(profile, *message.add_profiles());
      }
    }
    message.set_table_fingerprint(snapshot->table->fingerprint());
    message.set_profiles_fingerprint(snapshot->profiles->fingerprint());
    bool more = false;
    std::map<EndpointId, std::shared_ptr<const EndpointView>> present;
    for (const auto& view : snapshot->endpoints) present.emplace(view->record.id, view);
    for (auto sent = reader.sent.begin(); sent != reader.sent.end();) {
      if (present.count(sent->first) > 0) {
        ++sent;
        continue;
      }
      news = true;
      message.add_removed_endpoint_ids(sent->first.ToString());
      sent = reader.sent.erase(sent);
    }
    for (const auto& [endpoint, view] : present) {
      std::shared_ptr<const EndpointView>& known = reader.sent[endpoint];
      if (known == view) continue;
      if (message.endpoints_size() >= kEndpoints) {
        more = true;
        if (known == nullptr) reader.sent.erase(endpoint);
        break;
      }
      news = true;
      known = view;
      ToProto(*view, *message.add_endpoints());
    }
    if (!more && !reader.complete) {
      news = true;
      reader.complete = true;
      message.set_snapshot_complete(true);
    }
    if (!news) return;
    message.set_sequence(++reader.sequence);
    stream = reader.stream;
    stream->Enqueue(std::move(message));
  }
  stream->Flush();
}

}  // namespace switchyard::model_registry
