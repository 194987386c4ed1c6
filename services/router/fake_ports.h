// The model registry and the task queue as tests script them.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "services/router/route_ports.h"

namespace switchyard::router {

// Grants whatever is asked, up to each endpoint's capacity. Thread-safe.
class FakeCapacityPort final : public CapacityPort {
 public:
  // By endpoint's id; others take anything.
  void SetCapacity(const std::string& endpoint, int capacity) {
    MutexLock lock(mutex_);
    capacity_[endpoint] = capacity;
  }
  void SetAway(bool away) {
    MutexLock lock(mutex_);
    away_ = away;
  }
  // Forgets all that is held, as after an outage that lasted too long.
  void Forget() {
    MutexLock lock(mutex_);
    held_.clear();
  }
  int held(const std::string& endpoint) const {
    MutexLock lock(mutex_);
    const auto held = held_.find(endpoint);
    return held == held_.end() ? 0 : static_cast<int>(held->second.size());
  }
  int observed() const {
    MutexLock lock(mutex_);
    return observed_;
  }

  absl::StatusOr<model_registry::v1::ReserveCapacityResponse> Reserve(
      const model_registry::v1::ReserveCapacityRequest& request) override {
    MutexLock lock(mutex_);
    if (away_) return Away();
    model_registry::v1::ReserveCapacityResponse response;
    for (const model_registry::v1::ReserveItem& item : request.items()) {
      model_registry::v1::ReserveResult& result = *response.add_results();
      std::set<Key>& held = held_[item.endpoint()];
      const Key key(item.task_id(), item.generation());
      const auto capacity = capacity_.find(item.endpoint());
      if (held.count(key) == 0 && capacity != capacity_.end() && static_cast<int>(held.size()) >= capacity->second) {
        result.mutable_refusal()->set_reason(model_registry::v1::REFUSAL_REASON_NO_CAPACITY);
        result.mutable_refusal()->set_message("others hold it all");
        continue;
      }
      held.insert(key);
      result.mutable_reservation()->set_endpoint_id(item.endpoint());
    }
    return response;
  }
  absl::StatusOr<model_registry::v1::RenewReservationsResponse> Renew(
      const model_registry::v1::RenewReservationsRequest& request) override {
    MutexLock lock(mutex_);
    if (away_) return Away();
    model_registry::v1::RenewReservationsResponse response;
    for (const model_registry::v1::ReservationKey& key : request.keys()) {
      if (held_[key.endpoint()].count({key.task_id(), key.generation()}) == 0) *response.add_lost() = key;
    }
    return response;
  }
  void Release(const model_registry::v1::ReleaseCapacityRequest& request) override {
    MutexLock lock(mutex_);
    for (const model_registry::v1::ReservationKey& key : request.keys()) {
      held_[key.endpoint()].erase({key.task_id(), key.generation()});
    }
  }
  void Observe(const model_registry::v1::ReportObservationsRequest& request) override {
    MutexLock lock(mutex_);
    observed_ += request.observations_size();
  }

 private:
  using Key = std::pair<std::string, std::int64_t>;
  static absl::Status Away() {
    return MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED", "the model registry is away");
  }

  mutable Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, int> capacity_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::set<Key>> held_ ABSL_GUARDED_BY(mutex_);
  int observed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// Thread-safe.
class FakeTaskPort final : public TaskPort {
 public:
  void Put(const task_queue::v1::Task& task) {
    MutexLock lock(mutex_);
    tasks_[task.id()] = task;
  }
  void SetAway(bool away) {
    MutexLock lock(mutex_);
    away_ = away;
  }
  int reads() const {
    MutexLock lock(mutex_);
    return reads_;
  }
  // Something that happens while the next answer is on its way.
  void Meanwhile(std::function<void()> meanwhile) {
    MutexLock lock(mutex_);
    meanwhile_ = std::move(meanwhile);
  }

  std::vector<absl::StatusOr<task_queue::v1::Task>> Read(absl::Span<const TaskId> tasks) override {
    std::function<void()> meanwhile;
    {
      MutexLock lock(mutex_);
      std::swap(meanwhile, meanwhile_);
    }
    if (meanwhile) meanwhile();
    MutexLock lock(mutex_);
    std::vector<absl::StatusOr<task_queue::v1::Task>> answers;
    for (const TaskId& id : tasks) {
      ++reads_;
      const auto task = tasks_.find(id.ToString());
      if (away_) {
        answers.push_back(MakeError(absl::StatusCode::kUnavailable, "NOT_CONNECTED", "the task queue is away"));
      } else if (task == tasks_.end()) {
        answers.push_back(MakeError(absl::StatusCode::kNotFound, "TASK_NOT_FOUND", "no such task"));
      } else {
        answers.push_back(task->second);
      }
    }
    return answers;
  }

 private:
  mutable Mutex mutex_;
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> meanwhile_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, task_queue::v1::Task> tasks_ ABSL_GUARDED_BY(mutex_);
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::router
