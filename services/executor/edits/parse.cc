#include "services/executor/edits/parse.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/edits/answer_lines.h"
#include "services/executor/edits/path_line.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kMaxFaults = 50;
// Fences within fences.
constexpr std::size_t kMaxNesting = 16;
constexpr std::string_view kNoPath = "no file is named: put its path, and nothing else, on the line before the fence";

bool IsBlank(std::string_view line) { return TrimBlanks(line).empty(); }

bool IsDiffName(std::string_view info) {
  const std::string_view word = info.substr(0, info.find_first_of(" \t"));
  return word == "diff" || word == "udiff" || word == "patch";
}

bool HasEnding(std::string_view path, std::initializer_list<std::string_view> endings) {
  return std::any_of(endings.begin(), endings.end(), [path](std::string_view ending) {
    return absl::EndsWithIgnoreCase(ToAbsl(path), ToAbsl(ending));
  });
}

// Files that hold fences themselves.
bool IsMarkdown(std::string_view path) { return HasEnding(path, {".md", ".markdown", ".mdx", ".qmd", ".rmd", ".rst"}); }

// A whole file that was closed; what looks like the next fence may be part of it.
struct ClosedWhole {
  Fence fence;
  std::string path;
  int line = 0;
};

class Parser {
 public:
  Parser(std::string_view answer, const ParseOptions& options) : options_(options), lines_(SplitLines(answer)) {}

  ParsedAnswer Parse() {
    std::size_t at = AfterThinking();
    while (at < lines_.size() && out_.faults.size() < kMaxFaults && out_.edits.size() <= options_.limits.blocks) {
      at = Step(at);
    }
    if (out_.edits.size() > options_.limits.blocks) {
      Fault(lines_.size(), "",
            absl::StrCat("there are more than ", options_.limits.blocks, " blocks; change less at once"));
    }
    if (out_.edits.empty() && out_.faults.empty() && out_.ignored_fences > 0 && unnamed_line_ > 0) {
      Fault(unnamed_line_ - 1, "", std::string(kNoPath));
    }
    if (options_.cut_off) Fault(lines_.size(), "", "the answer was cut off before its end; write less at once");
    Finish();
    return std::move(out_);
  }

 private:
  void Fault(std::size_t at, std::string path, std::string message) {
    out_.faults.push_back({.line = static_cast<int>(std::min(at, lines_.size())) + 1,
                           .path = std::move(path),
                           .message = std::move(message)});
  }

  std::size_t AfterThinking() const {
    std::size_t at = 0;
    while (at < lines_.size() && IsBlank(lines_[at])) ++at;
    if (at == lines_.size() || !absl::StartsWith(ToAbsl(TrimBlanks(lines_[at])), "<think>")) return 0;
    for (; at < lines_.size(); ++at) {
      if (absl::StrContains(ToAbsl(lines_[at]), "</think>")) return at + 1;
    }
    return 0;
  }

  // The line behind what stands at `at`.
  std::size_t Step(std::size_t at) {
    const std::string_view line = lines_[at];
    if (line.empty()) return at + 1;
    if (ReadHead(line).has_value()) return Block(at, lines_.size(), 0, PathBefore(at));
    if (const std::optional<Fence> fence = ReadFence(line); fence.has_value()) return OpenFence(at, *fence);
    if (BeginsDiff(lines_, at, lines_.size())) {
      return Diff({.begin = at, .end = lines_.size()});
    }
    if (std::optional<Edit> command = ReadCommand(line); command.has_value()) {
      Command(at, *std::move(command));
    } else if (IsTail(line)) {
      Fault(at, "", "`>>>>>>> REPLACE` without `<<<<<<< SEARCH` before it");
    }
    return at + 1;
  }

  void Add(std::size_t at, Edit edit) {
    edit.line = static_cast<int>(at) + 1;
    out_.edits.push_back(std::move(edit));
  }

  void Command(std::size_t at, Edit edit) {
    if (edit.path.empty()) {
      return Fault(at, "", "write `DELETE FILE: path` or `RENAME FILE: old path -> new path`, alone on its line");
    }
    Add(at, std::move(edit));
  }

