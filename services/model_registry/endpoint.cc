#include "services/model_registry/endpoint.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {

std::string_view NameOf(EndpointState state) {
  switch (state) {
    case EndpointState::kUnknown:
      return "unknown";
    case EndpointState::kHealthy:
      return "healthy";
    case EndpointState::kLoading:
      return "loading";
    case EndpointState::kBusy:
      return "busy";
    case EndpointState::kRateLimited:
      return "rate-limited";
    case EndpointState::kMisconfigured:
      return "misconfigured";
    case EndpointState::kFailing:
      return "failing";
    case EndpointState::kOpen:
      return "open";
    case EndpointState::kRecovering:
      return "recovering";
    case EndpointState::kDisabled:
      return "disabled";
  }
  return "unknown";
}

const ModelSettings* FindSettings(const EndpointSpec& spec, std::string_view model) {
  return model_probe::FindSettings(spec.kind, spec.models, model);
}

std::string HostOf(const EndpointSpec& spec) {
  if (!spec.host.empty()) return spec.host;
  const std::size_t scheme = spec.url.find("://");
  if (scheme == std::string::npos) return spec.url;
  const std::size_t from = scheme + 3;
  const std::size_t end = std::min(spec.url.find('/', from), spec.url.size());
  std::string host = spec.url.substr(from, end - from);
  const std::size_t port = host.rfind(':');
  if (port != std::string::npos && host.find(']', port) == std::string::npos) host.resize(port);
  return host;
}

EndpointId IdOfFileEndpoint(std::string_view name) {
  const auto hash = Sha256(absl::StrCat("switchyard.model_registry.endpoint\n", ToAbsl(name)));
  std::array<std::uint8_t, 16> bytes{};
  std::copy_n(hash.begin(), bytes.size(), bytes.begin());
  // Version 8, made by one's own rule.
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0fu) | 0x80u);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3fu) | 0x80u);
  return EndpointId(Uuid(bytes));
}

}  // namespace switchyard::model_registry
