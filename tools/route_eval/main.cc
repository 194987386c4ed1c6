#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tools/route_eval/command_line.h"
#include "tools/route_eval/evaluation.h"

int main(int argc, char** argv) {
  using namespace switchyard::route_eval;
  const auto options = ParseCommandLine(std::vector<std::string>(argv + 1, argv + argc));
  if (!options.ok()) {
    std::fprintf(stderr, "route-eval: %s; see --help\n", std::string(options.status().message()).c_str());
    return 2;
  }
  if (options->help) return std::fputs(HelpPage().c_str(), stdout) < 0 ? 1 : 0;
  std::ifstream in(options->file, std::ios::binary);
  std::ostringstream content;
  if (!in || !(content << in.rdbuf())) {
    std::fprintf(stderr, "route-eval: %s cannot be read, or is empty\n", options->file.c_str());
    return 1;
  }
  const auto rows = ReadRows(content.str());
  if (!rows.ok()) {
    std::fprintf(stderr, "%s: %s\n", options->file.c_str(), std::string(rows.status().message()).c_str());
    return 1;
  }
  const Evaluation evaluation = Evaluate(*rows, ScoresOf(*rows, options->rules));
  if (!options->svg.empty() && !(std::ofstream(options->svg) << ToSvg(evaluation, options->file) << std::flush)) {
    std::fprintf(stderr, "route-eval: %s cannot be written\n", options->svg.c_str());
    return 1;
  }
  std::fputs(ToText(evaluation, options->cost_ratio).c_str(), options->json ? stderr : stdout);
  if (options->json) std::printf("%s\n", ToJson(evaluation, options->cost_ratio).c_str());
  return 0;
}
