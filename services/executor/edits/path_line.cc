#include "services/executor/edits/path_line.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::string_view kPathBlanks = " \t\r\v\f";
constexpr std::size_t kMaxLine = 1500;

// Files without an extension that stand for themselves.
constexpr std::string_view kKnownNames[] = {
    "Makefile", "Dockerfile", "LICENSE",   "README",      "Jenkinsfile",   "Vagrantfile", "Gemfile", "Rakefile",
    "Procfile", "BUILD",      "WORKSPACE", "CODEOWNERS",  "CHANGELOG",     "NOTICE",      "AUTHORS", "Justfile",
    "makefile", "dockerfile", "justfile",  "GNUmakefile", "Containerfile", "VERSION"};

constexpr std::string_view kLabels[] = {
    "new file:", "file path:", "filepath:", "filename:", "file name:", "file:", "path:"};

bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool DropPrefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// "a.py", ".gitignore", not "2.0" nor "etc.".
bool HasExtension(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view extension = name.substr(dot + 1);
  if (extension.empty() || extension.size() > 16) return false;
  bool letter = false;
  for (const char c : extension) {
    if (!IsLetter(c) && !IsDigit(c) && c != '_' && c != '-' && c != '+') return false;
    letter = letter || IsLetter(c);
  }
  return letter;
}

bool IsWord(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return IsLetter(c) || IsDigit(c) || c == '.' || c == '_' || c == '-'; });
}

// `marked`: something around it says that it is a name.
bool LooksLikePath(std::string_view text, bool marked) {
  if (text.empty() || text.back() == '/' || text.back() == '.') return false;
  if (text.find_first_of("<>|\"`?*;{}$&!") != std::string_view::npos) return false;
  if (absl::StrContains(ToAbsl(text), "://")) return false;
  if (text.find_first_of(kPathBlanks) != std::string_view::npos && !marked) return false;
  const bool slash = text.find_first_of("/\\") != std::string_view::npos;
  if (!slash && text.find_first_of("()=,") != std::string_view::npos) return false;
  if (slash || HasExtension(text)) return true;
  if (std::find(std::begin(kKnownNames), std::end(kKnownNames), text) != std::end(kKnownNames)) return true;
  return marked && IsWord(text);
}

struct Undecorated {
  std::string_view text;
  // In backticks or behind a label: blanks may be part of it.
  bool marked = false;
};

Undecorated StripDecoration(std::string_view line) {
  Undecorated out{.text = TrimBlanks(line)};
  for (bool again = true; again;) {
    again = false;
    std::string_view& text = out.text;
    const std::size_t before = text.size();
    while (DropPrefix(text, "#")) text = TrimBlanks(text);
    for (const std::string_view bullet : {"- ", "* ", "+ ", "// ", "-- ", "; ", "> "}) {
      if (DropPrefix(text, bullet)) text = TrimBlanks(text);
    }
    std::size_t digits = 0;
    while (digits < text.size() && digits < 3 && IsDigit(text[digits])) ++digits;
    if (digits > 0 && (text.substr(digits, 2) == ". " || text.substr(digits, 2) == ") ")) {
      text = TrimBlanks(text.substr(digits + 2));
    }
    for (const std::string_view label : kLabels) {
      if (absl::StartsWithIgnoreCase(ToAbsl(text), ToAbsl(label))) {
        text = TrimBlanks(text.substr(label.size()));
        out.marked = true;
      }
    }
    for (const std::string_view pair : {"**", "__", "`", "\"", "'"}) {
      if (!DropPrefix(text, pair)) continue;
      const std::size_t end = text.find(pair);
      if (end == std::string_view::npos) return {};
      const std::string_view rest = TrimBlanks(text.substr(end + pair.size()));
      // "`a.py` (new file):" still names it; a sentence does not.
      const bool bracket = rest.size() > 2 && rest.front() == '(' &&
                           rest.substr(rest.find_last_not_of(':'), 1) == ")" && rest.find(')') >= rest.size() - 2;
      const bool aside = rest.empty() || bracket || rest == ":" || rest == "**" || rest == "**:" || rest == ":**";
      if (!aside) return {};
      text = TrimBlanks(text.substr(0, end));
      out.marked = out.marked || pair == "`" || pair == "\"" || pair == "'" || pair == "**";
    }
    while (!text.empty() && text.back() == ':') text = TrimBlanks(text.substr(0, text.size() - 1));
    again = text.size() != before;
  }
  return out;
}

// The only one between backticks that can be a path.
std::optional<std::string> OnlyQuotedPath(std::string_view line) {
  std::optional<std::string> found;
  for (std::size_t at = line.find('`'); at != std::string_view::npos;) {
    const std::size_t end = line.find('`', at + 1);
    if (end == std::string_view::npos) break;
    const std::string_view inner = line.substr(at + 1, end - at - 1);
    if (LooksLikePath(inner, false)) {
      if (found.has_value() && *found != inner) return std::nullopt;
      found = std::string(inner);
    }
    at = line.find('`', end + 1);
  }
  return found;
}

