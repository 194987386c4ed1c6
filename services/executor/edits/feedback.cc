#include "services/executor/edits/feedback.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kMostFaults = 12;
constexpr std::size_t kMostPath = 200;

std::string Clean(std::string_view text, std::size_t most) {
  return text::ReplaceInvalidUtf8(text::TruncateUtf8(text, most));
}

// "Block 2, src/a.py (line 14 of your answer)".
std::string Title(const BlockVerdict& verdict) {
  return absl::StrCat("Block ", verdict.number, ", ", Clean(verdict.path, kMostPath), " (line ", verdict.answer_line,
                      " of your answer)");
}

void AppendFaults(const Resolution& resolution, std::string& out) {
  std::size_t told = 0;
  for (const ParseFault& fault : resolution.faults) {
    if (++told > kMostFaults) break;
    absl::StrAppend(&out, "\nLine ", fault.line, " of your answer",
                    fault.path.empty() ? "" : absl::StrCat(", ", Clean(fault.path, kMostPath)), ": ", fault.message,
                    ".\n");
  }
}

std::string Block(const BlockVerdict& verdict, bool with_lines) {
  std::string out = absl::StrCat("\n", Title(verdict), ": ", verdict.message, ".\n");
  if (with_lines && !verdict.nearest.empty()) {
    absl::StrAppend(&out, "The closest lines of the file, with their numbers, which are not part of them:\n",
                    verdict.nearest);
  }
  return out;
}

// Appends as long as it fits, and says how many did not.
void AppendBlocks(const Resolution& resolution, std::size_t room, std::string& out) {
  std::vector<const BlockVerdict*> bad;
  for (const BlockVerdict& verdict : resolution.verdicts) {
    if (!Harmless(verdict.status)) bad.push_back(&verdict);
  }
  for (std::size_t at = 0; at < bad.size(); ++at) {
    std::string block = Block(*bad[at], true);
    // Each of the others has a right to a line of its own.
    const std::size_t others = std::min<std::size_t>(bad.size() - at - 1, 8) * 200;
    if (out.size() + block.size() + others > room) block = Block(*bad[at], false);
    if (out.size() + block.size() > room) {
      absl::StrAppend(&out, "\n", bad.size() - at, " more blocks failed.\n");
      return;
    }
    out += block;
  }
}

std::string Good(const Resolution& resolution) {
  std::vector<int> good;
  for (const BlockVerdict& verdict : resolution.verdicts) {
    if (verdict.status == BlockStatus::kApplies) good.push_back(verdict.number);
  }
  if (good.empty()) return "";
  if (good.size() > 40) return absl::StrCat("\nThe other ", good.size(), " blocks are good.\n");
  return absl::StrCat("\nGood as they are: block", good.size() == 1 ? " " : "s ", absl::StrJoin(good, ", "), ".\n");
}

std::string Bounded(std::string text, std::size_t most) {
  if (text.size() <= most) return text;
  constexpr std::string_view kCut = "\n[...]\n";
  if (most <= kCut.size()) return std::string(text::TruncateUtf8(text, most));
  return absl::StrCat(ToAbsl(text::TruncateUtf8(text, most - kCut.size())), ToAbsl(kCut));
}

std::string_view StatusName(BlockStatus status) {
  switch (status) {
    case BlockStatus::kApplies:
      return "applies";
    case BlockStatus::kAlreadyApplied:
      return "already_applied";
    case BlockStatus::kNoChange:
      return "no_change";
    case BlockStatus::kNotFound:
      return "not_found";
    case BlockStatus::kNotUnique:
      return "not_unique";
    case BlockStatus::kOverlap:
      return "overlap";
    case BlockStatus::kPlaceholder:
      return "placeholder";
    case BlockStatus::kBadPath:
      return "bad_path";
    case BlockStatus::kConflict:
      return "conflict";
    case BlockStatus::kRefused:
      return "refused";
  }
  return "";
}

