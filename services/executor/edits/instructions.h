// What a model is told about how to write changes, and which way is the best for it.
#pragma once

#include <cstddef>
#include <string>

#include "services/executor/backend.h"

namespace switchyard::executor::edits {

// As switchyard.model_registry.v1.ModelTier.
enum class Strength { kUnknown, kSmall, kMedium, kLarge };

struct FormatHints {
  // What the task asks for; kAny leaves the choice, kNone comes back as it is.
  EditFormat asked = EditFormat::kAny;
  Strength strength = Strength::kUnknown;
  // Of the files that the work is about; zero when it is not known, or when all are new.
  std::size_t largest_file_lines = 0;
  std::size_t files = 0;
  // Of attempts before, in the format that they used: edits that could not be applied.
  int malformed = 0;
  EditFormat used = EditFormat::kAny;
};

// kSearchReplace, kWholeFile or kNone. Small models and short files: whole files; strong models: search/replace. Two
// malformed answers in one format move to the other, as long as the files are short enough to be written whole.
EditFormat ChooseFormat(const FormatHints& hints);

// For the system message; some 2 KiB. Empty for kNone. kAny is kSearchReplace.
std::string EditInstructions(EditFormat format);

// One sentence that repeats what matters most: for the end of the prompt, and after an answer that was malformed.
std::string EditReminder(EditFormat format);

}  // namespace switchyard::executor::edits
