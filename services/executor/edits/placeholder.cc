#include "services/executor/edits/placeholder.h"

#include <algorithm>
#include <initializer_list>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/strings.h"
#include "services/executor/edits/path_line.h"

namespace switchyard::executor::edits {
namespace {

// A line longer than this is code.
constexpr std::size_t kLongest = 160;
constexpr std::size_t kLongestPhrase = 60;

// What says that a line is about other lines, and what those are.
constexpr std::string_view kSaid[] = {"existing", "rest",     "unchanged", "remain", "same as",  "previous", "other",
                                      "omitted",  "original", "as before", "keep",   "continue", "similar",  "your"};
constexpr std::string_view kThings[] = {"code",    "file",    "function", "method", "class",     "import",
                                        "content", "line",    "before",   "above",  "implement", "logic",
                                        "test",    "field",   "propert",  "member", "route",     "definition",
                                        "setting", "entries", "here",     "body",   "unchanged", "stay"};
// These need no dots, within a comment.
constexpr std::string_view kPhrases[] = {"existing code here",
                                         "existing code unchanged",
                                         "existing code remains",
                                         "rest of the code",
                                         "rest of code",
                                         "rest of the file",
                                         "rest of file",
                                         "rest of the function",
                                         "rest of the method",
                                         "rest of the class",
                                         "rest of the implementation",
                                         "rest of your code",
                                         "rest unchanged",
                                         "rest remains",
                                         "rest of the content",
                                         "code remains unchanged",
                                         "code remains the same",
                                         "remains unchanged",
                                         "omitted for brevity",
                                         "unchanged code",
                                         "code unchanged",
                                         "keep existing code",
                                         "keep the rest",
                                         "keep the existing",
                                         "previous code here",
                                         "same as before",
                                         "no changes here"};

bool DropComment(std::string_view& text) {
  for (const std::string_view sign : {"<!--", "{/*", "/**", "/*", "///", "//", "--", "#", "*", ";", "%"}) {
    if (text.substr(0, sign.size()) == sign) {
      text = TrimBlanks(text.substr(sign.size()));
      for (const std::string_view end : {"-->", "*/}", "*/"}) {
        if (text.size() >= end.size() && text.substr(text.size() - end.size()) == end) {
          text = TrimBlanks(text.substr(0, text.size() - end.size()));
          break;
        }
      }
      return true;
    }
  }
  return false;
}

bool IsDot(std::string_view text) { return text.substr(0, 3) == "..." || text.substr(0, 3) == "\xE2\x80\xA6"; }

bool OnlyDots(std::string_view text) {
  if (text == "\xE2\x80\xA6") return true;
  return text.size() >= 3 && text.find_first_not_of('.') == std::string_view::npos;
}

bool StartsWithAny(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [text](std::string_view word) { return text.substr(0, word.size()) == word; });
}

bool EndsWithAny(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::any_of(words.begin(), words.end(),
                     [text](std::string_view word) { return absl::EndsWith(ToAbsl(text), ToAbsl(word)); });
}

// At the beginning or at the end, a bracket aside.
template <std::size_t size>
bool HoldsAtBorder(std::string_view text, const std::string_view (&words)[size]) {
  while (!text.empty() && (text.back() == ')' || text.back() == ']' || text.back() == '.')) text.remove_suffix(1);
  return std::any_of(std::begin(words), std::end(words), [text](std::string_view word) {
    return text.substr(0, word.size()) == word || absl::EndsWith(ToAbsl(text), ToAbsl(word));
  });
}

template <std::size_t size>
bool Holds(std::string_view text, const std::string_view (&words)[size]) {
  return std::any_of(std::begin(words), std::end(words),
                     [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

}  // namespace

bool IsDots(std::string_view line) {
  if (line.size() > kLongest) return false;
  std::string_view text = TrimBlanks(line);
  if (OnlyDots(text)) return true;
  return DropComment(text) && OnlyDots(text);
}

bool IsPlaceholder(std::string_view line, PlaceholderIn where) {
  if (line.size() > kLongest) return false;
  std::string_view text = TrimBlanks(line);
  if (text.size() < 5) return false;
  const bool comment = DropComment(text);
  while (!text.empty() && (text.front() == '(' || text.front() == '[')) text = TrimBlanks(text.substr(1));
  const bool dots_first = IsDot(text);
  if (!dots_first && (!comment || where == PlaceholderIn::kProse)) return false;
  const std::string lower = absl::AsciiStrToLower(ToAbsl(text));
  const bool dots_last = EndsWithAny(lower, {"...", "\xE2\x80\xA6", "...)", "...]"});
  if (!dots_first) {
    // A comment may end in dots, or speak of the rest of a file, and mean what it says.
    if (lower.size() <= kLongestPhrase && HoldsAtBorder(lower, kPhrases)) return true;
    return dots_last && StartsWithAny(lower, {"existing ", "rest of ", "remaining ", "previous code", "unchanged"}) &&
           Holds(lower, kThings);
  }
  // "..." before code of its own, as in `...rest of args`, is none.
  if (!comment && !dots_last && !StartsWithAny(lower, {"... ", "\xE2\x80\xA6 "}) && where == PlaceholderIn::kCode) {
    return false;
  }
  return Holds(lower, kSaid) && Holds(lower, kThings);
}

PlaceholderIn PlaceholdersOf(std::string_view path) {
  for (const std::string_view ending : {".md", ".markdown", ".mdx", ".rst", ".txt", ".adoc", ".tex", ".html"}) {
    if (absl::EndsWithIgnoreCase(ToAbsl(path), ToAbsl(ending))) return PlaceholderIn::kProse;
  }
  return PlaceholderIn::kCode;
}

bool DotsAreText(std::string_view path, std::string_view line) {
  if (PlaceholdersOf(path) == PlaceholderIn::kProse) return true;
  if (absl::EndsWithIgnoreCase(ToAbsl(path), ".pyi")) return true;
  // The end of a document.
  for (const std::string_view ending : {".yaml", ".yml"}) {
    if (absl::EndsWithIgnoreCase(ToAbsl(path), ToAbsl(ending))) return !line.empty() && line.front() == '.';
  }
  // The body of a function, never the module's.
  if (absl::EndsWithIgnoreCase(ToAbsl(path), ".py")) {
    return TrimBlanks(line) == "..." && !line.empty() && (line.front() == ' ' || line.front() == '\t');
  }
  return false;
}

}  // namespace switchyard::executor::edits
