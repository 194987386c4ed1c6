#include "tools/yard/run.h"

#include <algorithm>
#include <utility>

#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/help.h"
#include "tools/yard/output.h"
#include "tools/yard/parse.h"

namespace switchyard::yard {
namespace {

int Report(const absl::Status& status, const OutputStyle& style, const std::string& request_id, Host& host) {
  if (status.ok()) return 0;
  host.out.flush();
  host.err << (style.structured() ? ErrorAsJson(status, request_id)
                                  : ErrorAsText(status, request_id, style.color_errors))
           << std::flush;
  return static_cast<int>(ExitCodeOf(status));
}

// A command line that does not parse still says how its errors are to be printed.
OutputStyle StyleOfBroken(const std::vector<std::string>& words, const Host& host) {
  Invocation invocation;
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size())
      invocation.flags["output"] = {words[i + 1]};
    if (words[i].rfind("--output=", 0) == 0) invocation.flags["output"] = {words[i].substr(9)};
    if (words[i].rfind("-o", 0) == 0 && words[i].size() > 2) invocation.flags["output"] = {words[i].substr(2)};
  }
  return ChooseStyle(invocation, host).value_or(OutputStyle());
}

}  // namespace

int RunYard(const std::vector<std::string>& words, Host& host) {
  const Tree& tree = YardTree();
  const std::string request_id = host.ids.NewUuid().ToString();
  absl::StatusOr<Invocation> invocation = ParseCommandLine(tree, words);
  if (!invocation.ok()) return Report(invocation.status(), StyleOfBroken(words, host), request_id, host);
  const Command* const command = invocation->command;
  if (invocation->help || (command == nullptr && invocation->noun == nullptr)) {
    host.out << (command != nullptr            ? CommandHelp(tree, *command)
                 : invocation->noun != nullptr ? NounHelp(tree, *invocation->noun)
                                               : OverviewHelp(tree))
             << std::flush;
    return 0;
  }
  if (command == nullptr) {
    host.err << NounHelp(tree, *invocation->noun) << std::flush;
    return static_cast<int>(ExitCode::kUsage);
  }
  const absl::StatusOr<OutputStyle> style = ChooseStyle(*invocation, host);
  if (!style.ok()) return Report(style.status(), OutputStyle(), request_id, host);
  Session session(host, *std::move(invocation), *style, request_id);
  return Report(FindFunction(command->path)(session), *style, request_id, host);
}

}  // namespace switchyard::yard
