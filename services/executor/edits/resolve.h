// From what a model wrote to what the files shall be. Pure: all blocks are resolved against one snapshot, and either
// all hold or nothing is planned.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/edits/edit.h"
#include "services/executor/edits/file_view.h"

namespace switchyard::executor::edits {

enum class ChangeKind { kCreate, kModify, kDelete };

struct FileChange {
  ChangeKind kind = ChangeKind::kModify;
  // Relative and normal.
  std::string path;
  // All of the file afterwards.
  std::string content;
  // Of the snapshot, as Sha256Hex; empty when there was no file.
  std::string sha256_before;
  // Of a file that is made; one that is there keeps its own.
  mode_t mode = 0644;
};

// By path, each once; what stays as it is, is not in it.
struct Plan {
  std::vector<FileChange> changes;

  bool empty() const { return changes.empty(); }
};

// How a place was found: the rungs of the ladder, the strictest first.
enum class Rung {
  kExact,
  // Blanks at line ends, and CR, aside.
  kTrailingBlanks,
  // The same indentation more, or less, on every line; the replacement was shifted alike.
  kIndent,
  // Without the blank lines at its head.
  kLeadingBlankLine,
  // Pieces between "..." lines, each unique.
  kElision,
  // Blank lines aside.
  kBlankLines,
};

enum class BlockStatus {
  kApplies,
  // The file is already as the block wants it. Harmless.
  kAlreadyApplied,
  // Search and replacement are the same. Harmless.
  kNoChange,
  // All below refuse the whole answer.
  kNotFound,
  kNotUnique,
  kOverlap,
  kPlaceholder,
  // The path, or what lies there.
  kBadPath,
  // Blocks for one file that do not go together.
  kConflict,
  // Binary, too large, too many.
  kRefused,
};
bool Harmless(BlockStatus status);

struct BlockVerdict {
  // Edit::number, line and path.
  int number = 0;
  int answer_line = 0;
  std::string path;
  BlockStatus status = BlockStatus::kApplies;
  // Of kApplies.
  Rung rung = Rung::kExact;
  // Of the file, from 1: where it applies, or the first places where it might; at most 5.
  std::vector<int> lines;
  // For the model, when it is refused: what is wrong and what to do.
  std::string message;
  // Of kNotFound: lines of the file that are most like it, numbered, redaction aside; may be empty.
  std::string nearest;
};

struct ResolveOptions {
  EditLimits limits;
  // Off: kWhole is for new files only.
  bool whole_over_existing = true;
  // A whole file that would leave less than a fourth of a file of 40 lines or more is taken for a fragment, unless the
  // answer deletes the file too.
  bool refuse_fragments = true;
};

struct Resolution {
  // Empty unless ok().
  Plan plan;
  // One for each edit, in order.
  std::vector<BlockVerdict> verdicts;
  std::vector<ParseFault> faults;

  // Whether all blocks hold; the plan may still be empty, when nothing remains to be done.
  bool ok() const;
  // Blocks that refuse it, faults included.
  int refused() const;
};

// An answer without edits resolves to an empty plan. Deterministic; bounded in time and memory by the limits.
Resolution Resolve(const ParsedAnswer& answer, FileView& files, const ResolveOptions& options = {});

}  // namespace switchyard::executor::edits
