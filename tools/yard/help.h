#pragma once

#include <string>
#include <string_view>

#include "tools/yard/tree.h"

namespace switchyard::yard {

// `yard --help`.
std::string OverviewHelp(const Tree& tree);
// `yard task --help`.
std::string NounHelp(const Tree& tree, const Noun& noun);
// `yard task submit --help`: usage, flags, examples.
std::string CommandHelp(const Tree& tree, const Command& command);
// The whole tree; stable keys: version, global_flags, commands, exit_codes.
std::string TreeAsJson(const Tree& tree, std::string_view version);
// docs/cli.md.
std::string TreeAsMarkdown(const Tree& tree);

}  // namespace switchyard::yard
