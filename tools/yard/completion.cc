#include "tools/yard/completion.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::yard {
namespace {

constexpr std::string_view kBash = R"sh(# bash completion of yard
_yard() {
  local IFS=$'\n' current="${COMP_WORDS[COMP_CWORD]}" found
  found="$(yard __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)"
  if [[ "$found" == "@files" ]]; then
    COMPREPLY=($(compgen -f -- "$current"))
  else
    COMPREPLY=($(compgen -W "$found" -- "$current"))
  fi
}
complete -o filenames -F _yard yard
)sh";

constexpr std::string_view kZsh = R"sh(#compdef yard
_yard() {
  local -a found
  found=("${(@f)$(yard __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "${found[1]}" == "@files" ]]; then
    _files
  else
    compadd -a found
  fi
}
if [[ "${funcstack[1]}" == "_yard" ]]; then
  _yard "$@"
else
  compdef _yard yard
fi
)sh";

constexpr std::string_view kFish = R"sh(# fish completion of yard
function __yard_complete
    set -l words (commandline -opc) (commandline -ct)
    set -l found (yard __complete -- $words[2..-1] 2>/dev/null)
    if test "$found[1]" = "@files"
        __fish_complete_path (commandline -ct)
    else
        printf '%s\n' $found
    end
end
complete -c yard -f -a '(__yard_complete)'
)sh";

// Where the words before the one being typed have led.
struct Position {
  const Noun* noun = nullptr;
  const Command* command = nullptr;
  // Set when the last of them awaits its value.
  const Flag* pending = nullptr;
  std::size_t arguments = 0;
  bool rest = false;
};

const Flag* Lookup(const Tree& tree, const Position& at, std::string_view word) {
  if (word.size() > 2 && word.substr(0, 2) == "--") {
    const std::string_view name = word.substr(2);
    const Flag* const flag = FindFlag(tree.global_flags, name);
    return flag != nullptr || at.command == nullptr ? flag : FindFlag(at.command->flags, name);
  }
  if (word.size() == 2 && word[0] == '-') {
    const Flag* const flag = FindFlag(tree.global_flags, word[1]);
    return flag != nullptr || at.command == nullptr ? flag : FindFlag(at.command->flags, word[1]);
  }
  return nullptr;
}

Position Walk(const Tree& tree, const std::vector<std::string>& words) {
  Position at;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string_view word = words[i];
    if (at.pending != nullptr) {
      at.pending = nullptr;
    } else if (word == "--") {
      at.rest = true;
      return at;
    } else if (word.size() > 1 && word[0] == '-') {
      const Flag* const flag = Lookup(tree, at, word);
      if (flag != nullptr && flag->kind != ValueKind::kNone && flag->bare_value.empty()) at.pending = flag;
    } else if (at.command != nullptr) {
      ++at.arguments;
    } else if (at.noun != nullptr) {
      at.command = tree.Find(absl::StrCat(ToAbsl(at.noun->name), " ", ToAbsl(word)));
    } else {
      at.noun = tree.FindNoun(word);
      if (at.noun == nullptr) at.command = tree.Find(word);
    }
  }
  return at;
}

std::vector<std::string> Values(ValueKind kind, const std::vector<std::string_view>& choices,
                                const DynamicValues& dynamic) {
  if (kind == ValueKind::kChoice) return {choices.begin(), choices.end()};
  if (kind == ValueKind::kFile) return {"@files"};
  if (kind == ValueKind::kTaskId || kind == ValueKind::kContext) return dynamic(kind);
  return {};
}

void AddFlags(const std::vector<Flag>& flags, std::vector<std::string>& found) {
  for (const Flag& flag : flags) found.push_back(absl::StrCat("--", ToAbsl(flag.name)));
}

}  // namespace

std::string CompletionScript(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh);
  return std::string(kFish);
}

std::vector<std::string> Candidates(const Tree& tree, const std::vector<std::string>& words,
                                    const DynamicValues& dynamic) {
  const std::string_view typed = words.empty() ? std::string_view() : std::string_view(words.back());
  const Position at = Walk(tree, words);
  std::vector<std::string> found;
  if (at.rest) return {"@files"};
  if (at.pending != nullptr) {
    found = Values(at.pending->kind, at.pending->choices, dynamic);
  } else if (!typed.empty() && typed[0] == '-') {
    if (at.command != nullptr) AddFlags(at.command->flags, found);
    AddFlags(tree.global_flags, found);
  } else if (at.command != nullptr) {
    const std::vector<Argument>& arguments = at.command->arguments;
    if (!arguments.empty() && (at.arguments < arguments.size() || arguments.back().repeated)) {
      const Argument& argument = arguments[std::min(at.arguments, arguments.size() - 1)];
      found = Values(argument.kind, argument.choices, dynamic);
    }
  } else if (at.noun != nullptr) {
    const std::string prefix = absl::StrCat(ToAbsl(at.noun->name), " ");
    for (const Command& command : tree.commands) {
      if (command.path.substr(0, prefix.size()) == prefix) found.emplace_back(command.path.substr(prefix.size()));
    }
  } else {
    for (const Noun& noun : tree.nouns) found.emplace_back(noun.name);
    for (const Command& command : tree.commands) {
      if (!command.hidden && command.path.find(' ') == std::string_view::npos) found.emplace_back(command.path);
    }
  }
  if (found.size() == 1 && found[0] == "@files") return found;
  std::erase_if(found, [&](const std::string& word) { return word.compare(0, typed.size(), typed) != 0; });
  return found;
}

}  // namespace switchyard::yard
