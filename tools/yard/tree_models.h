#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// What concerns models and where they run: `yard endpoint ...`, `yard model ...`, `yard role ...`.
std::vector<Command> ModelCommands();

}  // namespace switchyard::yard
