#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/process.h"
#include "services/scheduler/scheduler.h"
#include "switchyard/config/v1/scheduler.pb.h"

namespace switchyard::scheduler {

SchedulerOptions ToOptions(const config::v1::SchedulerSettings& settings);

// The scheduler inside a process. Not thread-safe itself.
class SchedulerApp final : public app::ServiceApp {
 public:
  // Where the others are; empty addresses are this process itself.
  struct Neighbours {
    rpc::ChannelOptions task_queue;
    std::vector<rpc::ChannelOptions> hubs;
    // Nothing: there is none, and every agent uses whatever model it has.
    std::optional<rpc::ChannelOptions> router = {};
  };

  // Makes the service and adds it to the process, which must outlive it.
  static absl::Status AddTo(app::Process& process, const config::v1::SchedulerSettings& settings,
                            Neighbours neighbours);

  ~SchedulerApp() override;
  absl::Status Start() override;
  absl::Status Serving() override;
  void Stop() override;

 private:
  struct Parts;
  explicit SchedulerApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

SchedulerApp::Neighbours ToNeighbours(const config::v1::SchedulerConfig& config);

}  // namespace switchyard::scheduler
