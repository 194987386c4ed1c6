#pragma once

#include <string>
#include <vector>

namespace switchyard::app {

// The arguments of main after the program's name, with "--name value" written as "--name=value", so that both forms are
// understood. Our programs take no arguments behind flags, so what follows a flag and is none itself is its value.
std::vector<std::string> ProgramArguments(int argc, char** argv);

}  // namespace switchyard::app