  // Of the line before `at`, or the one before that when it is empty.
  std::size_t LineBefore(std::size_t at) const {
    if (at > 0 && !IsBlank(lines_[at - 1])) return at - 1;
    if (at > 1 && !IsBlank(lines_[at - 2])) return at - 2;
    return std::string_view::npos;
  }
  std::string PathBefore(std::size_t at) const {
    std::size_t before = LineBefore(at);
    // A fence that was taken for the end of the one before.
    if (before != std::string_view::npos && ReadFence(lines_[before]).has_value()) before = LineBefore(before);
    if (before == std::string_view::npos) return "";
    return ReadPathLine(lines_[before], PathTrust::kLoose).value_or("");
  }

  // ---- Search and replace.

  // `at`: the head. `indent`: of the fence around it.
  std::size_t Block(std::size_t at, std::size_t end, std::size_t indent, std::string path) {
    if (path.empty()) path = last_path_;
    const std::size_t signs = *ReadHead(lines_[at]);
    std::vector<std::size_t> dividers;
    std::size_t tail = at + 1;
    for (; tail < end && !IsTail(lines_[tail]); ++tail) {
      if (ReadHead(lines_[tail]).has_value()) {
        Fault(at, path, "this block has no `>>>>>>> REPLACE` before the next one begins");
        return tail;
      }
      if (ReadDivider(lines_[tail]).has_value()) dividers.push_back(tail);
    }
    if (tail == end) {
      Fault(at, path,
            dividers.empty() ? "this block ends without `=======` and `>>>>>>> REPLACE`"
                             : "this block ends without `>>>>>>> REPLACE`");
      return end;
    }
    if (dividers.size() > 1) KeepAlike(dividers, at, signs);
    if (dividers.size() != 1) {
      Fault(at, path,
            dividers.empty()
                ? "this block has no `=======` between what is searched and what replaces it"
                : "this block has several lines of `=`; write its three marks with 9 signs, as in `<<<<<<<<< SEARCH`, "
                  "so that the right one is known");
      return tail + 1;
    }
    if (path.empty()) {
      Fault(at, "", "no file is named: put its path alone on the line before the block");
      return tail + 1;
    }
    last_path_ = path;
    Edit edit{.kind = EditKind::kReplace, .format = BlockFormat::kSearchReplace};
    edit.path = std::move(path);
    edit.search = Content(at + 1, dividers[0], indent);
    edit.replace = Content(dividers[0] + 1, tail, indent);
    Add(at, std::move(edit));
    return tail + 1;
  }

  // Of several dividers those written like the head, when it is one.
  void KeepAlike(std::vector<std::size_t>& dividers, std::size_t head, std::size_t signs) const {
    const std::size_t indent = lines_[head].find('<');
    std::vector<std::size_t> alike;
    for (const std::size_t divider : dividers) {
      if (ReadDivider(lines_[divider]) == signs && lines_[divider].find('=') == indent) alike.push_back(divider);
    }
    if (alike.size() == 1) dividers = std::move(alike);
  }

  std::string Content(std::size_t begin, std::size_t end, std::size_t indent) const {
    std::string out;
    for (std::size_t at = begin; at < end; ++at) out.append(Dedent(lines_[at], indent)).append("\n");
    return out;
  }

  // ---- Fences.

