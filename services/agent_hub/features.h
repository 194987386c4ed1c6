#pragma once

#include <string>
#include <vector>

namespace switchyard::agent_hub {

// Those of an executor's features that this hub knows too.
std::vector<std::string> AgreedFeatures(const std::vector<std::string>& features);
// Those that this hub knows and the executor lacks, kinds of tasks aside: it is older than the hub.
std::vector<std::string> MissingFeatures(const std::vector<std::string>& features);

}  // namespace switchyard::agent_hub
