// Words that stand for code which was left out. Internal.
#pragma once

#include <string_view>

namespace switchyard::executor::edits {

// "...", alone or as a comment.
bool IsDots(std::string_view line);

enum class PlaceholderIn { kCode, kProse };

// "// ... existing code ...", "# rest of the file unchanged". In prose only lines that begin with dots count.
bool IsPlaceholder(std::string_view line, PlaceholderIn where);

PlaceholderIn PlaceholdersOf(std::string_view path);

// Whether a bare "..." in such a file is code or text of its own at that indentation.
bool DotsAreText(std::string_view path, std::string_view line);

}  // namespace switchyard::executor::edits
