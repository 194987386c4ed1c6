// What an executor has on disk besides its journal, all below data_dir.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/rpc/channel.h"
#include "services/executor/unique_fd.h"
#include "switchyard/agent/v1/agent_admin.pb.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor {

// Who it is to which hubs, from the configuration and, where that is silent, from the enrolment.
struct HubAccess {
  std::vector<std::string> addresses;
  rpc::ChannelTls tls;
  std::string token_file;
  // As enrolled; empty otherwise.
  std::string name;
};
// FAILED_PRECONDITION, reason NOT_ENROLLED, when nothing says where the hub is.
absl::StatusOr<HubAccess> FindHub(const config::v1::ExecutorConfig& config);
// The same for an enrolment that is not kept yet, whose authority stands in `authority_file`.
absl::StatusOr<HubAccess> FindHub(const config::v1::ExecutorConfig& config,
                                  const agent::v1::EnrollmentBundle& enrollment, const std::string& authority_file);

std::string TokenFile(const config::v1::ExecutorConfig& config);
std::string JournalFile(const config::v1::ExecutorConfig& config);

// Makes the folder when it is missing: for its owner only, except that tasks of another user may pass through it when
// this is root. FAILED_PRECONDITION, reason DATA_DIR.
absl::Status PrepareDataDir(const std::string& data_dir);

// Written beside and renamed, mode 0600: whole or not at all, also after a crash.
absl::Status ReplaceFile(const std::string& path, std::string_view content);
// The same without waiting for the disk: for what may be lost with the power.
absl::Status ReplaceFileSoon(const std::string& path, std::string_view content);
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

// What `yard agent enroll` printed. INVALID_ARGUMENT, reason ENROLLMENT_UNREADABLE.
absl::StatusOr<agent::v1::EnrollmentBundle> ParseEnrollment(std::string_view text);
// Makes an enrolment unreadable where it stands among a program's arguments, which other users can read.
void HideEnrollment(int argc, char** argv);
// Keeps all but the one-time token. Written before the token, which is what makes an executor enrolled.
absl::Status SaveEnrollment(const std::string& data_dir, const agent::v1::EnrollmentBundle& bundle);
absl::StatusOr<agent::v1::EnrollmentBundle> LoadEnrollment(const std::string& data_dir);

// Held as long as the process uses the folder. Waits for it, at most 2 s: a program that a killed one was about to
// start holds it until it is gone too. FAILED_PRECONDITION, reason ALREADY_RUNNING.
absl::StatusOr<UniqueFd> LockDataDir(const std::string& data_dir);
// Whether a process does, without getting in its way.
bool IsLocked(const std::string& data_dir);

}  // namespace switchyard::executor
