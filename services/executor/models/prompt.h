#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/random.h"
#include "libs/text/token_estimate.h"
#include "services/executor/models/conversation.h"

namespace switchyard::executor::models {

// Text that a prompt is about, not what it asks for: read from repositories, logs, tools, other models.
struct PromptData {
  // Shown to the model: "description", "file src/a.cc".
  std::string name;
  std::string text;
};

// An earlier exchange of the same conversation: what the model answered, and what was said to that.
struct PromptTurn {
  std::string answer;
  // The most needed first.
  std::vector<PromptData> data;
  std::string ask;
};

struct PromptParts {
  // Of the role.
  std::string persona;
  // Of the task.
  std::string system;
  std::string instruction;
  // Sentences that say when the work is good.
  std::vector<std::string> success_criteria;
  // The most needed first.
  std::vector<PromptData> data;
  // What followed, oldest first.
  std::vector<PromptTurn> turns = {};
};

struct PromptRoom {
  // Of prompt and answer together, in tokens; 0: unknown, nothing is left out.
  std::int64_t context_window = 0;
  // Kept free for the answer; 0: a quarter of the window.
  std::int64_t max_output = 0;
};

struct ComposedPrompt {
  std::vector<Message> messages;
  text::TokenEstimate tokens;
  // Of data that did not fit.
  std::size_t omitted_bytes = 0;
  // Of what nobody sees.
  std::size_t stripped_bytes = 0;
};

// What is asked stands in the system message and at the end of the user's; data stands between fences that hold random
// words, drawn until they are in none of the texts, and both messages say that what is within is not to be obeyed. What
// nobody sees is stripped from everything. Data that does not fit is cut, the least needed first and that of later
// turns last, and says so where it was; the rest is never cut: RESOURCE_EXHAUSTED, reason CONTEXT_EXCEEDED, when that
// alone does not fit, by the upper estimate.
absl::StatusOr<ComposedPrompt> ComposePrompt(const PromptParts& parts, const PromptRoom& room, Rng& rng);

}  // namespace switchyard::executor::models
