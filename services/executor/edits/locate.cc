#include "services/executor/edits/locate.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "services/executor/edits/placeholder.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kMostPlaces = 5;
constexpr std::string_view kIndents = " \t\r\v\f";

std::string_view IndentOf(std::string_view line) {
  const std::size_t end = line.find_first_not_of(kIndents);
  return end == std::string_view::npos ? line : line.substr(0, end);
}

// The places where a run of hashes may be, by Knuth, Morris and Pratt: linear however often lines repeat. `take` looks
// closer and says whether to go on. False when there are no looks left.
template <class Take>
bool ForEachPlace(const std::vector<std::uint32_t>& text, const std::vector<std::uint32_t>& run, Looks& looks,
                  Take take) {
  if (run.empty() || run.size() > text.size()) return true;
  if (!looks.Take(text.size() + run.size())) return false;
  std::vector<std::uint32_t> border(run.size(), 0);
  for (std::uint32_t at = 1, length = 0; at < run.size(); ++at) {
    while (length > 0 && run[at] != run[length]) length = border[length - 1];
    if (run[at] == run[length]) ++length;
    border[at] = length;
  }
  std::uint32_t length = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    while (length > 0 && text[at] != run[length]) length = border[length - 1];
    if (text[at] == run[length]) ++length;
    if (length < run.size()) continue;
    if (!take(at + 1 - run.size())) return true;
    length = border[length - 1];
  }
  return true;
}

// Collects what one rung finds.
class Hits {
 public:
  // False when there are enough.
  bool Add(Piece piece) {
    if (places_.size() < kMostPlaces) places_.push_back(piece.begin);
    if (!first_.has_value()) first_ = std::move(piece);
    return places_.size() < kMostPlaces;
  }
  bool any() const { return first_.has_value(); }

  Located Take(Rung rung) {
    Located out{.rung = rung};
    if (places_.size() == 1) {
      out.hit = Hit::kOne;
      out.pieces.push_back(*std::move(first_));
    } else {
      out.hit = Hit::kSeveral;
      out.places = std::move(places_);
    }
    return out;
  }

 private:
  std::optional<Piece> first_;
  std::vector<std::size_t> places_;
};

Located TooCostly() { return {.hit = Hit::kTooCostly}; }

class Searcher {
 public:
  Searcher(const LineTable& file, const LineTable& search, std::size_t begin, std::size_t end, Looks& looks)
      : file_(file), search_(search), begin_(begin), end_(end), looks_(looks) {}

  Located Strict() {
    for (const auto& [likeness, rung] :
         {std::pair(Likeness::kText, Rung::kExact), std::pair(Likeness::kTrailingBlanks, Rung::kTrailingBlanks)}) {
      Hits hits;
      if (!Find(likeness, hits)) return TooCostly();
      if (hits.any()) return hits.Take(rung);
      // Lines that are all blank mean nothing but themselves.
      if (AllBlank()) return {};
    }
    return {};
  }

  Located Indented() {
    if (AllBlank()) return {};
    Hits hits;
    std::size_t otherwise = kNowhere;
    bool enough = true;
    if (!MayBeThere(Likeness::kStripped)) return {};
    const bool done =
        ForEachPlace(file_.Hashes(Likeness::kStripped), Run(Likeness::kStripped), looks_, [&](std::size_t at) {
          std::optional<Shift> shift;
          bool same = false;
          enough = ReadShift(at, shift, same);
          if (!enough) return false;
          if (!same) return true;
          if (!shift.has_value()) {
            otherwise = otherwise == kNowhere ? at : otherwise;
            return true;
          }
          Piece piece = PieceAt(at);
          piece.shift = *std::move(shift);
          return hits.Add(std::move(piece));
        });
    if (!done || !enough) return TooCostly();
    if (hits.any()) return hits.Take(Rung::kIndent);
    return {.indented_otherwise = otherwise};
  }