std::string_view Unquote(std::string_view text) {
  text = TrimBlanks(text);
  for (const char quote : {'`', '"', '\''}) {
    if (text.size() >= 2 && text.front() == quote && text.back() == quote) return text.substr(1, text.size() - 2);
  }
  return text;
}

}  // namespace

std::string_view TrimBlanks(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kPathBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kPathBlanks) - begin + 1);
}

std::optional<std::string> ReadPathLine(std::string_view line, PathTrust trust) {
  if (line.size() > kMaxLine) return std::nullopt;
  const Undecorated stripped = StripDecoration(line);
  if (LooksLikePath(stripped.text, stripped.marked)) return std::string(stripped.text);
  if (trust == PathTrust::kStrict) return std::nullopt;
  if (std::optional<std::string> quoted = OnlyQuotedPath(line); quoted.has_value()) return quoted;
  // A file without an extension, alone on its line.
  const std::string_view word = TrimBlanks(line);
  if (!word.empty() && word.back() != '.' && IsWord(word)) return std::string(word);
  return std::nullopt;
}

std::optional<std::string> ReadFenceInfo(std::string_view info) {
  info = TrimBlanks(info);
  if (info.empty() || info.size() > kMaxLine) return std::nullopt;
  for (const std::string_view key : {"title=", "filename=", "file=", "path="}) {
    const std::size_t at = info.find(key);
    if (at == std::string_view::npos) continue;
    std::string_view value = info.substr(at + key.size());
    if (!value.empty() && (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.find(value.front(), 1) - 1);
    } else {
      value = value.substr(0, value.find_first_of(" \t}"));
    }
    if (LooksLikePath(value, true)) return std::string(value);
  }
  const std::size_t blank = info.find_first_of(kPathBlanks);
  if (blank != std::string_view::npos) {
    const std::string_view rest = Unquote(info.substr(blank));
    if (LooksLikePath(rest, false)) return std::string(rest);
    return std::nullopt;
  }
  const std::size_t colon = info.find(':');
  if (colon != std::string_view::npos && colon > 1) {
    const std::string_view rest = info.substr(colon + 1);
    if (LooksLikePath(rest, false)) return std::string(rest);
    return std::nullopt;
  }
  // A language such as "vb.net" is no path.
  if (info.find('/') != std::string_view::npos && LooksLikePath(info, false)) return std::string(info);
  const bool language = absl::EndsWithIgnoreCase(ToAbsl(info), ".net");
  if (!language && HasExtension(info) && info.front() != '.' && LooksLikePath(info, false)) return std::string(info);
  return std::nullopt;
}

std::optional<Edit> ReadCommand(std::string_view line) {
  if (line.size() > 2 * kMaxLine) return std::nullopt;
  std::string_view text = TrimBlanks(line);
  for (const std::string_view bullet : {"- ", "* "}) {
    if (DropPrefix(text, bullet)) text = TrimBlanks(text);
  }
  while (text.size() >= 4 && text.substr(0, 2) == "**" && text.substr(0, 4) != "*** " &&
         text.substr(text.size() - 2) == "**") {
    text = TrimBlanks(text.substr(2, text.size() - 4));
  }
  if (text.size() >= 2 && text.front() == '`' && text.back() == '`' && std::count(text.begin(), text.end(), '`') == 2) {
    text = TrimBlanks(text.substr(1, text.size() - 2));
  }
  Edit edit;
  edit.format = BlockFormat::kCommand;
  if (DropPrefix(text, "DELETE FILE:") || DropPrefix(text, "*** Delete File:") ||
      DropPrefix(text, "*** DELETE FILE:")) {
    edit.kind = EditKind::kDelete;
    edit.path = std::string(Unquote(text));
    return edit;
  }
  if (DropPrefix(text, "RENAME FILE:") || DropPrefix(text, "*** Rename File:") ||
      DropPrefix(text, "*** RENAME FILE:")) {
    edit.kind = EditKind::kRename;
    for (const std::string_view arrow : {"->", "=>", "\xE2\x86\x92"}) {
      const std::size_t at = text.find(arrow);
      if (at == std::string_view::npos) continue;
      edit.path = std::string(Unquote(text.substr(0, at)));
      edit.new_path = std::string(Unquote(text.substr(at + arrow.size())));
      if (edit.path.empty() || edit.new_path.empty()) edit.path.clear();
      break;
    }
    return edit;
  }
  return std::nullopt;
}

}  // namespace switchyard::executor::edits
