#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// The script of "bash", "zsh" or "fish". It asks `yard __complete -- WORDS...`, so it never goes stale.
std::string CompletionScript(std::string_view shell);

// Values that only the server or the configuration knows; empty when they cannot be had quickly.
using DynamicValues = std::function<std::vector<std::string>(ValueKind kind)>;

// What may stand where the last of `words` is being typed; "@files" alone when it is a path.
std::vector<std::string> Candidates(const Tree& tree, const std::vector<std::string>& words,
                                    const DynamicValues& dynamic);

}  // namespace switchyard::yard
