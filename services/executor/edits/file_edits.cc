#include "services/executor/edits/file_edits.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "services/executor/edits/nearest.h"
#include "services/executor/edits/placeholder.h"

namespace switchyard::executor::edits {
namespace {

// Letters and digits that lines must have for their being there to mean something.
constexpr std::size_t kTelling = 12;
constexpr std::size_t kTellingLine = 4;
// Of an answer, that the file holds already.
constexpr std::size_t kMostKnownPlaceholders = 32;
constexpr std::size_t kFragmentLines = 40;
constexpr std::size_t kFragmentShare = 4;

std::size_t LettersIn(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           static_cast<unsigned char>(c) >= 0x80;
  }));
}

// Lines that mean something and that the other text lacks, blanks around them aside.
std::vector<std::string_view> TellingBeyond(const LineTable& lines, const LineTable& other) {
  absl::flat_hash_set<absl::string_view> known;
  for (std::size_t at = 0; at < other.size(); ++at) known.insert(ToAbsl(other.Reduced(at, Likeness::kStripped)));
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    const std::string_view line = lines.Reduced(at, Likeness::kStripped);
    if (LettersIn(line) >= kTellingLine && !known.contains(ToAbsl(line))) out.push_back(line);
  }
  return out;
}

bool IsBinary(std::string_view text) { return text.find('\0') != std::string_view::npos; }

std::size_t CountLines(std::string_view text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::size_t CountElisions(const LineTable& lines) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < lines.size(); ++at) count += IsElision(lines.Line(at)) ? 1 : 0;
  return count;
}

void Refuse(BlockVerdict& verdict, BlockStatus status, std::string message) {
  verdict.status = status;
  verdict.message = std::move(message);
}

void RefuseAll(const std::vector<BlockVerdict*>& verdicts, std::string_view message) {
  for (BlockVerdict* const verdict : verdicts) Refuse(*verdict, BlockStatus::kConflict, std::string(message));
}

std::vector<int> LineNumbers(const std::vector<std::size_t>& places) {
  std::vector<int> out;
  for (const std::size_t place : places) out.push_back(static_cast<int>(place) + 1);
  return out;
}

}  // namespace

std::string EntryFault(EntryKind kind, const EditLimits& limits) {
  switch (kind) {
    case EntryKind::kMissing:
    case EntryKind::kFile:
      return "";
    case EntryKind::kFolder:
      return "this is a folder, not a file";
    case EntryKind::kLink:
      return "this is, or lies behind, a symbolic link, which edits never follow; name the file itself";
    case EntryKind::kUnderFile:
      return "a part of the path is a file, not a folder";
    case EntryKind::kSpecial:
      return "this is no regular file";
    case EntryKind::kTooLarge:
      return absl::StrCat("the file is larger than edits may touch (", limits.file_bytes, " bytes)");
  }
  return "";
}

FileEdits::FileEdits(std::string_view path, const Entry& entry, const ResolveOptions& options, Room& room)
    : path_(path), entry_(entry), options_(options), room_(room), table_(entry.content) {}

