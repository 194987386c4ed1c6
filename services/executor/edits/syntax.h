// A quick look at files whose syntax can be known without a tool, before anything is built.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/edits/file_view.h"
#include "services/executor/edits/resolve.h"

namespace switchyard::executor::edits {

// Nothing when the content is well-formed, or its syntax is not known here: JSON (.json, but for those that commonly
// hold comments) and YAML (.yaml, .yml, but for templates), up to 1 MiB. Otherwise what is wrong and on which line, at
// most 300 bytes.
std::optional<std::string> SyntaxFault(std::string_view path, std::string_view content);

struct SyntaxFinding {
  std::string path;
  std::string fault;
};
// Of what a plan would write. A file that was broken before it is no finding. `before`: the snapshot that the plan was
// made of.
std::vector<SyntaxFinding> SyntaxFaults(const Plan& plan, FileView& before);

}  // namespace switchyard::executor::edits
