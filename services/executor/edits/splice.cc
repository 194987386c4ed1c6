#include "services/executor/edits/splice.h"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace switchyard::executor::edits {
namespace {

// Cells of the table that finds the lines which stay.
constexpr std::size_t kMostCells = 250'000;

using Kept = std::vector<std::pair<std::size_t, std::size_t>>;

// Appends the longest common subsequence of search [sb, se) and replace [rb, re).
void AppendCommon(const LineTable& search, std::size_t sb, std::size_t se, const LineTable& replace, std::size_t rb,
                  std::size_t re, Looks& looks, Kept& kept) {
  const std::size_t rows = se - sb;
  const std::size_t columns = re - rb;
  if (rows == 0 || columns == 0 || rows > kMostCells / columns || !looks.Take(rows * columns)) return;
  const std::size_t width = columns + 1;
  std::vector<std::uint32_t> length((rows + 1) * width, 0);
  const std::vector<std::uint32_t>& a = search.Hashes(Likeness::kText);
  const std::vector<std::uint32_t>& b = replace.Hashes(Likeness::kText);
  const auto same = [&](std::size_t i, std::size_t j) {
    return a[sb + i] == b[rb + j] && search.Line(sb + i) == replace.Line(rb + j);
  };
  for (std::size_t i = rows; i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) {
      length[i * width + j] = same(i, j) ? length[(i + 1) * width + j + 1] + 1
                                         : std::max(length[(i + 1) * width + j], length[i * width + j + 1]);
    }
  }
  for (std::size_t i = 0, j = 0; i < rows && j < columns;) {
    if (same(i, j)) {
      kept.emplace_back(sb + i++, rb + j++);
    } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
      ++i;
    } else {
      ++j;
    }
  }
}

Kept FindKept(const LineTable& file, const LineTable& search, const LineTable& replace, const Piece& piece, Rung rung,
              Looks& looks) {
  Kept kept;
  std::size_t sb = piece.search_begin, se = piece.search_end, rb = piece.replace_begin, re = piece.replace_end;
  for (; sb < se && rb < re && search.Line(sb) == replace.Line(rb); ++sb, ++rb) kept.emplace_back(sb, rb);
  std::size_t tail = 0;
  while (sb < se && rb < re && search.Line(se - 1) == replace.Line(re - 1)) --se, --re, ++tail;
  // Where the lines of the file are the search's to the byte, it makes no difference which of them are written anew.
  if (rung != Rung::kExact || file.mixed_ends()) AppendCommon(search, sb, se, replace, rb, re, looks, kept);
  for (std::size_t i = 0; i < tail; ++i) kept.emplace_back(se + i, re + i);
  return kept;
}

std::string_view EndFor(const LineTable& file, std::size_t at) {
  for (const std::size_t line : {at, at - 1}) {
    if (line < file.size() && !file.EndOf(line).empty()) return file.EndOf(line);
  }
  return file.main_end();
}

bool AppendShifted(const LineTable& replace, std::size_t at, const Shift& shift, std::string& out) {
  std::string_view line = replace.Line(at);
  if (!replace.IsBlank(at) && !shift.blanks.empty()) {
    if (shift.add) {
      out += shift.blanks;
    } else if (line.substr(0, shift.blanks.size()) == shift.blanks) {
      line.remove_prefix(shift.blanks.size());
    } else {
      return false;
    }
  }
  out.append(line);
  return true;
}

void DropEnd(std::string& text) {
  if (text.empty() || text.back() != '\n') return;
  text.pop_back();
  if (!text.empty() && text.back() == '\r') text.pop_back();
}

}  // namespace

bool MakeSplices(const LineTable& file, const LineTable& search, const LineTable& replace, const Piece& piece,
                 Rung rung, std::vector<Splice>& out, Looks& looks) {
  Kept kept = FindKept(file, search, replace, piece, rung, looks);
  kept.emplace_back(piece.search_end, piece.replace_end);
  std::size_t from = piece.search_begin;
  std::size_t replace_from = piece.replace_begin;
  // Behind the last line of the file that the piece has passed.
  std::size_t passed = piece.begin;
  for (const auto& [to, replace_to] : kept) {
    Splice splice{.begin = kNowhere, .end = passed};
    for (std::size_t i = from; i < to; ++i) {
      const std::size_t line = piece.at[i - piece.search_begin];
      if (line == kNowhere) continue;
      splice.begin = std::min(splice.begin, line);
      splice.end = line + 1;
    }
    if (splice.begin == kNowhere) splice.begin = passed;
    for (std::size_t i = replace_from; i < replace_to; ++i) {
      if (!AppendShifted(replace, i, piece.shift, splice.text)) return false;
      splice.text += EndFor(file, splice.begin);
    }
    passed = splice.end;
    if (splice.begin != splice.end || !splice.text.empty()) out.push_back(std::move(splice));
    if (to < piece.search_end) {
      const std::size_t line = piece.at[to - piece.search_begin];
      if (line != kNowhere) passed = line + 1;
    }
    from = to + 1;
    replace_from = replace_to + 1;
  }
  return true;
}

bool SameShifted(const LineTable& file, std::size_t file_line, const LineTable& replace, std::size_t line,
                 const Shift& shift) {
  const std::string_view there = file.Reduced(file_line, Likeness::kTrailingBlanks);
  const std::string_view here = replace.Reduced(line, Likeness::kTrailingBlanks);
  if (shift.blanks.empty() || here.empty()) return there == here;
  const std::string_view longer = shift.add ? there : here;
  const std::string_view shorter = shift.add ? here : there;
  return longer.size() == shorter.size() + shift.blanks.size() &&
         longer.substr(0, shift.blanks.size()) == shift.blanks && longer.substr(shift.blanks.size()) == shorter;
}

std::string Compose(const LineTable& file, std::vector<Splice> splices, FinalNewline newline) {
  std::sort(splices.begin(), splices.end(),
            [](const Splice& a, const Splice& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  std::string out(file.mark());
  std::size_t passed = 0;
  bool rewritten_end = false;
  for (const Splice& splice : splices) {
    out += file.Range(passed, splice.begin);
    const bool behind_last = splice.begin == file.size() && out.size() > file.mark().size();
    if (!splice.text.empty() && behind_last && out.back() != '\n') out += file.main_end();
    out += splice.text;
    passed = splice.end;
    rewritten_end = splice.end == file.size() && !splice.text.empty();
  }
  out += file.Range(passed, file.size());
  if (newline == FinalNewline::kRemove || (newline == FinalNewline::kKeep && rewritten_end && !file.ended()))
    DropEnd(out);
  if (newline == FinalNewline::kAdd && out.size() > file.mark().size() && out.back() != '\n') out += file.main_end();
  return out;
}

std::string AdaptWhole(const LineTable& before, std::string_view content) {
  std::string out;
  if (content.substr(0, kByteOrderMark.size()) != kByteOrderMark) out = std::string(before.mark());
  if (before.main_end() == "\r\n") {
    const LineTable lines(content);
    out += lines.mark();
    for (std::size_t at = 0; at < lines.size(); ++at) {
      out += lines.Line(at);
      if (!lines.EndOf(at).empty()) out += "\r\n";
    }
  } else {
    out += content;
  }
  if (!before.ended()) DropEnd(out);
  return out;
}

}  // namespace switchyard::executor::edits
