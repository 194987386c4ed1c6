// What a model asks to be changed, as its answer says it, before anybody has looked at a file.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace switchyard::executor::edits {

// How a block is written. The names are those of switchyard.verification.v1.Iteration.edit_format, and "command" for
// deletions and renames.
enum class BlockFormat { kSearchReplace, kWholeFile, kUnifiedDiff, kCommand };
std::string_view FormatName(BlockFormat format);

enum class EditKind {
  // `search` gives way to `replace`; an empty search makes a file, or fills an empty one.
  kReplace,
  // `replace` is all of the file.
  kWhole,
  kDelete,
  // `path` becomes `new_path`; edits of the same file in the same answer may name either.
  kRename,
};

// What a diff says of the file's last line; other formats keep what is there.
enum class FinalNewline { kKeep, kAdd, kRemove };

// One block of an answer.
struct Edit {
  EditKind kind = EditKind::kReplace;
  BlockFormat format = BlockFormat::kSearchReplace;
  // As written, without the decoration around it.
  std::string path;
  std::string new_path;
  // Lines, each with '\n' behind it but perhaps the last.
  std::string search;
  std::string replace;
  FinalNewline final_newline = FinalNewline::kKeep;
  // Of a file that is made.
  bool executable = false;
  // From 1: of the block among all blocks, and of the answer's line on which it begins.
  int number = 0;
  int line = 0;
};

// A part of an answer that begins like a block and is none.
struct ParseFault {
  int line = 0;
  // Empty when it is not known.
  std::string path;
  // For the model: what is wrong and how to write it.
  std::string message;
};

struct ParsedAnswer {
  // In the order of the answer. Nothing of an answer with faults is to be applied.
  std::vector<Edit> edits;
  std::vector<ParseFault> faults;
  // The format of most blocks; kSearchReplace when there are none.
  BlockFormat format = BlockFormat::kSearchReplace;
  // Fenced text that names no file: taken for explanation.
  int ignored_fences = 0;

  bool empty() const { return edits.empty() && faults.empty(); }
};

// Bounds of one answer and of what it touches. Beyond them it is refused, with words for the model.
struct EditLimits {
  std::size_t answer_bytes = std::size_t{4} << 20;
  std::size_t blocks = 400;
  // Of each file, before and after.
  std::size_t file_bytes = std::size_t{16} << 20;
  std::size_t file_lines = 2'000'000;
  // Of all files that are touched, before and after.
  std::size_t total_bytes = std::size_t{64} << 20;
  // Lines looked at, all blocks together: bounds the time, at some 10 ns each.
  std::size_t looks = 400'000'000;
};

}  // namespace switchyard::executor::edits
