// All edits of one file against its snapshot. Internal to Resolve.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/edits/edit.h"
#include "services/executor/edits/file_view.h"
#include "services/executor/edits/locate.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/edits/splice.h"

namespace switchyard::executor::edits {

// What all files of an answer may use together.
struct Room {
  Looks looks;
  // Of files, looked at for suggestions.
  std::size_t suggestion_bytes = std::size_t{16} << 20;
  // Failed blocks whose lines are also looked for in what other blocks write.
  int hints = 5;
};

// In words for a model: why nothing can be edited there; empty for a file, and for none.
std::string EntryFault(EntryKind kind, const EditLimits& limits);

class FileEdits {
 public:
  struct Result {
    std::string content;
    bool removed = false;
    bool executable = false;
  };

  // Borrows all.
  FileEdits(std::string_view path, const Entry& entry, const ResolveOptions& options, Room& room);

  // Writes each edit's verdict. What comes back counts only when all of them are harmless. `renamed`: the file will
  // have another name, and cannot be removed as well.
  Result Resolve(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts, bool renamed);

 private:
  struct Placed {
    std::size_t edit = 0;
    std::vector<Piece> pieces;
    std::vector<Splice> splices;
  };

  bool there() const { return entry_.kind == EntryKind::kFile; }
  bool CheckKinds(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts,
                  bool renamed) const;
  Result ResolveWhole(const Edit& edit, BlockVerdict& verdict, bool rewrite) const;
  Result Make(const Edit& edit, BlockVerdict& verdict) const;
  // Nothing is appended when the block changes nothing or was refused.
  void Place(const Edit& edit, std::size_t index, const std::vector<const Edit*>& edits, BlockVerdict& verdict);
  void Explain(const Located& located, const Edit& edit, const LineTable& search, const LineTable& replace,
               const std::vector<const Edit*>& edits, BlockVerdict& verdict);
  bool AlreadyThere(const Edit& edit, const LineTable& search, const LineTable& replace);
  bool Inserted(const Located& located, const LineTable& search, const LineTable& replace);
  // Empty, or what is wrong with text that would be written.
  std::string ContentFault(std::string_view text, std::string_view search) const;
  void CheckOverlaps(const std::vector<const Edit*>& edits, const std::vector<BlockVerdict*>& verdicts);

  const std::string_view path_;
  const Entry& entry_;
  const ResolveOptions& options_;
  Room& room_;
  const LineTable table_;
  std::vector<Placed> placed_;
};

}  // namespace switchyard::executor::edits
