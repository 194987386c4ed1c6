#pragma once

#include <string>
#include <string_view>

namespace switchyard::text {

// Text of others, made harmless to print: control characters (ANSI escapes begin with one), bidirectional overrides,
// invisible characters and bytes that are not UTF-8 come out as visible escapes such as \x1b or \u{202e}. Newlines and
// tabs stay. The result is valid UTF-8.
std::string EscapeForTerminal(std::string_view text);

// The same with newlines and tabs escaped too, for cells of tables and lines of logs.
std::string EscapeForTerminalLine(std::string_view text);

}  // namespace switchyard::text