FileEdits::Result FileEdits::Resolve(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts,
                                     bool renamed) {
  Result result;
  if (!CheckKinds(edits, verdicts, renamed)) return result;
  const auto is = [&](std::size_t i, EditKind kind) { return edits[i]->kind == kind; };
  bool removed = false;
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (!is(i, EditKind::kDelete)) continue;
    if (!there() || removed) verdicts[i]->status = there() ? BlockStatus::kNoChange : BlockStatus::kAlreadyApplied;
    removed = true;
  }
  for (std::size_t i = 0; i < edits.size(); ++i) {
    if (is(i, EditKind::kWhole)) return ResolveWhole(*edits[i], *verdicts[i], removed);
  }
  if (removed) {
    result.removed = true;
    return result;
  }
  if (!there() || (entry_.content.empty() && edits.front()->search.empty())) {
    for (std::size_t i = 0; i < edits.size(); ++i) {
      if (!edits[i]->search.empty()) {
        Refuse(*verdicts[i], BlockStatus::kNotFound, "there is no such file; to make it, leave the SEARCH part empty");
      } else if (i > 0) {
        Refuse(*verdicts[i], BlockStatus::kConflict, "another block makes this file; put all of it into one");
      }
    }
    return edits.front()->search.empty() ? Make(*edits.front(), *verdicts.front()) : result;
  }
  if (IsBinary(entry_.content)) {
    for (BlockVerdict* const verdict : verdicts) Refuse(*verdict, BlockStatus::kRefused, "this is a binary file");
    return result;
  }
  if (table_.size() > options_.limits.file_lines) {
    for (BlockVerdict* const verdict : verdicts) {
      Refuse(*verdict, BlockStatus::kRefused,
             absl::StrCat("the file has more than ", options_.limits.file_lines, " lines"));
    }
    return result;
  }
  for (std::size_t i = 0; i < edits.size(); ++i) Place(*edits[i], i, edits, *verdicts[i]);
  CheckOverlaps(edits, verdicts);
  std::vector<Splice> splices;
  FinalNewline newline = FinalNewline::kKeep;
  for (Placed& placed : placed_) {
    if (placed.pieces.back().end == table_.size() && edits[placed.edit]->final_newline != FinalNewline::kKeep) {
      newline = edits[placed.edit]->final_newline;
    }
    std::move(placed.splices.begin(), placed.splices.end(), std::back_inserter(splices));
  }
  if (std::all_of(verdicts.begin(), verdicts.end(), [](const BlockVerdict* v) { return Harmless(v->status); })) {
    result.content = Compose(table_, std::move(splices), newline);
    if (result.content.size() > options_.limits.file_bytes) {
      Refuse(*verdicts.back(), BlockStatus::kRefused,
             absl::StrCat("the file would be larger than ", options_.limits.file_bytes, " bytes"));
    }
  }
  return result;
}

bool FileEdits::CheckKinds(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts,
                           bool renamed) const {
  std::size_t wholes = 0, removals = 0, parts = 0;
  for (const Edit* const edit : edits) {
    ++(edit->kind == EditKind::kWhole ? wholes : edit->kind == EditKind::kDelete ? removals : parts);
  }
  std::string_view fault;
  if (wholes > 1) {
    fault = "the whole file is given more than once";
  } else if (wholes > 0 && parts > 0) {
    fault = "the whole file is given, and parts of it too: give only one of them";
  } else if (removals > 0 && parts > 0) {
    fault = "the file is deleted, and changed too";
  } else if (removals > 0 && renamed) {
    fault = "the file is deleted, and renamed too";
  }
  if (!fault.empty()) RefuseAll(verdicts, fault);
  return fault.empty();
}

std::string FileEdits::ContentFault(std::string_view text, std::string_view search) const {
  if (IsBinary(text)) return "it holds a NUL: binary files cannot be written";
  const PlaceholderIn where = PlaceholdersOf(path_);
  const LineTable lines(text);
  absl::flat_hash_set<absl::string_view> seen;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    const std::string_view line = lines.Line(at);
    const bool dots = IsDots(line) && !DotsAreText(path_, line);
    if (!dots && !IsPlaceholder(line, where)) continue;
    const std::string_view stripped = lines.Reduced(at, Likeness::kStripped);
    const auto holds = [stripped](const LineTable& table) {
      for (std::size_t i = 0; i < table.size(); ++i) {
        if (table.Reduced(i, Likeness::kStripped) == stripped) return true;
      }
      return false;
    };
    if (seen.size() < kMostKnownPlaceholders) {
      if (!seen.insert(ToAbsl(stripped)).second || holds(LineTable(search)) || holds(table_)) continue;
    } else if (seen.contains(ToAbsl(stripped))) {
      continue;
    }
    return absl::StrCat("\"", ToAbsl(stripped), "\" stands for code that was left out: write that code in full");
  }
  return "";
}

