#pragma once

#include <string>
#include <vector>

#include "tools/yard/host.h"

namespace switchyard::yard {

// One run of yard; `words` is what follows the program's name. Returns the exit code. Everything goes through `host`,
// so a test calls this and no process is needed.
int RunYard(const std::vector<std::string>& words, Host& host);

}  // namespace switchyard::yard
