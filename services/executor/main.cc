#include "libs/app/arguments.h"
#include "services/executor/commands.h"
#include "services/executor/files.h"

int main(int argc, char** argv) {
  const switchyard::executor::Arguments arguments = switchyard::app::ProgramArguments(argc, argv);
  switchyard::executor::HideEnrollment(argc, argv);
  return switchyard::executor::Main(arguments);
}
