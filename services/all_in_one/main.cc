#include "libs/app/arguments.h"
#include "services/all_in_one/commands.h"

int main(int argc, char** argv) { return switchyard::all_in_one::Main(switchyard::app::ProgramArguments(argc, argv)); }
