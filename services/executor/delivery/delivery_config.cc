#include "services/executor/delivery/delivery_config.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/config/secret.h"

namespace switchyard::executor::delivery {

absl::StatusOr<std::unique_ptr<forge::ForgeDirectory>> MakeForges(const config::v1::WorkspaceConfig& config,
                                                                  http::HttpTransport& transport, const Clock& clock) {
  return forge::ForgeDirectory::Make(
      {config.forges().begin(), config.forges().end()}, "workspace.forges",
      [](const std::string& reference) { return config::ResolveSecret(reference); }, transport, clock);
}

absl::Status CheckForge(const forge::ForgeDirectory& forges, const RepositoryWork& work, const std::string& clone_url) {
  if (!work.pull_request) return absl::OkStatus();
  return forges.Check(clone_url);
}

std::vector<ProbeResult> ProbeForges(const forge::ForgeDirectory& forges) {
  std::vector<ProbeResult> results;
  for (const forge::ForgeDirectory::Entry& entry : forges.Probe()) {
    results.push_back({.name = "forge",
                       .ok = entry.status.ok(),
                       .detail = entry.status.ok() ? absl::StrCat(entry.api_url, " with ", entry.reference)
                                                   : absl::StrCat(entry.api_url, ": ", entry.status.message())});
  }
  return results;
}

}  // namespace switchyard::executor::delivery