  std::size_t OpenFence(std::size_t at, const Fence& fence) {
    const ClosedWhole before = std::exchange(closed_, ClosedWhole());
    const std::size_t before_line = LineBefore(at);
    const std::optional<std::string> info_path = ReadFenceInfo(fence.info);
    std::string loose = info_path.value_or("");
    std::string strict = loose;
    if (before_line != std::string_view::npos && loose.empty()) {
      loose = ReadPathLine(lines_[before_line], PathTrust::kLoose).value_or("");
      strict = ReadPathLine(lines_[before_line], PathTrust::kStrict).value_or("");
    }
    if (before.line > 0 && fence.Closes(before.fence) && (strict.empty() || IsMarkdown(before.path))) {
      Fault(static_cast<std::size_t>(before.line) - 1, before.path,
            "it cannot be told where this file ends, since a fence follows that may be part of it. Put a whole file "
            "that holds ``` "
            "between lines of ~~~~");
      return lines_.size();
    }
    const std::size_t first = NextFilled(at + 1);
    const std::size_t second = NextFilled(first + 1);
    if (IsHead(first)) return BlocksInFence(at, first, fence, std::move(loose));
    if (IsHead(second) && !ReadFence(lines_[first]).has_value()) {
      return BlocksInFence(at, second, fence, ReadPathLine(lines_[first], PathTrust::kLoose).value_or(loose));
    }
    if (first < lines_.size() && ReadCommand(lines_[first]).has_value() && strict.empty())
      return CommandsInFence(at, first, fence);
    const bool diff_file = HasEnding(strict, {".diff", ".patch"});
    const bool hunk = first < lines_.size() && absl::StartsWith(ToAbsl(TrimBlanks(lines_[first])), "@@ ");
    if (!diff_file && (IsDiffName(fence.info) || hunk || BeginsDiff(lines_, first, lines_.size()))) {
      return DiffInFence(at, fence, loose);
    }
    if (strict.empty()) return UnnamedFence(at, fence);
    return Whole(at, fence, std::move(strict), info_path.has_value() ? at : before_line);
  }

  std::size_t NextFilled(std::size_t at) const {
    while (at < lines_.size() && IsBlank(lines_[at])) ++at;
    return at;
  }
  bool IsHead(std::size_t at) const { return at < lines_.size() && ReadHead(lines_[at]).has_value(); }

  bool Closes(std::size_t at, const Fence& opening) const {
    const std::optional<Fence> fence = ReadFence(lines_[at]);
    return fence.has_value() && fence->Closes(opening);
  }

  std::size_t FindClosing(std::size_t at, const Fence& fence) const {
    for (++at; at < lines_.size(); ++at) {
      if (Closes(at, fence)) return at;
    }
    return lines_.size();
  }

  // Blocks up to where the fence closes; a fence that does not is closed by the end of the answer.
  std::size_t BlocksInFence(std::size_t at, std::size_t head, const Fence& fence, std::string path) {
    std::size_t next = Block(head, lines_.size(), fence.indent, std::move(path));
    while (next < lines_.size() && !Closes(next, fence)) {
      if (IsHead(next)) {
        const std::size_t before = LineBefore(next);
        std::string named;
        if (before != std::string_view::npos && !IsTail(lines_[before])) {
          named = ReadPathLine(lines_[before], PathTrust::kLoose).value_or("");
        }
        next = Block(next, lines_.size(), fence.indent, std::move(named));
      } else if (ReadFence(lines_[next]).has_value()) {
        // The closing fence was forgotten, and another one opens.
        return next;
      } else {
        if (IsTail(lines_[next])) Fault(next, "", "`>>>>>>> REPLACE` without `<<<<<<< SEARCH` before it");
        ++next;
      }
    }
    return next + 1;
  }

  std::size_t CommandsInFence(std::size_t at, std::size_t first, const Fence& fence) {
    const std::size_t end = FindClosing(at, fence);
    if (end == lines_.size()) return Unclosed(at, "");
    for (std::size_t line = first; line < end; ++line) {
      if (IsBlank(lines_[line])) continue;
      std::optional<Edit> command = ReadCommand(lines_[line]);
      if (command.has_value()) {
        Command(line, *std::move(command));
      } else {
        Fault(line, "", "only `DELETE FILE: path` and `RENAME FILE: old path -> new path` can stand here");
      }
    }
    return end + 1;
  }

  std::size_t DiffInFence(std::size_t at, const Fence& fence, const std::string& path) {
    const std::size_t end = FindClosing(at, fence);
    if (end == lines_.size()) return Unclosed(at, path);
    Diff({.begin = at + 1, .end = end, .indent = fence.indent, .fenced = true, .path = path});
    return end + 1;
  }

  std::size_t Diff(const DiffRange& range) {
    DiffResult result = ReadDiff(lines_, range);
    for (Edit& edit : result.edits) {
      last_path_ = edit.path;
      out_.edits.push_back(std::move(edit));
    }
    for (ParseFault& fault : result.faults) out_.faults.push_back(std::move(fault));
    return std::max(result.end, range.begin + 1);
  }

