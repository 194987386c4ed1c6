#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// What a task is to be and within which limits, for every command that makes a specification.
std::vector<Flag> TaskSpecFlags();

// `run`, `ps` and `task submit`.
std::vector<Command> WorkCommands();

}  // namespace switchyard::yard
