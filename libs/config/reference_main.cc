#include <cstdio>
#include <fstream>

#include "libs/config/programs.h"

// Writes the reference page to the path given, or to standard output.
int main(int argc, char** argv) {
  const std::string page = switchyard::config::ReferencePageOfAllPrograms();
  if (argc < 2) {
    std::fputs(page.c_str(), stdout);
    return 0;
  }
  std::ofstream file(argv[1]);
  file << page;
  file.close();
  if (!file) {
    std::fprintf(stderr, "cannot write %s\n", argv[1]);
    return 1;
  }
  return 0;
}
