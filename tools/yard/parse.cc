#include "tools/yard/parse.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"
#include "tools/yard/errors.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {
namespace {

std::string HelpFor(const Command* command) {
  return command == nullptr ? "yard help" : absl::StrCat("yard ", ToAbsl(command->path), " --help");
}

std::string DidYouMean(std::string_view word, const std::vector<std::string_view>& known,
                       std::string_view prefix = "") {
  const std::string nearest = text::DidYouMean(word, known);
  if (nearest.empty()) return "";
  return absl::StrCat("; did you mean '", ToAbsl(prefix), nearest, "'?");
}

// What is wrong with the value; empty when nothing is.
std::string Fault(ValueKind kind, const std::vector<std::string_view>& choices, std::string_view value) {
  switch (kind) {
    case ValueKind::kChoice: {
      if (std::find(choices.begin(), choices.end(), value) != choices.end()) return "";
      std::vector<std::string> words(choices.begin(), choices.end());
      return absl::StrCat("'", ToAbsl(value), "' is none of ", absl::StrJoin(words, ", "), DidYouMean(value, choices));
    }
    case ValueKind::kNumber: {
      int number = 0;
      if (absl::SimpleAtoi(ToAbsl(value), &number) && number >= 0) return "";
      return absl::StrCat("'", ToAbsl(value), "' is not a whole number from 0 up");
    }
    case ValueKind::kDuration: {
      const auto span = ParseSpan(value);
      return span.ok() ? "" : std::string(ToStd(span.status().message()));
    }
    case ValueKind::kTime: {
      const auto moment = ParseMoment(value, absl::UnixEpoch());
      return moment.ok() ? "" : std::string(ToStd(moment.status().message()));
    }
    case ValueKind::kPair:
      if (value.find('=') != std::string_view::npos && value.front() != '=') return "";
      return absl::StrCat("'", ToAbsl(value), "' is not of the form KEY=VALUE");
    case ValueKind::kTaskId:
    case ValueKind::kContext:
      return value.empty() ? "must not be empty" : "";
    default:
      return "";
  }
}

class Parser {
 public:
  Parser(const Tree& tree, const std::vector<std::string>& words) : tree_(tree), words_(words) {}

  absl::StatusOr<Invocation> Run() {
    for (; at_ < words_.size(); ++at_) {
      const std::string_view word = words_[at_];
      if (word == "--") {
        SY_RETURN_IF_ERROR(TakeRest());
        break;
      }
      if (word.size() > 2 && word.substr(0, 2) == "--") {
        SY_RETURN_IF_ERROR(TakeLong(word.substr(2)));
      } else if (word.size() > 1 && word[0] == '-') {
        SY_RETURN_IF_ERROR(TakeShort(word.substr(1)));
      } else {
        SY_RETURN_IF_ERROR(TakeWord(word));
      }
    }
    result_.help = result_.Has("help");
    if (!result_.help && result_.command != nullptr) SY_RETURN_IF_ERROR(CheckArguments());
    return std::move(result_);
  }

 private:
  absl::Status TakeRest() {
    if (result_.command == nullptr || result_.command->rest.empty()) {
      return UsageError("UNEXPECTED_ARGUMENT", "'--' is not expected here", HelpFor(result_.command));
    }
    result_.rest.emplace(words_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, words_.end());
    return absl::OkStatus();
  }

  absl::Status TakeLong(std::string_view body) {
    const std::size_t equals = body.find('=');
    const std::string_view name = body.substr(0, equals);
    const Flag* flag = FindFlag(tree_.global_flags, name);
    if (flag == nullptr && result_.command != nullptr) flag = FindFlag(result_.command->flags, name);
    if (flag == nullptr) return UnknownFlag(name);
    if (equals != std::string_view::npos) {
      if (flag->kind == ValueKind::kNone) {
        return UsageError("UNEXPECTED_VALUE", absl::StrCat("--", ToAbsl(name), " takes no value"),
                          HelpFor(result_.command));
      }
      return Store(*flag, body.substr(equals + 1));
    }
    return TakeValue(*flag);
  }

  absl::Status TakeShort(std::string_view letters) {
    while (!letters.empty()) {
      const Flag* flag = FindFlag(tree_.global_flags, letters[0]);
      if (flag == nullptr && result_.command != nullptr) flag = FindFlag(result_.command->flags, letters[0]);
      if (flag == nullptr) {
        return UsageError("UNKNOWN_FLAG", absl::StrCat("unknown flag '-", ToAbsl(letters.substr(0, 1)), "'"),
                          HelpFor(result_.command));
      }
      letters.remove_prefix(1);
      if (flag->kind != ValueKind::kNone && !letters.empty()) {
        if (letters[0] == '=') letters.remove_prefix(1);
        return Store(*flag, letters);
      }
      SY_RETURN_IF_ERROR(TakeValue(*flag));
    }
    return absl::OkStatus();
  }

  absl::Status TakeValue(const Flag& flag) {
    if (flag.kind == ValueKind::kNone) {
      result_.flags[std::string(flag.name)] = {"true"};
      return absl::OkStatus();
    }
    if (!flag.bare_value.empty()) return Store(flag, flag.bare_value);
    if (at_ + 1 >= words_.size()) {
      return UsageError("MISSING_VALUE",
                        absl::StrCat("--", ToAbsl(flag.name), " needs a value: ", ToAbsl(flag.placeholder)),
                        HelpFor(result_.command));
    }
    return Store(flag, words_[++at_]);
  }

