#include "services/executor/edits/answer_lines.h"

#include <algorithm>

#include "services/executor/edits/path_line.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kLeastSigns = 5;
constexpr std::size_t kMostSigns = 9;

std::size_t RunOf(std::string_view text, char sign) {
  const std::size_t end = text.find_first_not_of(sign);
  return end == std::string_view::npos ? text.size() : end;
}

bool IsMark(std::size_t run) { return run >= kLeastSigns && run <= kMostSigns; }

}  // namespace

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    std::string_view line = text.substr(from, end - from);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    from = end + 1;
  }
  return lines;
}

std::optional<Fence> ReadFence(std::string_view line) {
  const std::size_t indent = line.find_first_not_of(" \t");
  if (indent == std::string_view::npos) return std::nullopt;
  line.remove_prefix(indent);
  const char sign = line.front();
  if (sign != '`' && sign != '~') return std::nullopt;
  const std::size_t run = RunOf(line, sign);
  if (run < 3) return std::nullopt;
  const std::string_view info = TrimBlanks(line.substr(run));
  // Code within a sentence.
  if (sign == '`' && info.find('`') != std::string_view::npos) return std::nullopt;
  return Fence{.sign = sign, .run = run, .indent = indent, .info = info};
}

std::optional<std::size_t> ReadHead(std::string_view line) {
  line = TrimBlanks(line);
  const std::size_t run = RunOf(line, '<');
  if (!IsMark(run)) return std::nullopt;
  const std::string_view word = TrimBlanks(line.substr(run));
  if (word != "SEARCH" && word != "SEARCH>") return std::nullopt;
  return run;
}

std::optional<std::size_t> ReadDivider(std::string_view line) {
  line = TrimBlanks(line);
  const std::size_t run = RunOf(line, '=');
  if (!IsMark(run) || run != line.size()) return std::nullopt;
  return run;
}

bool IsTail(std::string_view line) {
  line = TrimBlanks(line);
  const std::size_t run = RunOf(line, '>');
  return IsMark(run) && TrimBlanks(line.substr(run)) == "REPLACE";
}

std::string_view Dedent(std::string_view line, std::size_t indent) {
  std::size_t blanks = 0;
  while (blanks < indent && blanks < line.size() && (line[blanks] == ' ' || line[blanks] == '\t')) ++blanks;
  return line.substr(blanks);
}

}  // namespace switchyard::executor::edits
