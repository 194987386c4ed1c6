#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/app/doctor.h"
#include "libs/app/process.h"
#include "libs/pg/statement.h"
#include "libs/rpc/channel.h"
#include "services/verification/verifier.h"
#include "switchyard/config/v1/verification.pb.h"

namespace switchyard::verification {

inline constexpr std::string_view kSchema = "verification";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();
// What holds in the schema at any moment; read by `switchyard doctor`.
const std::vector<app::DoctorCheck>& DoctorChecks();

VerifierOptions ToOptions(const config::v1::VerificationSettings& settings);

// Verification inside a process.
class VerificationApp final : public app::ServiceApp {
 public:
  // Makes the service and adds it to the process, which must outlive it. An empty address is this process itself.
  static absl::Status AddTo(app::Process& process, const config::v1::VerificationSettings& settings,
                            rpc::ChannelOptions task_queue);

  ~VerificationApp() override;
  absl::Status Start() override;
  absl::Status Serving() override;
  void Stop() override;

 private:
  struct Parts;
  explicit VerificationApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace switchyard::verification
