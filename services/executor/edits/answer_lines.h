// An answer by lines, and the marks that stand in it. Internal to the reader of answers.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "services/executor/edits/edit.h"

namespace switchyard::executor::edits {

// Without '\n' and a '\r' before it. A text that ends in '\n' has no empty line behind it.
std::vector<std::string_view> SplitLines(std::string_view text);

struct Fence {
  char sign = '`';
  std::size_t run = 0;
  std::size_t indent = 0;
  std::string_view info;

  // Closes what `opening` opened: as long, as far in, nothing behind it.
  bool Closes(const Fence& opening) const {
    return sign == opening.sign && run >= opening.run && indent == opening.indent && info.empty();
  }
};
std::optional<Fence> ReadFence(std::string_view line);

// `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`; the number of signs.
std::optional<std::size_t> ReadHead(std::string_view line);
std::optional<std::size_t> ReadDivider(std::string_view line);
bool IsTail(std::string_view line);

// The line without up to `indent` blanks at its front, as what stands in an indented fence is meant.
std::string_view Dedent(std::string_view line, std::size_t indent);

// Where an unfenced or fenced diff begins.
bool BeginsDiff(const std::vector<std::string_view>& lines, std::size_t at, std::size_t end);

struct DiffRange {
  std::size_t begin = 0;
  std::size_t end = 0;
  // The fence's; its lines are dedented by it.
  std::size_t indent = 0;
  bool fenced = false;
  // Used when the diff names no file.
  std::string_view path;
};
struct DiffResult {
  std::vector<Edit> edits;
  std::vector<ParseFault> faults;
  // The line behind it.
  std::size_t end = 0;
};
// Reads the diff that begins at range.begin; numbers of blocks are left to the caller, lines are set.
DiffResult ReadDiff(const std::vector<std::string_view>& lines, const DiffRange& range);

}  // namespace switchyard::executor::edits
