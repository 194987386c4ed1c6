#include "tools/benchmarks/options.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace switchyard::bench {
namespace {

constexpr const char* kProfiled[] = {"service", "hub", "scheduler", "identity", "postgres", "client"};

template <class Number, class Parse>
std::function<bool(const std::string&)> Into(Number& out, Parse parse) {
  return [&out, parse](const std::string& text) { return parse(text, &out) && out >= 0; };
}

}  // namespace

absl::StatusOr<Options> ParseOptions(const std::vector<std::string>& arguments) {
  Options options;
  const auto whole = [](const std::string& text, int* out) { return absl::SimpleAtoi(text, out); };
  const auto real = [](const std::string& text, double* out) { return absl::SimpleAtod(text, out); };
  const std::map<std::string, std::function<bool(const std::string&)>> values = {
      {"--seconds", Into(options.seconds, real)},          {"--warmup", Into(options.warmup, real)},
      {"--connections", Into(options.connections, whole)}, {"--in-flight", Into(options.in_flight, whole)},
      {"--backlog", Into(options.backlog, whole)},         {"--watchers", Into(options.watchers, whole)},
      {"--agents", Into(options.agents, whole)},
  };
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      options.help = true;
    } else if (argument == "--json") {
      options.json = true;
    } else if (argument == "--profile") {
      options.profile = "service";
    } else if (argument == "--no-accept") {
      options.accepts = false;
    } else if (absl::StartsWith(argument, "--profile=")) {
      options.profile = argument.substr(argument.find('=') + 1);
      if (std::find(std::begin(kProfiled), std::end(kProfiled), options.profile) == std::end(kProfiled)) {
        return absl::InvalidArgumentError(absl::StrCat("--profile cannot be ", options.profile));
      }
    } else if (absl::StartsWith(argument, "--")) {
      const std::size_t equals = argument.find('=');
      const std::string name = argument.substr(0, equals);
      const auto known = values.find(name);
      if (known == values.end()) return absl::InvalidArgumentError(absl::StrCat("unknown option ", name));
      if (equals == std::string::npos && i + 1 == arguments.size()) {
        return absl::InvalidArgumentError(absl::StrCat(name, " needs a value"));
      }
      const std::string value = equals == std::string::npos ? arguments[++i] : argument.substr(equals + 1);
      if (!known->second(value)) return absl::InvalidArgumentError(absl::StrCat(name, " cannot be ", value));
    } else if (options.scenario.empty()) {
      options.scenario = argument;
    } else {
      return absl::InvalidArgumentError(absl::StrCat("one scenario at a time; did not expect ", argument));
    }
  }
  if (options.connections < 1 || options.watchers < 1) {
    return absl::InvalidArgumentError("--connections and --watchers are at least 1");
  }
  return options;
}

}  // namespace switchyard::bench
