#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// What concerns the choice of models and their cost: `yard route ...`, `yard budget ...`.
std::vector<Command> RouteCommands();

}  // namespace switchyard::yard
