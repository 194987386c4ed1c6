#include "services/agent_hub/features.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace switchyard::agent_hub {
namespace {

constexpr std::array<std::string_view, 12> kFeatures = {"kind.command", "kind.prompt", "kind.action", "kind.external",
                                                        "progress",     "phase",       "logs",        "blocked",
                                                        "confirm",      "status",      "route_grant", "endpoints"};

bool Has(const std::vector<std::string>& features, std::string_view feature) {
  return std::find(features.begin(), features.end(), feature) != features.end();
}

}  // namespace

std::vector<std::string> AgreedFeatures(const std::vector<std::string>& features) {
  std::vector<std::string> agreed;
  for (const std::string_view feature : kFeatures) {
    if (Has(features, feature)) agreed.emplace_back(feature);
  }
  return agreed;
}

std::vector<std::string> MissingFeatures(const std::vector<std::string>& features) {
  std::vector<std::string> missing;
  for (const std::string_view feature : kFeatures) {
    if (!Has(features, feature) && feature.rfind("kind.", 0) != 0) missing.emplace_back(feature);
  }
  return missing;
}

}  // namespace switchyard::agent_hub
