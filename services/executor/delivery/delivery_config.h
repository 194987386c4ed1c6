#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/forge/forge_directory.h"
#include "libs/http/http_transport.h"
#include "services/executor/backend.h"
#include "switchyard/config/v1/executor.pb.h"

namespace switchyard::executor::delivery {

// Of workspace.forges; INVALID_ARGUMENT, reason INVALID_FIELD, with every fault. As ForgeDirectory::Make.
absl::StatusOr<std::unique_ptr<forge::ForgeDirectory>> MakeForges(const config::v1::WorkspaceConfig& config,
                                                                  http::HttpTransport& transport, const Clock& clock);

// Whether this work's pull request has a forge and a token here; OK without one. FAILED_PRECONDITION, reason
// FORGE_NOT_CONFIGURED or SECRET_UNREADABLE. For Backend::Check: better before the work than after it. `clone_url` is
// what the work's repository is here.
absl::Status CheckForge(const forge::ForgeDirectory& forges, const RepositoryWork& work, const std::string& clone_url);

// For a self-test: "forge", once for each line.
std::vector<ProbeResult> ProbeForges(const forge::ForgeDirectory& forges);

}  // namespace switchyard::executor::delivery
