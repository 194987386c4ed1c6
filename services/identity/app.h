#pragma once

#include <memory>

#include "absl/status/status.h"
#include "libs/app/doctor.h"
#include "libs/app/process.h"
#include "services/identity/identity.h"
#include "switchyard/config/v1/identity.pb.h"

namespace switchyard::identity {

inline constexpr std::string_view kSchema = "identity";
// In the order in which they are applied.
const std::vector<pg::Migration>& SchemaMigrations();
const std::vector<app::DoctorCheck>& DoctorChecks();

IdentityLimits ToLimits(const config::v1::IdentitySettings& settings);

// The identity service inside a process.
class IdentityApp final : public app::ServiceApp {
 public:
  // Makes the service, adds it to the process, and has the whole process authenticate its callers against the store:
  // before anything asks for the process' server. INVALID_ARGUMENT when the settings contradict each other.
  static absl::Status AddTo(app::Process& process, const config::v1::IdentitySettings& settings);

  ~IdentityApp() override;
  absl::Status Start() override;
  void Stop() override;

 private:
  struct Parts;
  explicit IdentityApp(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace switchyard::identity
