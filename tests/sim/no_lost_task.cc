#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// What a client was told is stored stays stored, under one id for each request.
class NoLostTask final : public Invariant {
 public:
  NoLostTask() : Invariant("no-lost-task") {}

  void OnAcknowledged(const View&, const task_queue::TaskId& id, const std::string& request) override {
    const auto [known, added] = by_request_.emplace(request, id);
    if (!added && known->second != id) {
      Breach(request, " was acknowledged as task ", known->second.ToString(), " and then as task ", id.ToString());
    }
  }
  void OnTime(const View& view) override {
    if (++looks_ % 10 == 0) Look(view);
  }
  void AtEnd(const View& view) override { Look(view); }

 private:
  void Look(const View& view) {
    for (const auto& [request, id] : by_request_) {
      if (!view.is_stored(id)) Breach("task ", id.ToString(), " was acknowledged for ", request, " and is gone");
    }
  }

  int looks_ = 0;
  std::map<std::string, task_queue::TaskId> by_request_;
};

}  // namespace

std::unique_ptr<Invariant> MakeNoLostTask() { return std::make_unique<NoLostTask>(); }

}  // namespace switchyard::sim
