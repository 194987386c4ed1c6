#pragma once

#include <memory>

#include "absl/status/status.h"
#include "libs/app/process.h"
#include "libs/pg/statement.h"
#include "services/task_queue/history_keeper.h"
#include "services/task_queue/rules.h"
#include "switchyard/config/v1/task_queue.pb.h"

namespace switchyard::task_queue {

inline constexpr std::string_view kSchema = "task_queue";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();

Rules ToRules(const config::v1::TaskQueueSettings& settings);
Retention ToRetention(const config::v1::RetentionConfig& config);

// The task queue inside a process. Not thread-safe itself.
class TaskQueueApp final : public app::ServiceApp {
 public:
  // Makes the service and adds it to the process.
  static absl::Status AddTo(app::Process& process, const config::v1::TaskQueueSettings& settings);

  ~TaskQueueApp() override;
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Parts;
  explicit TaskQueueApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace switchyard::task_queue