  std::size_t UnnamedFence(std::size_t at, const Fence& fence) {
    const std::size_t end = FindClosing(at, fence);
    if (end == lines_.size()) return Unclosed(at, "");
    for (std::size_t line = at + 1; line < end; ++line) {
      if (ReadHead(lines_[line]).has_value()) {
        Fault(line, "", "a block must be the first thing in its fence, behind nothing but the file's path");
        return end + 1;
      }
    }
    ++out_.ignored_fences;
    if (unnamed_line_ == 0) unnamed_line_ = at + 1;
    return end + 1;
  }

  std::size_t Unclosed(std::size_t at, std::string path) {
    Fault(at, std::move(path), "the answer ends within this fence");
    return lines_.size();
  }

  // ---- Whole files.

  std::size_t Whole(std::size_t at, const Fence& fence, std::string path, std::size_t path_line) {
    const std::size_t end = FindNestedClosing(at, fence);
    if (end == lines_.size()) return Unclosed(at, std::move(path));
    for (std::size_t line = at + 1; line < end; ++line) {
      if (ReadHead(lines_[line]).has_value() || IsTail(lines_[line])) {
        Fault(line, std::move(path), "search/replace marks within a whole file: write either the one or the other");
        return end + 1;
      }
    }
    // The last words of a paragraph may be a path by chance.
    if (path_line != at && path_line > 0 && !IsBlank(lines_[path_line - 1]) &&
        !ReadFence(lines_[path_line - 1]).has_value() && IsPlain(lines_[path_line])) {
      Fault(path_line, std::move(path),
            "leave an empty line before the path, so that it is known to be the name of the file that follows");
      return end + 1;
    }
    closed_ = {.fence = fence, .path = path, .line = static_cast<int>(at) + 1};
    Edit edit{.kind = EditKind::kWhole, .format = BlockFormat::kWholeFile};
    edit.path = std::move(path);
    edit.replace = Content(at + 1, end, fence.indent);
    Add(at, std::move(edit));
    return end + 1;
  }

  // Not decorated at all.
  bool IsPlain(std::string_view line) const {
    const std::string_view text = TrimBlanks(line);
    return !text.empty() && text.find_first_of("#*`:") == std::string_view::npos;
  }

  std::size_t FindNestedClosing(std::size_t at, const Fence& outer) const {
    std::vector<Fence> open = {outer};
    for (++at; at < lines_.size(); ++at) {
      const std::optional<Fence> fence = ReadFence(lines_[at]);
      if (!fence.has_value() || fence->sign != outer.sign || fence->indent != outer.indent) continue;
      if (fence->Closes(open.back())) {
        open.pop_back();
        if (open.empty()) return at;
      } else if (!fence->info.empty() && fence->run >= outer.run && open.size() < kMaxNesting) {
        open.push_back(*fence);
      }
    }
    return lines_.size();
  }

  void Finish() {
    std::array<int, 4> counts{};
    int number = 0;
    for (Edit& edit : out_.edits) {
      edit.number = ++number;
      if (edit.format != BlockFormat::kCommand) ++counts[static_cast<std::size_t>(edit.format)];
    }
    const auto most = std::max_element(counts.begin(), counts.end());
    if (*most > 0) out_.format = static_cast<BlockFormat>(most - counts.begin());
  }

  const ParseOptions& options_;
  const std::vector<std::string_view> lines_;
  ParsedAnswer out_;
  std::string last_path_;
  ClosedWhole closed_;
  // Of the first fence without a path, from 1.
  std::size_t unnamed_line_ = 0;
};

}  // namespace

std::string_view FormatName(BlockFormat format) {
  switch (format) {
    case BlockFormat::kSearchReplace:
      return "search_replace";
    case BlockFormat::kWholeFile:
      return "whole_file";
    case BlockFormat::kUnifiedDiff:
      return "unified_diff";
    case BlockFormat::kCommand:
      return "command";
  }
  return "";
}

ParsedAnswer ParseAnswer(std::string_view answer, const ParseOptions& options) {
  if (answer.size() > options.limits.answer_bytes) {
    ParsedAnswer out;
    out.faults.push_back(
        {.line = 1, .message = absl::StrCat("the answer is longer than ", options.limits.answer_bytes, " bytes")});
    return out;
  }
  return Parser(answer, options).Parse();
}

}  // namespace switchyard::executor::edits
