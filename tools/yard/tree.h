// The command line as data: parsing, help, completion, `yard help --json` and docs/cli.md all come from this one table.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard::yard {

// What a flag or an argument takes; the parser refuses what does not fit.
enum class ValueKind {
  // A switch; takes nothing.
  kNone,
  kText,
  // A whole number, not negative.
  kNumber,
  // "90s", "5m", "1h30m", "2d".
  kDuration,
  // A moment: RFC 3339, or a duration that means so long ago.
  kTime,
  kFile,
  // One of `choices`.
  kChoice,
  // "key=value".
  kPair,
  // Completed by asking the server.
  kTaskId,
  // Completed from the configuration.
  kContext,
};

struct Flag {
  // Without the dashes.
  std::string_view name = "";
  char letter = 0;
  ValueKind kind = ValueKind::kText;
  std::string_view placeholder = "";
  std::string_view help = "";
  std::vector<std::string_view> choices = {};
  bool repeated = false;
  // Given bare it means this; a value then needs "--name=value". Empty: a value is required.
  std::string_view bare_value = "";
};

struct Argument {
  std::string_view name = "";
  ValueKind kind = ValueKind::kText;
  std::string_view help = "";
  std::vector<std::string_view> choices = {};
  bool required = true;
  bool repeated = false;
};

struct Command {
  // "task submit".
  std::string_view path = "";
  std::string_view summary = "";
  // Further sentences; may be empty.
  std::string_view details = "";
  std::vector<Argument> arguments = {};
  std::vector<Flag> flags = {};
  std::vector<std::string_view> examples = {};
  // Takes "-- PROGRAM ARGS...".
  std::string_view rest = "";
  // Not shown anywhere.
  bool hidden = false;
};

struct Noun {
  std::string_view name = "";
  std::string_view summary = "";
};

struct ExitCodeEntry {
  int code = 0;
  std::string_view meaning = "";
};

struct Tree {
  std::vector<Flag> global_flags;
  std::vector<Noun> nouns;
  std::vector<Command> commands;
  std::vector<ExitCodeEntry> exit_codes;

  // Null when there is none of that path.
  const Command* Find(std::string_view path) const;
  // Null when `name` is no noun.
  const Noun* FindNoun(std::string_view name) const;
};

// Lives as long as the process.
const Tree& YardTree();

const Flag* FindFlag(const std::vector<Flag>& flags, std::string_view name);
const Flag* FindFlag(const std::vector<Flag>& flags, char letter);

}  // namespace switchyard::yard
