#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// What concerns agents and the work on them: `yard agent ...`, `yard logs`, `yard task answer`.
std::vector<Command> AgentCommands();

}  // namespace switchyard::yard
