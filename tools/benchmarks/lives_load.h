#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "services/task_queue/task.h"
#include "tools/benchmarks/measure.h"

namespace switchyard::bench {

// Whole lives: submits by single calls, follows the ready feed as a scheduler does, assigns in batches as they come and
// reports evidence in batches. A life is done when the service has answered that the task SUCCEEDED; its latency runs
// from the acceptance of the submission to that answer.
class LivesLoad final : public Load {
 public:
  struct Settings {
    // SubmitTask calls.
    int in_flight = 256;
    // Lives begun and not yet ended; submission pauses beyond.
    int outstanding = 4096;
    // Calls of AssignTasks and of ReportTasks at a time, each of at most `batch` items.
    int ledger_calls = 2;
    int batch = 500;
    int agents = 16;
  };

  LivesLoad(Client& client, const Settings& settings);
  ~LivesLoad() override;
  absl::Status Start() override;
  void Stop() override;

  // How often the feed had to be opened again.
  std::int64_t reopened() const { return reopened_; }
  // Offers of tasks that were assigned already.
  std::int64_t offered_again() const { return offered_again_; }

 private:
  struct Submission;
  struct Feed;
  // A task on its way; plain, so that it moves without allocations.
  struct Item {
    std::array<char, 36> id;
    std::int64_t generation = 0;
    std::int64_t create_micros = 0;
    int shard = 0;
    int agent = 0;
  };
  struct AssignCall;
  struct ReportCall;

  void Submit(Submission& slot);
  void Submitted(Submission& slot, const grpc::Status& status);
  void OpenFeed();
  void Ready(const v1::WatchReadyResponse& message);
  void FeedClosed(const grpc::Status& status);
  void Pump();
  void Assigned(AssignCall& call, const grpc::Status& status);
  void Reported(ReportCall& call, const grpc::Status& status);
  absl::Status RenewShards();
  absl::Status RenewSessions();
  void Renew();

  Client& client_;
  const Settings settings_;
  std::vector<std::unique_ptr<Submission>> submissions_;
  std::atomic<std::int64_t> reopened_{0};
  std::atomic<std::int64_t> offered_again_{0};
  std::thread renewer_;
  // Set before the load begins.
  std::vector<std::string> agents_;
  std::vector<std::int64_t> session_epochs_;

  Mutex mutex_;
  CondVar changed_;
  bool submitting_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::array<std::int64_t, task_queue::kShardCount> shard_epochs_ ABSL_GUARDED_BY(mutex_) = {};
  std::unique_ptr<Feed> feed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Feed>> closed_feeds_ ABSL_GUARDED_BY(mutex_);
  bool feed_open_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Submission*> parked_ ABSL_GUARDED_BY(mutex_);
  int flying_submissions_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t accepted_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<Item> ready_ ABSL_GUARDED_BY(mutex_);
  std::deque<Item> running_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<AssignCall>> assign_calls_;
  std::vector<std::unique_ptr<ReportCall>> report_calls_;
  std::vector<AssignCall*> idle_assign_ ABSL_GUARDED_BY(mutex_);
  std::vector<ReportCall*> idle_report_ ABSL_GUARDED_BY(mutex_);
  int next_agent_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::bench
