#include "tools/yard/help.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/strings.h"
#include "nlohmann/json.hpp"

namespace switchyard::yard {
namespace {

using Json = nlohmann::ordered_json;

std::string Words(const std::vector<std::string_view>& choices, const char* between) {
  return absl::StrJoin(std::vector<std::string>(choices.begin(), choices.end()), between);
}

std::string_view KindName(ValueKind kind) {
  switch (kind) {
    case ValueKind::kNone:
      return "switch";
    case ValueKind::kText:
      return "text";
    case ValueKind::kNumber:
      return "number";
    case ValueKind::kDuration:
      return "duration";
    case ValueKind::kTime:
      return "time";
    case ValueKind::kFile:
      return "file";
    case ValueKind::kChoice:
      return "choice";
    case ValueKind::kPair:
      return "pair";
    case ValueKind::kTaskId:
      return "task_id";
    case ValueKind::kContext:
      return "context";
  }
  return "text";
}

std::string ArgumentText(const Argument& argument) {
  std::string text = absl::StrCat(ToAbsl(argument.name), argument.repeated ? "..." : "");
  return argument.required ? text : absl::StrCat("[", text, "]");
}

std::string UsageLine(const Command& command) {
  std::string line = absl::StrCat("yard ", ToAbsl(command.path));
  if (!command.flags.empty()) absl::StrAppend(&line, " [flags]");
  for (const Argument& argument : command.arguments) absl::StrAppend(&line, " ", ArgumentText(argument));
  if (!command.rest.empty()) absl::StrAppend(&line, " [-- ", ToAbsl(command.rest), "]");
  return line;
}

std::string FlagText(const Flag& flag) {
  std::string text = flag.letter == 0 ? "    " : absl::StrCat("-", std::string(1, flag.letter), ", ");
  absl::StrAppend(&text, "--", ToAbsl(flag.name));
  if (flag.kind == ValueKind::kNone) return text;
  if (!flag.bare_value.empty()) return absl::StrCat(text, "[=", ToAbsl(flag.placeholder), "]");
  return absl::StrCat(text, " ", ToAbsl(flag.placeholder));
}

std::string FlagHelp(const Flag& flag) {
  std::string text(flag.help);
  if (!flag.choices.empty()) absl::StrAppend(&text, " (", Words(flag.choices, ", "), ")");
  if (flag.repeated) absl::StrAppend(&text, " May be repeated.");
  return text;
}

// Breaks `text` so that no line is longer than 100 columns, later lines indented.
std::string Wrapped(std::string_view text, std::size_t indent) {
  constexpr std::size_t kColumns = 100;
  std::string result;
  std::size_t column = indent;
  while (!text.empty()) {
    const std::size_t space = text.find(' ');
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(space == std::string_view::npos ? text.size() : space + 1);
    if (column > indent && column + 1 + word.size() > kColumns) {
      absl::StrAppend(&result, "\n", std::string(indent, ' '));
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result.append(word);
    column += word.size();
  }
  return result;
}

std::string FlagBlock(const std::vector<Flag>& flags) {
  std::size_t width = 0;
  for (const Flag& flag : flags) width = std::max(width, FlagText(flag).size());
  std::string block;
  for (const Flag& flag : flags) {
    const std::string text = FlagText(flag);
    absl::StrAppend(&block, "  ", text, std::string(width - text.size() + 2, ' '), Wrapped(FlagHelp(flag), width + 4),
                    "\n");
  }
  return block;
}

std::string List(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::size_t width = 0;
  for (const auto& [name, summary] : entries) width = std::max(width, name.size());
  std::string block;
  for (const auto& [name, summary] : entries) {
    absl::StrAppend(&block, "  ", name, std::string(width - name.size() + 2, ' '), summary, "\n");
  }
  return block;
}

Json FlagAsJson(const Flag& flag) {
  Json json = {{"name", flag.name}, {"kind", KindName(flag.kind)}, {"help", flag.help}};
  if (flag.letter != 0) json["letter"] = std::string(1, flag.letter);
  if (!flag.placeholder.empty()) json["placeholder"] = flag.placeholder;
  if (!flag.choices.empty()) json["choices"] = flag.choices;
  if (flag.repeated) json["repeated"] = true;
  if (!flag.bare_value.empty()) json["bare_value"] = flag.bare_value;
  return json;
}

// Keeps a table's cells from ending early.
std::string MarkdownCell(std::string_view text) { return absl::StrReplaceAll(ToAbsl(text), {{"|", "\\|"}}); }

std::string FlagsAsMarkdown(const std::vector<Flag>& flags) {
  std::string text = "| flag | meaning |\n|---|---|\n";
  for (const Flag& flag : flags) {
    std::string name = FlagText(flag);
    name.erase(0, name.find_first_not_of(' '));
    absl::StrAppend(&text, "| `", MarkdownCell(name), "` | ", MarkdownCell(FlagHelp(flag)), " |\n");
  }
  return absl::StrCat(text, "\n");
}

}  // namespace

std::string OverviewHelp(const Tree& tree) {
  std::vector<std::pair<std::string, std::string>> nouns;
  for (const Noun& noun : tree.nouns) nouns.emplace_back(noun.name, noun.summary);
  for (const Command& command : tree.commands) {
    if (!command.hidden && command.path.find(' ') == std::string_view::npos) {
      nouns.emplace_back(command.path, command.summary);
    }
  }
  return absl::StrCat("yard, the command line of Switchyard.\n\nUsage: yard NOUN VERB [flags]\n\n", List(nouns),
                      "\nFlags of every command:\n", FlagBlock(tree.global_flags),
                      "\nFirst steps:\n  yard admin status\n  yard run -- echo hello\n"
                      "  yard task list\n\nExit codes and everything else: yard help --markdown\n");
}

std::string NounHelp(const Tree& tree, const Noun& noun) {
  std::vector<std::pair<std::string, std::string>> verbs;
  const std::string prefix = absl::StrCat(ToAbsl(noun.name), " ");
  std::string examples;
  for (const Command& command : tree.commands) {
    if (command.path.substr(0, prefix.size()) != prefix) continue;
    verbs.emplace_back(command.path.substr(prefix.size()), command.summary);
    if (!command.examples.empty()) absl::StrAppend(&examples, "  ", ToAbsl(command.examples.front()), "\n");
  }
  return absl::StrCat(ToAbsl(noun.summary), "\n\nUsage: yard ", ToAbsl(noun.name), " VERB [flags]\n\n", List(verbs),
                      "\nExamples:\n", examples, "\nMore: yard ", ToAbsl(noun.name), " VERB --help\n");
}

std::string CommandHelp(const Tree& tree, const Command& command) {
  std::string text = absl::StrCat(ToAbsl(command.summary), "\n");
  if (!command.details.empty()) absl::StrAppend(&text, Wrapped(command.details, 0), "\n");
  absl::StrAppend(&text, "\nUsage: ", UsageLine(command), "\n");
  std::vector<std::pair<std::string, std::string>> arguments;
  for (const Argument& argument : command.arguments) {
    std::string help(argument.help);
    if (!argument.choices.empty()) {
      absl::StrAppend(&help, help.empty() ? "" : " ", "One of ", Words(argument.choices, ", "), ".");
    }
    arguments.emplace_back(ArgumentText(argument), help);
  }
  if (!arguments.empty()) absl::StrAppend(&text, "\nArguments:\n", List(arguments));
  if (!command.flags.empty()) absl::StrAppend(&text, "\nFlags:\n", FlagBlock(command.flags));
  if (!command.examples.empty()) {
    absl::StrAppend(&text, "\nExamples:\n");
    for (std::string_view example : command.examples) absl::StrAppend(&text, "  ", ToAbsl(example), "\n");
  }
  absl::StrAppend(&text, "\nFlags of every command:\n", FlagBlock(tree.global_flags));
  return text;
}

std::string TreeAsJson(const Tree& tree, std::string_view version) {
  Json json = {{"version", version}, {"global_flags", Json::array()}, {"commands", Json::array()}};
  for (const Flag& flag : tree.global_flags) json["global_flags"].push_back(FlagAsJson(flag));
  for (const Command& command : tree.commands) {
    if (command.hidden) continue;
    Json entry = {{"path", command.path},       {"summary", command.summary}, {"usage", UsageLine(command)},
                  {"arguments", Json::array()}, {"flags", Json::array()},     {"examples", command.examples}};
    if (!command.details.empty()) entry["details"] = command.details;
    for (const Argument& argument : command.arguments) {
      Json one = {{"name", argument.name},
                  {"kind", KindName(argument.kind)},
                  {"required", argument.required},
                  {"repeated", argument.repeated}};
      if (!argument.choices.empty()) one["choices"] = argument.choices;
      entry["arguments"].push_back(one);
    }
    for (const Flag& flag : command.flags) entry["flags"].push_back(FlagAsJson(flag));
    json["commands"].push_back(entry);
  }
  for (const ExitCodeEntry& entry : tree.exit_codes) {
    json["exit_codes"].push_back({{"code", entry.code}, {"meaning", entry.meaning}});
  }
  return absl::StrCat(json.dump(2), "\n");
}

std::string TreeAsMarkdown(const Tree& tree) {
  std::string text =
      "# The command line\n\n"
      "Generated by `yard help --markdown`; a test compares it with the program.\n\n"
      "Standard output carries data, standard error everything else. With `-o json`, `jsonl` or `yaml` an error is "
      "one\n"
      "line of JSON on standard error:\n"
      "`{\"error\":{\"code\":\"task.not_found\",\"message\":\"…\",\"next\":\"yard task list\",\"request_id\":\"…\","
      "\"retryable\":false}}`.\n\n"
      "Values come from the flag, else the `YARD_*` variable, else the context, else the default. Contexts stand in\n"
      "`$XDG_CONFIG_HOME/yard/config.toml` (mode 0600), or in `.switchyard/yard/config.toml` in or above the working\n"
      "directory, which comes first and which `tools/up` writes. A file found there must be your own (or root's) and "
      "its\n"
      "contexts may name files of that `.switchyard` only. `YARD_CONFIG` names another file.\n\n"
      "## Exit codes\n\n| code | meaning |\n|---|---|\n";
  for (const ExitCodeEntry& entry : tree.exit_codes) {
    absl::StrAppend(&text, "| ", entry.code, " | ", ToAbsl(entry.meaning), " |\n");
  }
  absl::StrAppend(&text, "\n## Flags of every command\n\n", FlagsAsMarkdown(tree.global_flags));
  for (const Command& command : tree.commands) {
    if (command.hidden) continue;
    absl::StrAppend(&text, "## yard ", ToAbsl(command.path), "\n\n", ToAbsl(command.summary));
    if (!command.details.empty()) absl::StrAppend(&text, " ", ToAbsl(command.details));
    absl::StrAppend(&text, "\n\n```\n", UsageLine(command), "\n```\n\n");
    if (!command.flags.empty()) absl::StrAppend(&text, FlagsAsMarkdown(command.flags));
    if (command.examples.empty()) continue;
    absl::StrAppend(&text, "```sh\n");
    for (std::string_view example : command.examples) absl::StrAppend(&text, ToAbsl(example), "\n");
    absl::StrAppend(&text, "```\n\n");
  }
  while (text.size() > 1 && text[text.size() - 2] == '\n') text.pop_back();
  return text;
}

}  // namespace switchyard::yard