std::string_view RungWords(Rung rung) {
  switch (rung) {
    case Rung::kExact:
      return "";
    case Rung::kTrailingBlanks:
      return "but for trailing blanks";
    case Rung::kIndent:
      return "re-indented";
    case Rung::kLeadingBlankLine:
      return "without a blank line before";
    case Rung::kElision:
      return "in parts";
    case Rung::kBlankLines:
      return "but for blank lines";
  }
  return "";
}

std::string Plural(std::size_t count, std::string_view word) {
  return absl::StrCat(count, " ", ToAbsl(word), count == 1 ? "" : "s");
}

}  // namespace

std::string FeedbackText(const Resolution& resolution, const FeedbackOptions& options) {
  const int refused = resolution.refused();
  if (refused == 0) {
    if (!resolution.plan.empty()) return "";
    if (resolution.verdicts.empty()) return NoEditsText(ParsedAnswer());
    return Bounded(
        "Your edits change nothing: the files are already as they would make them. If the work is not done, something "
        "else is "
        "to be changed; do not send the same edits again.\n",
        options.max_bytes);
  }
  std::string out =
      absl::StrCat("Your edits were NOT applied: ", refused, " of ",
                   Plural(resolution.verdicts.size() + resolution.faults.size(), "block"),
                   " cannot be. Blocks are applied all together or not at all, so every file is as before.\n");
  AppendFaults(resolution, out);
  const std::string good = resolution.faults.empty() ? Good(resolution) : "";
  constexpr std::string_view kEnd =
      "\nSend all blocks again, the failed ones corrected: nothing of this answer is kept.\n";
  const std::size_t kept = good.size() + kEnd.size() + 40;
  AppendBlocks(resolution, options.max_bytes > kept ? options.max_bytes - kept : 0, out);
  const std::size_t most = options.max_bytes > kept ? options.max_bytes - good.size() - kEnd.size() : options.max_bytes;
  out = Bounded(std::move(out), most);
  return Bounded(absl::StrCat(out, good, ToAbsl(kEnd)), options.max_bytes);
}

std::string NoEditsText(const ParsedAnswer& answer) {
  std::string out = "Your answer holds no edits, so no file was changed.";
  if (answer.ignored_fences > 0) {
    absl::StrAppend(&out, " It has ", Plural(static_cast<std::size_t>(answer.ignored_fences), "fenced block"),
                    " that names no file: put the file's path alone on the line before the fence.");
  }
  return out + " Write the changes in the format that was described.\n";
}

std::string SummaryLine(const Resolution& resolution) {
  const std::size_t blocks = resolution.verdicts.size();
  if (const int refused = resolution.refused(); refused > 0) {
    return absl::StrCat("refused: ", refused, " of ", Plural(blocks + resolution.faults.size(), "block"));
  }
  std::map<std::string, int> loose;
  int already = 0;
  for (const BlockVerdict& verdict : resolution.verdicts) {
    if (verdict.status != BlockStatus::kApplies) {
      ++already;
    } else if (const std::string_view words = RungWords(verdict.rung); !words.empty()) {
      ++loose[std::string(words)];
    }
  }
  std::vector<std::string> notes;
  for (const auto& [words, count] : loose) notes.push_back(absl::StrCat(count, " ", words));
  if (already > 0) notes.push_back(absl::StrCat(already, " already so"));
  std::string out = absl::StrCat(Plural(resolution.plan.changes.size(), "file"), ", ", Plural(blocks, "block"));
  if (!notes.empty()) absl::StrAppend(&out, " (", absl::StrJoin(notes, ", "), ")");
  return out;
}

std::string RefusalKey(const Resolution& resolution) {
  std::set<std::string> parts;
  for (const ParseFault& fault : resolution.faults)
    parts.insert(absl::StrCat("fault ", fault.path, " ", fault.message));
  for (const BlockVerdict& verdict : resolution.verdicts) {
    if (Harmless(verdict.status)) continue;
    parts.insert(absl::StrCat(ToAbsl(StatusName(verdict.status)), " ", verdict.path));
  }
  return Bounded(absl::StrJoin(parts, "\n"), 4096);
}

}  // namespace switchyard::executor::edits