FileEdits::Result FileEdits::ResolveWhole(const Edit& edit, BlockVerdict& verdict, bool rewrite) const {
  Result result{.content = edit.replace, .executable = edit.executable};
  if (std::string fault = ContentFault(edit.replace, ""); !fault.empty()) {
    Refuse(verdict, IsBinary(edit.replace) ? BlockStatus::kRefused : BlockStatus::kPlaceholder, std::move(fault));
    return result;
  }
  if (edit.replace.size() > options_.limits.file_bytes) {
    Refuse(verdict, BlockStatus::kRefused,
           absl::StrCat("the file would be larger than ", options_.limits.file_bytes, " bytes"));
    return result;
  }
  if (!there()) return result;
  if (IsBinary(entry_.content)) {
    Refuse(verdict, BlockStatus::kRefused, "this is a binary file");
    return result;
  }
  if (!entry_.content.empty()) result.content = AdaptWhole(table_, edit.replace);
  if (result.content == entry_.content) {
    verdict.status = BlockStatus::kAlreadyApplied;
    return result;
  }
  if (!options_.whole_over_existing && !entry_.content.empty() && !rewrite) {
    Refuse(verdict, BlockStatus::kRefused, "the file is there already: change it with SEARCH/REPLACE blocks");
    return result;
  }
  const std::size_t before = CountLines(entry_.content);
  const std::size_t after = CountLines(edit.replace);
  if (options_.refuse_fragments && !rewrite && before >= kFragmentLines && after < before / kFragmentShare) {
    Refuse(verdict, BlockStatus::kRefused,
           absl::StrCat("this has ", after, " lines, and the file has ", before,
                        ": it looks like a part of it. Write the whole file, or SEARCH/REPLACE blocks; if really no "
                        "more is to be left, write "
                        "`DELETE FILE: ",
                        ToAbsl(path_), "` in the same answer too"));
  }
  return result;
}

FileEdits::Result FileEdits::Make(const Edit& edit, BlockVerdict& verdict) const {
  Result result{.content = edit.replace, .executable = edit.executable};
  if (std::string fault = ContentFault(edit.replace, ""); !fault.empty()) {
    Refuse(verdict, IsBinary(edit.replace) ? BlockStatus::kRefused : BlockStatus::kPlaceholder, std::move(fault));
  } else if (edit.replace.size() > options_.limits.file_bytes) {
    Refuse(verdict, BlockStatus::kRefused,
           absl::StrCat("the file would be larger than ", options_.limits.file_bytes, " bytes"));
  } else if (there() && edit.replace.empty()) {
    verdict.status = BlockStatus::kAlreadyApplied;
  }
  return result;
}

void FileEdits::Place(const Edit& edit, std::size_t index, const std::vector<const Edit*>& edits,
                      BlockVerdict& verdict) {
  if (edit.search.empty()) {
    if (edit.replace == entry_.content ||
        (AdaptWhole(table_, edit.replace) == entry_.content && !edit.replace.empty())) {
      verdict.status = BlockStatus::kAlreadyApplied;
    } else {
      Refuse(verdict, BlockStatus::kConflict,
             "the file is there already, and not empty: quote in SEARCH the lines that are to change");
    }
    return;
  }
  if (edit.search == edit.replace && edit.final_newline == FinalNewline::kKeep) {
    verdict.status = BlockStatus::kNoChange;
    return;
  }
  const LineTable search(edit.search);
  const LineTable replace(edit.replace);
  const Located located = Locate(table_, search, replace, room_.looks);
  if (located.hit != Hit::kOne) return Explain(located, edit, search, replace, edits, verdict);
  if (located.rung != Rung::kElision) {
    if (std::string fault = ContentFault(edit.replace, edit.search); !fault.empty()) {
      return Refuse(verdict, IsBinary(edit.replace) ? BlockStatus::kRefused : BlockStatus::kPlaceholder,
                    std::move(fault));
    }
  } else if (IsBinary(edit.replace)) {
    return Refuse(verdict, BlockStatus::kRefused, "it holds a NUL: binary files cannot be written");
  }
  Placed placed{.edit = index, .pieces = located.pieces};
  for (const Piece& piece : located.pieces) {
    verdict.lines.push_back(static_cast<int>(piece.begin) + 1);
    if (!MakeSplices(table_, search, replace, piece, located.rung, placed.splices, room_.looks)) {
      Refuse(verdict, BlockStatus::kNotFound,
             "the SEARCH lines are indented more than the file's, and the REPLACE lines cannot be moved alike: copy "
             "the indentation "
             "from the file");
      verdict.nearest = NumberedLines(table_, piece.begin, std::min(piece.end, piece.begin + 14));
      return;
    }
  }
  verdict.lines.resize(std::min<std::size_t>(verdict.lines.size(), 5));
  verdict.rung = located.rung;
  if (Inserted(located, search, replace)) {
    verdict.status = BlockStatus::kAlreadyApplied;
    return;
  }
  placed_.push_back(std::move(placed));
}

