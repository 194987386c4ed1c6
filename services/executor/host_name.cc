#include "services/executor/host_name.h"

#include <unistd.h>

namespace switchyard::executor {

std::string HostName() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "unknown";
}

}  // namespace switchyard::executor
