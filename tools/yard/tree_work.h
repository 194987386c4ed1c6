#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// `run`, `ps` and `task submit`.
std::vector<Command> WorkCommands();

}  // namespace switchyard::yard