bool FileEdits::Inserted(const Located& located, const LineTable& search, const LineTable& replace) {
  if (located.pieces.size() != 1 || replace.size() <= search.size()) return false;
  // Only lines were added: the search is what remains of the replacement without them.
  std::size_t kept = 0;
  bool telling = false;
  for (std::size_t at = 0; at < replace.size(); ++at) {
    if (kept < search.size() && replace.Line(at) == search.Line(kept)) {
      ++kept;
    } else if (LettersIn(replace.Line(at)) >= kTellingLine) {
      telling = true;
    }
  }
  if (kept < search.size() || !telling) return false;
  const Piece& piece = located.pieces.front();
  if (located.rung == Rung::kBlankLines) {
    const Located there = LocateRun(table_, replace, 0, replace.size(), room_.looks);
    return there.hit == Hit::kOne && there.pieces.front().begin <= piece.begin && piece.end <= there.pieces.front().end;
  }
  // The file's lines around the hit, with the search at each place in the replacement where it may stand.
  const std::size_t lines = piece.replace_end - piece.replace_begin;
  const std::size_t more = lines - std::min(lines, piece.end - piece.begin);
  for (std::size_t before = 0; before <= std::min(more, piece.begin); ++before) {
    const std::size_t begin = piece.begin - before;
    if (begin + lines > table_.size()) continue;
    std::size_t same = 0;
    while (same < lines && room_.looks.Take(1) &&
           SameShifted(table_, begin + same, replace, piece.replace_begin + same, piece.shift)) {
      ++same;
    }
    if (same == lines) return true;
  }
  return false;
}

bool FileEdits::AlreadyThere(const Edit& edit, const LineTable& search, const LineTable& replace) {
  if (LettersIn(edit.replace) < kTelling || edit.final_newline != FinalNewline::kKeep) return false;
  for (std::size_t at = 0; at < replace.size(); ++at) {
    if (IsElision(replace.Line(at))) return false;
  }
  // What is only taken away leaves no trace: that the rest stands there does not say that it was done.
  if (TellingBeyond(replace, search).empty()) return false;
  for (const std::string_view gone : TellingBeyond(search, replace)) {
    if (!table_.MayHold(Likeness::kStripped, HashLine(gone))) continue;
    if (!room_.looks.Take(table_.size())) return false;
    for (std::size_t at = 0; at < table_.size(); ++at) {
      if (table_.Reduced(at, Likeness::kStripped) == gone) return false;
    }
  }
  return LocateRun(table_, replace, 0, replace.size(), room_.looks).hit == Hit::kOne;
}

