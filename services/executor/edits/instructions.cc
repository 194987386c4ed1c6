#include "services/executor/edits/instructions.h"

#include <string_view>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::executor::edits {
namespace {

// Longer files cost a model too much to write whole; those of strong models are short before blocks are worth it.
constexpr std::size_t kWholeLines = 300;
constexpr std::size_t kWholeLinesStrong = 30;
constexpr std::size_t kWholeLinesMedium = 120;
// Of small models: what they still write whole without losing lines.
constexpr std::size_t kWholeLinesMost = 600;
constexpr std::size_t kWholeFiles = 4;
constexpr int kMalformedMove = 2;

constexpr std::string_view kSearchReplace = R"(How to change files
===================
Write each change as a SEARCH/REPLACE block. First the file's path, relative to the workspace, alone on its line; then a fence; in it
the lines that are there now, and the lines that shall stand in their place:

src/example.py
```python
<<<<<<< SEARCH
def area(width, height):
    return width + height
=======
def area(width, height):
    return width * height
>>>>>>> REPLACE
```

Rules:
- SEARCH holds whole lines, copied from the file exactly: every blank, every bracket, every comment. Do not shorten them.
- SEARCH must be in the file exactly once. Quote as many lines around the change as that takes, and no more.
- All blocks are matched against the files as they are now, not as other blocks leave them. No two blocks may change the same lines.
- All blocks are applied together, or none is: one that does not match spoils them all.
- REPLACE holds all lines that shall stand there. Never write "..." or "existing code" for code that you leave out.
- A new file: leave SEARCH empty. Lines are removed by leaving them out of REPLACE.
- If the file holds lines of `=======` itself, write the three marks with 9 signs: `<<<<<<<<< SEARCH`, `=========`, `>>>>>>>>> REPLACE`.
)";

constexpr std::string_view kWholeFile = R"(How to change files
===================
Write each file that you change as a whole: its path, relative to the workspace, alone on its line, an empty line before it; then a
fence with everything that the file shall hold:

src/example.py
```python
def area(width, height):
    return width * height
```

Rules:
- Write every line of the file, also those that stay as they are. What you leave out is gone. Never write "..." or "existing code" for
  code that stays.
- Only files that change. A new file is written in the same way; an empty fence makes an empty file.
- Fenced code without a path before it changes nothing.
- If the file holds lines of ``` itself, put it between lines of ~~~~ instead.
- All files are written together, or none is.
)";

constexpr std::string_view kCommands = R"(
To delete or to rename a file, write one of these alone on a line, outside of all fences:
DELETE FILE: src/old.py
RENAME FILE: src/old.py -> src/new.py
)";

bool FitsWhole(const FormatHints& hints, std::size_t lines) {
  return hints.largest_file_lines <= lines && hints.files <= kWholeFiles;
}

EditFormat FirstChoice(const FormatHints& hints) {
  // A task about files that are not known may be about long ones.
  const bool unknown = hints.largest_file_lines == 0 && hints.files == 0;
  switch (hints.strength) {
    case Strength::kLarge:
      return !unknown && FitsWhole(hints, kWholeLinesStrong) ? EditFormat::kWholeFile : EditFormat::kSearchReplace;
    case Strength::kMedium:
      return !unknown && FitsWhole(hints, kWholeLinesMedium) ? EditFormat::kWholeFile : EditFormat::kSearchReplace;
    case Strength::kUnknown:
      return !unknown && FitsWhole(hints, kWholeLines) ? EditFormat::kWholeFile : EditFormat::kSearchReplace;
    case Strength::kSmall:
      return FitsWhole(hints, kWholeLines) ? EditFormat::kWholeFile : EditFormat::kSearchReplace;
  }
  return EditFormat::kSearchReplace;
}

}  // namespace

EditFormat ChooseFormat(const FormatHints& hints) {
  if (hints.asked != EditFormat::kAny) return hints.asked;
  const EditFormat first = FirstChoice(hints);
  if (hints.malformed < kMalformedMove || hints.used != first)
    return hints.used == EditFormat::kAny ? first : hints.used;
  if (first == EditFormat::kWholeFile) return EditFormat::kSearchReplace;
  return hints.largest_file_lines <= kWholeLinesMost ? EditFormat::kWholeFile : first;
}

std::string EditInstructions(EditFormat format) {
  if (format == EditFormat::kNone) return "";
  const std::string_view text = format == EditFormat::kWholeFile ? kWholeFile : kSearchReplace;
  return absl::StrCat(ToAbsl(text), ToAbsl(kCommands));
}

std::string EditReminder(EditFormat format) {
  switch (format) {
    case EditFormat::kNone:
      return "";
    case EditFormat::kWholeFile:
      return "Write every file that changes as a whole, its path alone on the line before the fence, and leave nothing "
             "out.";
    case EditFormat::kAny:
    case EditFormat::kSearchReplace:
      return "Write the changes as SEARCH/REPLACE blocks, the path alone on the line before each fence, SEARCH copied "
             "exactly from the "
             "file and unique in it.";
  }
  return "";
}

}  // namespace switchyard::executor::edits
