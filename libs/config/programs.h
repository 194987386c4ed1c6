#pragma once

#include <string>

namespace switchyard::config {

// The text of docs/reference/configuration.md: every program that is configured by a message of
// proto/switchyard/config.
std::string ReferencePageOfAllPrograms();

}  // namespace switchyard::config
