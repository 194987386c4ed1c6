// What goes back to the model when its edits were refused. Well-formed UTF-8, bounded; not redacted.
#pragma once

#include <cstddef>
#include <string>

#include "services/executor/edits/resolve.h"

namespace switchyard::executor::edits {

struct FeedbackOptions {
  std::size_t max_bytes = 4096;
};

// Empty when nothing was refused and something changes. Says that nothing was changed, which blocks failed and why,
// with the closest real lines, and which were good. For a plan without changes: that the files are already so.
std::string FeedbackText(const Resolution& resolution, const FeedbackOptions& options = {});

// The same for an answer in which no edit was found at all.
std::string NoEditsText(const ParsedAnswer& answer);

// For a person, one line: "3 files, 5 blocks (1 re-indented)"; or how many were refused.
std::string SummaryLine(const Resolution& resolution);

// Equal for refusals that are alike but for line numbers: for the detection of failures that repeat.
std::string RefusalKey(const Resolution& resolution);

}  // namespace switchyard::executor::edits
