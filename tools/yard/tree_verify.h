#pragma once

#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// What became of work that was checked: `yard verify ...`.
std::vector<Command> VerifyCommands();

}  // namespace switchyard::yard
