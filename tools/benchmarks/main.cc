#include <cstdio>
#include <string>
#include <vector>

#include "tools/benchmarks/scenarios.h"

int main(int argc, char** argv) {
  using namespace switchyard::bench;
  const auto options = ParseOptions(std::vector<std::string>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::fprintf(stderr, "switchyard-bench: %s; see --help\n", std::string(options.status().message()).c_str());
    return 2;
  }
  if (options->help || options->scenario.empty()) {
    std::fputs(HelpPage().c_str(), options->help ? stdout : stderr);
    return options->help ? 0 : 2;
  }
  for (const Scenario& scenario : AllScenarios()) {
    if (scenario.name != options->scenario) continue;
    auto report = scenario.run(*options);
    if (!report.ok()) {
      std::fprintf(stderr, "%s: %s\n", scenario.name.c_str(), report.status().ToString().c_str());
      return 1;
    }
    report->scenario = scenario.name;
    std::fputs(ToText(*report).c_str(), stderr);
    if (options->json) std::printf("%s\n", ToJson(*report).c_str());
    return report->met() ? 0 : 3;
  }
  std::fprintf(stderr, "switchyard-bench: no scenario %s; see --help\n", options->scenario.c_str());
  return 2;
}
