// What a model is told in the course of a loop. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/backend.h"
#include "services/executor/checks/step.h"
#include "services/executor/loop/loop_core.h"
#include "services/executor/models/prompt.h"

namespace switchyard::executor::loop {

// A file as the model is shown it.
struct ShownFile {
  std::string path;
  std::string text;
  // False: `text` is its beginning.
  bool whole = true;
};

// "test_passes: /usr/bin/make test", in one line of at most 500 bytes.
std::string DescribeStep(const checks::Step& step);

struct Opening {
  // kSearchReplace, kWholeFile or kNone.
  EditFormat format = EditFormat::kSearchReplace;
  // The most needed first.
  std::vector<ShownFile> files;
  // Paths of what else there is, one a line.
  std::string listing;
  // Of a turn that is not shown, or of what an earlier attempt left; empty: none.
  std::string feedback;
};
// The task's own prompt with all that a model needs to change files; what comes from files, programs and other work is
// data.
PromptWork OpeningPrompt(const Work& work, const Opening& opening);

// What follows an answer that did not do it.
models::PromptTurn ReplyTo(std::string answer, Stage failed_at, const Failure& failure,
                           const std::vector<ShownFile>& files, EditFormat format);

// What a run of checks means for the loop.
struct CheckSummary {
  int compulsory = 0;
  int failed = 0;
  int optional_failed = 0;
  // Of compulsory steps that failed; empty when none did.
  Failure failure;
  // For people, in one line: "1 of 4 checks failed: unit tests".
  std::string line;
};
// `results` as CheckObserver::OnEnded has them. Feedback takes at most `bytes`.
CheckSummary Summarise(const std::vector<checks::Step>& steps, const std::vector<checks::StepResult>& results,
                       std::size_t bytes);

// Of the files of a folder.
struct FileFact {
  std::string path;
  std::uint64_t bytes = 0;
};
// Which to show, the most needed first: those that the task names (by path, folder or glob), those that a text names by
// path, then by their own name, then the others, short ones first, tests and manifests before the rest of equal length.
// Never those that nobody reads: locks, pictures, archives, objects.
std::vector<std::string> RankFiles(const std::vector<FileFact>& all, const std::vector<std::string>& named,
                                   const std::vector<std::string>& texts);
// Only those that a text names, in that order.
std::vector<std::string> NamedIn(const std::vector<FileFact>& all, std::string_view text);

// Bytes of files that may be shown to a model with this window, in tokens; 0: unknown.
std::size_t RoomForFiles(std::int64_t context_window);

}  // namespace switchyard::executor::loop
