#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/doctor.h"
#include "libs/app/process.h"
#include "libs/pg/statement.h"
#include "services/router/router.h"
#include "services/router/rules.h"
#include "switchyard/config/v1/router.pb.h"

namespace switchyard::router {

inline constexpr std::string_view kSchema = "router";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();
// What holds in the schema at any moment; read by `switchyard doctor`.
const std::vector<app::DoctorCheck>& DoctorChecks();

RouterRules ToRules(const config::v1::RouterSettings& settings);
RouterOptions ToOptions(const config::v1::RouterSettings& settings);

// The router inside a process.
class RouterApp final : public app::ServiceApp {
 public:
  // Where the others are; empty addresses are this process itself.
  struct Neighbours {
    rpc::ChannelOptions task_queue;
    rpc::ChannelOptions model_registry;
  };

  // Makes the service and adds it to the process, which must outlive it.
  static absl::Status AddTo(app::Process& process, const config::v1::RouterSettings& settings, Neighbours neighbours);

  ~RouterApp() override;
  absl::Status Start() override;
  absl::Status Serving() override;
  void Stop() override;

 private:
  struct Parts;
  explicit RouterApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

RouterApp::Neighbours ToNeighbours(const config::v1::RouterConfig& config);

}  // namespace switchyard::router
