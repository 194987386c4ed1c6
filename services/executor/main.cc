#include "libs/app/arguments.h"
#include "services/executor/commands.h"

int main(int argc, char** argv) { return switchyard::executor::Main(switchyard::app::ProgramArguments(argc, argv)); }