  Located WithoutBlankLines() {
    std::vector<std::uint32_t> run;
    std::vector<std::size_t> from;
    for (std::size_t at = begin_; at < end_; ++at) {
      if (search_.IsBlank(at)) continue;
      run.push_back(HashLine(search_.Reduced(at, Likeness::kTrailingBlanks)));
      if (!file_.MayHold(Likeness::kTrailingBlanks, run.back())) return {};
      from.push_back(at);
    }
    Hits hits;
    bool enough = true;
    const std::vector<std::uint32_t>& filled = file_.Filled();
    const bool done = ForEachPlace(file_.FilledHashes(), run, looks_, [&](std::size_t at) {
      Piece piece{.search_begin = begin_, .search_end = end_};
      piece.at.assign(end_ - begin_, kNowhere);
      for (std::size_t i = 0; i < from.size(); ++i) {
        if (!(enough = looks_.Take(1))) return false;
        const std::size_t line = filled[at + i];
        if (file_.Reduced(line, Likeness::kTrailingBlanks) != search_.Reduced(from[i], Likeness::kTrailingBlanks))
          return true;
        piece.at[from[i] - begin_] = line;
      }
      piece.begin = filled[at];
      piece.end = filled[at + from.size() - 1] + 1;
      return hits.Add(std::move(piece));
    });
    if (!done || !enough) return TooCostly();
    return hits.any() ? hits.Take(Rung::kBlankLines) : Located();
  }

 private:
  bool AllBlank() const {
    for (std::size_t at = begin_; at < end_; ++at) {
      if (!search_.IsBlank(at)) return false;
    }
    return true;
  }

  std::vector<std::uint32_t> Run(Likeness likeness) const {
    const std::vector<std::uint32_t>& all = search_.Hashes(likeness);
    return {all.begin() + static_cast<std::ptrdiff_t>(begin_), all.begin() + static_cast<std::ptrdiff_t>(end_)};
  }

  Piece PieceAt(std::size_t at) const {
    Piece piece{.search_begin = begin_, .search_end = end_, .begin = at, .end = at + (end_ - begin_)};
    piece.at.resize(end_ - begin_);
    for (std::size_t i = 0; i < piece.at.size(); ++i) piece.at[i] = at + i;
    return piece;
  }

  // Whether each line alone is in the file, as far as that is soon told.
  bool MayBeThere(Likeness likeness) const {
    const std::vector<std::uint32_t>& hashes = search_.Hashes(likeness);
    for (std::size_t at = begin_; at < end_; ++at) {
      if (!file_.MayHold(likeness, hashes[at])) return false;
    }
    return true;
  }

  bool Find(Likeness likeness, Hits& hits) {
    if (!MayBeThere(likeness)) return true;
    bool enough = true;
    const bool done = ForEachPlace(file_.Hashes(likeness), Run(likeness), looks_, [&](std::size_t at) {
      for (std::size_t i = 0; i < end_ - begin_; ++i) {
        if (!(enough = looks_.Take(1))) return false;
        if (file_.Reduced(at + i, likeness) != search_.Reduced(begin_ + i, likeness)) return true;
      }
      return hits.Add(PieceAt(at));
    });
    return done && enough;
  }

  // `same`: the lines are alike but for indentation. No shift: that differs from line to line. False without looks.
  bool ReadShift(std::size_t at, std::optional<Shift>& shift, bool& same) {
    bool uniform = true;
    for (std::size_t i = 0; i < end_ - begin_; ++i) {
      if (!looks_.Take(1)) return false;
      const std::string_view there = file_.Reduced(at + i, Likeness::kTrailingBlanks);
      const std::string_view here = search_.Reduced(begin_ + i, Likeness::kTrailingBlanks);
      const std::string_view there_blanks = IndentOf(there);
      const std::string_view here_blanks = IndentOf(here);
      if (there.substr(there_blanks.size()) != here.substr(here_blanks.size())) return true;
      if (there.empty() || !uniform) continue;
      const bool add = there_blanks.size() > here_blanks.size();
      const std::string_view longer = add ? there_blanks : here_blanks;
      const std::string_view shorter = add ? here_blanks : there_blanks;
      const std::string_view more = longer.substr(0, longer.size() - shorter.size());
      if (longer.substr(more.size()) != shorter || more.empty()) {
        uniform = false;
      } else if (!shift.has_value()) {
        shift = Shift{.add = add, .blanks = std::string(more)};
      } else if (shift->add != add || shift->blanks != more) {
        uniform = false;
      }
    }
    same = true;
    if (!uniform) shift.reset();
    return true;
  }

  const LineTable& file_;
  const LineTable& search_;
  const std::size_t begin_;
  const std::size_t end_;
  Looks& looks_;
};

