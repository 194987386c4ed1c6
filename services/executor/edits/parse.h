#pragma once

#include <string_view>

#include "services/executor/edits/edit.h"

namespace switchyard::executor::edits {

struct ParseOptions {
  // The endpoint ended the answer before the model did: it is a fault, whatever it holds.
  bool cut_off = false;
  EditLimits limits;
};

// Reads all formats, also several in one answer; linear in time; takes arbitrary bytes.
//
//  - search/replace: `<<<<<<< SEARCH`, `=======`, `>>>>>>> REPLACE`, each sign 5 to 9 times; in a fence or not. The
//  path stands on
//    the line before, before the fence, in the fence's info string, or is that of the block before.
//  - whole file: a fence of ``` or ~~~~ whose path stands on the line before or in the info string. Fences of the same
//  kind
//    within it are part of it when they nest; where that cannot be told, it is a fault.
//  - unified diff: fenced or not; numbers in `@@` are not believed.
//  - commands, outside of fences or alone in one: `DELETE FILE: path`, `RENAME FILE: old -> new`.
//
// A path may be decorated: `path`, **path**, # path, path:, File: path. Text in <think> at the beginning is skipped.
// What begins and does not end is a fault, and so is an answer that has fences but no path at all.
ParsedAnswer ParseAnswer(std::string_view answer, const ParseOptions& options = {});

}  // namespace switchyard::executor::edits
