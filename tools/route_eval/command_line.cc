#include "tools/route_eval/command_line.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace switchyard::route_eval {

absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments) {
  CommandLine out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name.empty() || name[0] != '-') {
      if (!out.file.empty()) return absl::InvalidArgumentError(absl::StrCat("one file is enough, not also ", name));
      out.file = name;
      continue;
    }
    if (name == "--json") {
      out.json = true;
      continue;
    }
    if (name == "-h" || name == "--help") {
      out.help = true;
      continue;
    }
    std::string value;
    if (const std::size_t equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name.resize(equals);
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return absl::InvalidArgumentError(absl::StrCat(name, " wants a value"));
    }
    if (name == "--svg") {
      out.svg = value;
    } else if (name == "--cost-ratio") {
      if (!absl::SimpleAtod(value, &out.cost_ratio) || !(out.cost_ratio >= 1 && out.cost_ratio <= 1e6)) {
        return absl::InvalidArgumentError("--cost-ratio must be a number from 1 to 1000000");
      }
    } else if (name == "--long-tokens") {
      if (!absl::SimpleAtoi(value, &out.rules.long_instruction_tokens) || out.rules.long_instruction_tokens < 1) {
        return absl::InvalidArgumentError("--long-tokens must be a number above 0");
      }
    } else if (name == "--simple-task-types") {
      out.rules.simple_task_types = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else if (name == "--raising-words") {
      out.rules.raising_words = absl::StrSplit(value, ',', absl::SkipEmpty());
    } else {
      return absl::InvalidArgumentError(absl::StrCat("unknown flag ", name));
    }
  }
  if (out.file.empty() && !out.help) return absl::InvalidArgumentError("name a CSV file");
  return out;
}

std::string HelpPage() {
  return "route-eval: judges how the router tells hard prompts from easy ones, on answers that are known.\n"
         "\n"
         "Usage: tools/route-eval FILE.csv [flags]\n"
         "\n"
         "The file is RFC 4180 with a header: prompt, weak_correct, strong_correct, optionally task_type; correct is "
         "true,\n"
         "false or a number from 0 to 1. tools/route_eval/sample.csv is a made-up one that shows the shape and proves\n"
         "nothing. Nothing is sent anywhere.\n"
         "\n"
         "  --svg FILE                 also a picture of quality over the share to the strong model\n"
         "  --json                     the last line of standard output is one JSON object\n"
         "  --cost-ratio N             how much dearer the strong model is; 10\n"
         "  --simple-task-types A,B    as router.tiers.simple_task_types\n"
         "  --raising-words A,B        as router.tiers.raising_words\n"
         "  --long-tokens N            as router.tiers.long_instruction_tokens\n";
}

}  // namespace switchyard::route_eval