  absl::Status Store(const Flag& flag, std::string_view value) {
    if (const std::string fault = Fault(flag.kind, flag.choices, value); !fault.empty()) {
      return UsageError("BAD_VALUE", absl::StrCat("--", ToAbsl(flag.name), ": ", fault), HelpFor(result_.command));
    }
    std::vector<std::string>& values = result_.flags[std::string(flag.name)];
    if (!flag.repeated) values.clear();
    values.emplace_back(value);
    return absl::OkStatus();
  }

  absl::Status TakeWord(std::string_view word) {
    if (result_.command != nullptr) {
      result_.arguments.emplace_back(word);
      return absl::OkStatus();
    }
    if (result_.noun != nullptr) {
      const std::string path = absl::StrCat(ToAbsl(result_.noun->name), " ", ToAbsl(word));
      result_.command = tree_.Find(path);
      return result_.command != nullptr ? absl::OkStatus() : UnknownVerb(word);
    }
    result_.noun = tree_.FindNoun(word);
    if (result_.noun != nullptr) return absl::OkStatus();
    result_.command = tree_.Find(word);
    return result_.command != nullptr ? absl::OkStatus() : UnknownCommand(word);
  }

  absl::Status UnknownFlag(std::string_view name) {
    std::vector<std::string_view> known;
    for (const Flag& flag : tree_.global_flags) known.push_back(flag.name);
    if (result_.command != nullptr) {
      for (const Flag& flag : result_.command->flags) known.push_back(flag.name);
    }
    return UsageError("UNKNOWN_FLAG",
                      absl::StrCat("unknown flag '--", ToAbsl(name), "'", DidYouMean(name, known, "--")),
                      HelpFor(result_.command));
  }

  absl::Status UnknownVerb(std::string_view word) {
    const std::string prefix = absl::StrCat(ToAbsl(result_.noun->name), " ");
    std::vector<std::string_view> known;
    for (const Command& command : tree_.commands) {
      if (command.path.substr(0, prefix.size()) == prefix) known.push_back(command.path.substr(prefix.size()));
    }
    return UsageError("UNKNOWN_COMMAND",
                      absl::StrCat("unknown command 'yard ", prefix, ToAbsl(word), "'",
                                   DidYouMean(word, known, absl::StrCat("yard ", prefix))),
                      absl::StrCat("yard ", prefix, "--help"));
  }

  absl::Status UnknownCommand(std::string_view word) {
    std::vector<std::string_view> known;
    for (const Noun& noun : tree_.nouns) known.push_back(noun.name);
    for (const Command& command : tree_.commands) {
      if (!command.hidden && command.path.find(' ') == std::string_view::npos) known.push_back(command.path);
    }
    return UsageError("UNKNOWN_COMMAND",
                      absl::StrCat("unknown command 'yard ", ToAbsl(word), "'", DidYouMean(word, known, "yard ")),
                      "yard help");
  }

  absl::Status CheckArguments() {
    const Command& command = *result_.command;
    std::size_t least = 0;
    bool endless = false;
    for (const Argument& argument : command.arguments) {
      least += argument.required ? 1 : 0;
      endless = endless || argument.repeated;
    }
    if (result_.arguments.size() < least) {
      return UsageError("MISSING_ARGUMENT",
                        absl::StrCat("missing ", ToAbsl(command.arguments[result_.arguments.size()].name)),
                        HelpFor(&command));
    }
    if (!endless && result_.arguments.size() > command.arguments.size()) {
      const std::string hint = command.rest.empty() ? "" : "; a program and its arguments go behind '--'";
      return UsageError("UNEXPECTED_ARGUMENT",
                        absl::StrCat("unexpected argument '", result_.arguments[command.arguments.size()], "'", hint),
                        HelpFor(&command));
    }
    for (std::size_t i = 0; i < result_.arguments.size(); ++i) {
      const Argument& argument = command.arguments[std::min(i, command.arguments.size() - 1)];
      if (const std::string fault = Fault(argument.kind, argument.choices, result_.arguments[i]); !fault.empty()) {
        return UsageError("BAD_VALUE", absl::StrCat(ToAbsl(argument.name), ": ", fault), HelpFor(&command));
      }
    }
    return absl::OkStatus();
  }

  const Tree& tree_;
  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  Invocation result_;
};

}  // namespace

std::string Invocation::Get(std::string_view flag, std::string_view otherwise) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::string(otherwise) : found->second.back();
}

std::vector<std::string> Invocation::All(std::string_view flag) const {
  const auto found = flags.find(flag);
  return found == flags.end() ? std::vector<std::string>() : found->second;
}

std::optional<absl::Duration> Invocation::Span(std::string_view flag) const {
  if (!Has(flag)) return std::nullopt;
  const absl::StatusOr<absl::Duration> span = ParseSpan(Get(flag));
  return span.ok() ? std::optional(*span) : std::nullopt;
}

std::optional<long> Invocation::Number(std::string_view flag) const {
  int number = 0;
  if (!Has(flag) || !absl::SimpleAtoi(Get(flag), &number)) return std::nullopt;
  return number;
}

absl::StatusOr<Invocation> ParseCommandLine(const Tree& tree, const std::vector<std::string>& words) {
  return Parser(tree, words).Run();
}

}  // namespace switchyard::yard
