// What a pull request says of the work in it. Text of tasks, models and programs is data: it cannot forge a row of the
// table, a heading, a link, a mention or a closing word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"

namespace switchyard::executor::delivery {

// One check, as the report has it.
struct StoryStep {
  std::string name;
  // "test_passes".
  std::string check;
  // "passed", "failed", "error", "timed out", "skipped".
  std::string status;
  bool optional = false;
  absl::Duration duration;
};

struct Story {
  // For people: of the task.
  std::string title;
  std::string description;
  // In the order asked for; none: the task asked for no checks, and that is said.
  std::vector<StoryStep> steps;
  // As they were reported, in order, each once; none: no model took part.
  std::vector<std::string> models;
  // How often the model tried; 0: no loop.
  int iterations = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cost_micros = 0;
  // The price is unknown: at least cost_micros.
  bool cost_unknown = false;
  int files_changed = 0;
  int lines_added = 0;
  int lines_removed = 0;
};

// One line of at most 200 bytes: the task's title, else that it is the task of this id.
std::string PullRequestTitle(const Story& story, std::string_view task_id);

// What this system keeps up to date, between two marks; at most 48 KiB.
std::string PullRequestBody(const Story& story, std::string_view task_id, std::string_view head_commit);

// `body` with the marked part replaced by `fresh`; what people wrote around it stays. Unchanged when somebody took a
// mark away.
std::string ReplaceStory(std::string_view body, std::string_view fresh);

// Text of others on one line: well-formed, no control or unseen characters, at most `limit` bytes.
std::string OneLine(std::string_view text, std::size_t limit);
// The same as code within a line or a cell of a table; "`-`" when nothing is left of it.
std::string CodeSpan(std::string_view text, std::size_t limit);
// Text of others with its lines, as a block of code that it cannot end. At most `limit` bytes of it.
std::string CodeBlock(std::string_view text, std::size_t limit);

}  // namespace switchyard::executor::delivery
