#pragma once

#include <string_view>
#include <vector>

#include "libs/base/status.h"
#include "services/model_registry/endpoint.h"

namespace switchyard::model_registry {

// What is wrong with a specification, each field under `prefix`; never repeats what stands in `credential`, which may
// be a secret given by mistake.
std::vector<FieldViolation> FaultsOf(const EndpointSpec& spec, std::string_view prefix);

// "env:NAME" or "file:/PATH", or empty.
bool IsCredentialReference(std::string_view text);

}  // namespace switchyard::model_registry