std::vector<std::size_t> ElisionsIn(const LineTable& lines) {
  std::vector<std::size_t> found;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    if (IsElision(lines.Line(at))) found.push_back(at);
  }
  found.push_back(lines.size());
  return found;
}

// Each piece between elisions must be unique in the file, and they must stand there in order.
Located LocatePieces(const LineTable& file, const LineTable& search, const LineTable& replace, Looks& looks) {
  const std::vector<std::size_t> cuts = ElisionsIn(search);
  const std::vector<std::size_t> replace_cuts = ElisionsIn(replace);
  if (cuts.size() == 1 || cuts.size() != replace_cuts.size()) return {};
  Located out{.rung = Rung::kElision};
  std::size_t begin = 0;
  std::size_t replace_begin = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::size_t end = cuts[i];
    const std::size_t replace_end = replace_cuts[i];
    const std::size_t from = std::exchange(begin, end + 1);
    const std::size_t replace_from = std::exchange(replace_begin, replace_end + 1);
    if (from == end && replace_from == replace_end) continue;
    Located piece;
    if (from < end) piece = LocateRun(file, search, from, end, looks);
    if (piece.hit != Hit::kOne) {
      piece.rung = Rung::kElision;
      piece.piece = i + 1;
      return piece;
    }
    Piece& found = piece.pieces.front();
    found.replace_begin = replace_from;
    found.replace_end = replace_end;
    if (!out.pieces.empty() && found.begin < out.pieces.back().end) return {.rung = Rung::kElision, .piece = i + 1};
    out.pieces.push_back(std::move(found));
  }
  out.hit = out.pieces.empty() ? Hit::kNone : Hit::kOne;
  return out;
}

void SpanReplacement(Located& located, const LineTable& replace) {
  if (located.hit == Hit::kOne && located.rung != Rung::kElision) {
    located.pieces.front().replace_begin = 0;
    located.pieces.front().replace_end = replace.size();
  }
}

// Without the blank lines at the head of the search, and as many at the head of the replacement. Where another place
// would fit with other blank lines left aside, nobody knows which one is meant.
Located LocateBehindBlankLines(const LineTable& file, const LineTable& search, const LineTable& replace, Looks& looks) {
  std::size_t blank = 0;
  while (blank < search.size() && search.IsBlank(blank)) ++blank;
  if (blank == 0 || blank == search.size()) return {};
  Located out = Searcher(file, search, blank, search.size(), looks).Strict();
  if (out.hit == Hit::kNone) return {};
  out.rung = Rung::kLeadingBlankLine;
  if (out.hit != Hit::kOne) return out;
  Located loose = Searcher(file, search, blank, search.size(), looks).WithoutBlankLines();
  if (loose.hit != Hit::kOne) return loose;
  std::size_t replace_blank = 0;
  while (replace_blank < blank && replace_blank < replace.size() && replace.IsBlank(replace_blank)) ++replace_blank;
  out.pieces.front().replace_begin = replace_blank;
  out.pieces.front().replace_end = replace.size();
  return out;
}

}  // namespace

bool IsElision(std::string_view line) { return IsDots(line) || IsPlaceholder(line, PlaceholderIn::kCode); }

Located LocateRun(const LineTable& file, const LineTable& search, std::size_t begin, std::size_t end, Looks& looks) {
  Searcher searcher(file, search, begin, end, looks);
  Located strict = searcher.Strict();
  if (strict.hit != Hit::kNone) return strict;
  return searcher.Indented();
}

Located Locate(const LineTable& file, const LineTable& search, const LineTable& replace, Looks& looks) {
  Located run = LocateRun(file, search, 0, search.size(), looks);
  if (run.hit != Hit::kNone) {
    SpanReplacement(run, replace);
    return run;
  }
  Located next = LocateBehindBlankLines(file, search, replace, looks);
  if (next.hit != Hit::kNone) return next;
  next = LocatePieces(file, search, replace, looks);
  if (next.hit != Hit::kNone || next.piece > 0) return next;
  next = Searcher(file, search, 0, search.size(), looks).WithoutBlankLines();
  if (next.hit != Hit::kNone) {
    SpanReplacement(next, replace);
    return next;
  }
  next.indented_otherwise = run.indented_otherwise;
  return next;
}

}  // namespace switchyard::executor::edits
