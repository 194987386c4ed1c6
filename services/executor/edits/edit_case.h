// A test of edits: files, an answer, and what comes of it.
#pragma once

#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/edits/parse.h"
#include "services/executor/edits/resolve.h"

namespace switchyard::executor::edits {

using Files = std::map<std::string, std::string>;

// A search/replace block in a fence.
inline std::string Block(std::string_view path, std::string_view search, std::string_view replace) {
  std::string out(path);
  out.append("\n```\n<<<<<<< SEARCH\n")
      .append(search)
      .append("=======\n")
      .append(replace)
      .append(">>>>>>> REPLACE\n```\n");
  return out;
}

// A whole file in a fence.
inline std::string Whole(std::string_view path, std::string_view content, std::string_view fence = "```") {
  std::string out(path);
  return out.append("\n").append(fence).append("\n").append(content).append(fence).append("\n");
}

inline Files After(const Files& files, const Plan& plan) {
  Files after = files;
  for (const FileChange& change : plan.changes) {
    if (change.kind == ChangeKind::kDelete) {
      after.erase(change.path);
    } else {
      after[change.path] = change.content;
    }
  }
  return after;
}

inline Resolution ResolveText(const Files& files, std::string_view answer, const ResolveOptions& options = {}) {
  MemoryFiles view(files);
  return Resolve(ParseAnswer(answer), view, options);
}

struct EditCase {
  // A sentence.
  const char* name;
  Files files;
  std::string answer;
  // The files afterwards; nothing when the answer is refused.
  std::optional<Files> want;
  // Of the block that decides: the first that is refused; or, when all hold, the first.
  BlockStatus status = BlockStatus::kApplies;
  Rung rung = Rung::kExact;
  // A part of the message of that block, or of the first fault.
  const char* says = "";
};

inline void PrintTo(const EditCase& edit_case, std::ostream* out) { *out << edit_case.name; }

}  // namespace switchyard::executor::edits
