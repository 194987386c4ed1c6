#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/completion.h"
#include "tools/yard/errors.h"
#include "tools/yard/help.h"
#include "tools/yard/version.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

std::vector<std::string> TaskIds(Session& session) {
  tq::ListTasksRequest request;
  request.set_page_size(50);
  // A shell that waits for the user must not wait for the server.
  auto answer = session.Call(&TaskQueueStub::ListTasks, request, Repeat::kNever, absl::Seconds(1));
  std::vector<std::string> ids;
  if (!answer.ok()) return ids;
  for (const tq::Task& task : answer->tasks()) ids.push_back(task.id());
  return ids;
}

std::vector<std::string> ContextNames(Session& session) {
  std::vector<std::string> names;
  const absl::StatusOr<Config> config = LoadConfig(ConfigPath(session.host()));
  if (!config.ok()) return names;
  for (const auto& [name, context] : config->contexts) names.push_back(name);
  return names;
}

}  // namespace

absl::Status Completion(Session& session) {
  session.host().out << CompletionScript(session.invocation().arguments[0]) << std::flush;
  return absl::OkStatus();
}

absl::Status Complete(Session& session) {
  const std::vector<std::string> words = session.invocation().rest.value_or(std::vector<std::string>());
  const auto dynamic = [&](ValueKind kind) {
    return kind == ValueKind::kContext ? ContextNames(session) : TaskIds(session);
  };
  for (const std::string& word : Candidates(YardTree(), words, dynamic)) session.host().out << OneLine(word) << '\n';
  session.host().out.flush();
  return absl::OkStatus();
}

absl::Status Version(Session& session) {
  Answer answer;
  answer.card = absl::StrCat("yard ", kVersion, "\n");
  answer.whole = {{"version", kVersion}, {"contract", "switchyard.task_queue.v1"}};
  answer.names = {kVersion};
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status Help(Session& session) {
  const Invocation& invocation = session.invocation();
  const Tree& tree = YardTree();
  std::string text;
  if (invocation.Has("json") || session.style().format == Format::kJson) {
    text = TreeAsJson(tree, kVersion);
  } else if (invocation.Has("markdown")) {
    text = TreeAsMarkdown(tree);
  } else if (invocation.arguments.empty()) {
    text = OverviewHelp(tree);
  } else {
    // The parser knows what is near a word that does not exist.
    std::vector<std::string> words = invocation.arguments;
    words.push_back("--help");
    SY_ASSIGN_OR_RETURN(const Invocation about, ParseCommandLine(tree, words));
    text = about.command != nullptr ? CommandHelp(tree, *about.command)
           : about.noun != nullptr  ? NounHelp(tree, *about.noun)
                                    : OverviewHelp(tree);
  }
  session.host().out << text << std::flush;
  return absl::OkStatus();
}

}  // namespace switchyard::yard