void FileEdits::Explain(const Located& located, const Edit& edit, const LineTable& search, const LineTable& replace,
                        const std::vector<const Edit*>& edits, BlockVerdict& verdict) {
  const std::string piece = located.piece > 0
                                ? absl::StrCat("part ", located.piece, " of the SEARCH lines, between \"...\" lines, ")
                                : "the SEARCH lines ";
  if (located.hit == Hit::kTooCostly) {
    return Refuse(verdict, BlockStatus::kRefused,
                  "looking for these lines takes too long: quote fewer of them, and less common ones");
  }
  if (located.hit == Hit::kSeveral) {
    verdict.lines = LineNumbers(located.places);
    const std::string more = located.places.size() == 5 ? " and perhaps more" : "";
    return Refuse(verdict, BlockStatus::kNotUnique,
                  absl::StrCat(piece, "stand in the file more than once, at lines ", absl::StrJoin(verdict.lines, ", "),
                               more, ": add lines of context, until they are unique"));
  }
  if (located.piece == 0 && AlreadyThere(edit, search, replace)) {
    verdict.status = BlockStatus::kAlreadyApplied;
    return;
  }
  std::string message = absl::StrCat(piece, "are not in the file");
  if (located.piece > 0) {
    message = absl::StrCat(piece,
                           "cannot be placed: each part must be in the file once, in this order, and must come back in "
                           "REPLACE with the same "
                           "\"...\" lines");
  } else if (located.indented_otherwise != kNowhere) {
    message =
        "the SEARCH lines are in the file, but indented otherwise, and not all by the same: copy the indentation from "
        "the file";
    verdict.nearest = NumberedLines(table_, located.indented_otherwise,
                                    located.indented_otherwise + std::min<std::size_t>(search.size(), 14));
  } else if (CountElisions(search) > 0 && CountElisions(search) != CountElisions(replace)) {
    absl::StrAppend(&message, "; each \"...\" line of SEARCH must come back in REPLACE");
  } else if (room_.hints-- > 0) {
    for (const Edit* const other : edits) {
      if (other->number >= edit.number || other->kind != EditKind::kReplace) continue;
      const LineTable written(other->replace);
      if (LocateRun(written, search, 0, search.size(), room_.looks).hit == Hit::kOne) {
        absl::StrAppend(&message, "; they are in what block ", other->number,
                        " writes, but all blocks are matched against the file as it is now: join the two");
        break;
      }
    }
  }
  if (verdict.nearest.empty()) verdict.nearest = NearestLines(table_, search, room_.suggestion_bytes);
  Refuse(verdict, BlockStatus::kNotFound, std::move(message));
}

void FileEdits::CheckOverlaps(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts) {
  // Of two that quote the same lines around what they change, neither may change what the other quotes.
  const auto disturbs = [](const Splice& splice, const Placed& other) {
    const bool quoted = std::any_of(other.pieces.begin(), other.pieces.end(), [&](const Piece& piece) {
      if (splice.begin == splice.end) return piece.begin < splice.begin && splice.begin < piece.end;
      return splice.begin < piece.end && piece.begin < splice.end;
    });
    return quoted || std::any_of(other.splices.begin(), other.splices.end(), [&](const Splice& theirs) {
             return splice.begin == splice.end && theirs.begin == theirs.end && splice.begin == theirs.begin;
           });
  };
  for (std::size_t later = 1; later < placed_.size(); ++later) {
    for (std::size_t earlier = 0; earlier < later; ++earlier) {
      const Placed& a = placed_[earlier];
      const Placed& b = placed_[later];
      const std::size_t cost = a.pieces.size() * b.splices.size() + b.pieces.size() * a.splices.size();
      BlockVerdict& verdict = *verdicts[b.edit];
      if (!room_.looks.Take(cost)) {
        Refuse(verdict, BlockStatus::kRefused, "there are too many changes at once");
      } else if (std::any_of(a.splices.begin(), a.splices.end(),
                             [&](const Splice& splice) { return disturbs(splice, b); }) ||
                 std::any_of(b.splices.begin(), b.splices.end(),
                             [&](const Splice& splice) { return disturbs(splice, a); })) {
        Refuse(verdict, BlockStatus::kOverlap,
               absl::StrCat("it changes the same lines as block ", edits[a.edit]->number,
                            ": join the two blocks into one"));
        break;
      }
    }
  }
}

}  // namespace switchyard::executor::edits
