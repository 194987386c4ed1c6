#include "services/executor/delivery/story.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/unseen.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::delivery {
namespace {

constexpr std::string_view kBegin = "<!-- switchyard:begin -->";
constexpr std::string_view kEnd = "<!-- switchyard:end -->";
constexpr std::size_t kMaxTitle = 200;
constexpr std::size_t kMaxName = 100;
constexpr std::size_t kMaxDescription = 8 << 10;
constexpr std::size_t kMaxSteps = 64;
constexpr std::size_t kMaxModels = 16;

// Between a sign and what it would refer to; readers see nothing of it.
constexpr std::string_view kApart = "\xE2\x80\x8B";

// No text of others holds one of the marks.
std::string WithoutMarks(std::string text) { return absl::StrReplaceAll(text, {{"<!--", "<! --"}}); }

std::string Clean(std::string_view text) { return WithoutMarks(text::Redact(text::StripUnseen(text))); }

bool IsKnownStatus(std::string_view status) {
  constexpr std::array<std::string_view, 5> kKnown = {"passed", "failed", "error", "timed out", "skipped"};
  return std::find(kKnown.begin(), kKnown.end(), status) != kKnown.end();
}

std::string Seconds(absl::Duration duration) {
  return absl::StrFormat("%.1f s", absl::ToDoubleSeconds(std::max(duration, absl::ZeroDuration())));
}

std::string Money(std::int64_t micros) { return absl::StrFormat("%.4f", static_cast<double>(micros) / 1e6); }

std::string Cost(const Story& story) {
  if (story.models.empty()) return "none, no model took part";
  if (!story.cost_unknown) return Money(story.cost_micros);
  if (story.cost_micros > 0) return absl::StrCat("price unknown, at least ", Money(story.cost_micros));
  return "price unknown";
}

void AppendChecks(const Story& story, std::string& body) {
  if (story.steps.empty()) {
    absl::StrAppend(&body, "**Checks:** the task asked for none. Nothing was verified.\n\n");
    return;
  }
  const auto passed = std::count_if(story.steps.begin(), story.steps.end(),
                                    [](const StoryStep& step) { return step.status == "passed"; });
  absl::StrAppend(&body, "**Checks:** ", passed, " of ", story.steps.size(), " passed.\n\n",
                  "| # | Check | Name | Result | Time |\n|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < std::min(story.steps.size(), kMaxSteps); ++i) {
    const StoryStep& step = story.steps[i];
    const std::string status = IsKnownStatus(step.status) ? step.status : CodeSpan(step.status, 32);
    absl::StrAppend(&body, "| ", i + 1, " | ", CodeSpan(step.check, 32), " | ", CodeSpan(step.name, kMaxName), " | ",
                    status, step.optional ? " (optional)" : "", " | ", Seconds(step.duration), " |\n");
  }
  if (story.steps.size() > kMaxSteps) absl::StrAppend(&body, "\nThe table was cut.\n");
  absl::StrAppend(&body, "\n");
}

void AppendModels(const Story& story, std::string& body) {
  absl::StrAppend(&body, "- Model: ");
  if (story.models.empty()) absl::StrAppend(&body, "none");
  for (std::size_t i = 0; i < std::min(story.models.size(), kMaxModels); ++i) {
    absl::StrAppend(&body, i > 0 ? ", " : "", CodeSpan(story.models[i], kMaxName));
  }
  if (story.models.size() > kMaxModels) absl::StrAppend(&body, " and others");
  if (story.iterations > 0) absl::StrAppend(&body, ", tries: ", story.iterations);
  absl::StrAppend(&body, "\n");
  if (!story.models.empty()) {
    absl::StrAppend(&body, "- Tokens: ", story.input_tokens, " in, ", story.output_tokens, " out\n");
  }
  absl::StrAppend(&body, "- Cost: ", Cost(story), "\n");
}

}  // namespace

std::string OneLine(std::string_view text, std::size_t limit) {
  std::string line = Clean(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  line = std::string(absl::StripAsciiWhitespace(line));
  return std::string(text::TruncateUtf8(line, limit));
}

std::string CodeSpan(std::string_view text, std::size_t limit) {
  // A table ends its cells before it sees code, and knows escapes that code does not: no bar is left.
  std::string line = absl::StrReplaceAll(OneLine(text, limit), {{"`", "'"}, {"|", "\xC2\xA6"}});
  line = std::string(absl::StripAsciiWhitespace(line));
  return line.empty() ? "`-`" : absl::StrCat("`", line, "`");
}

std::string CodeBlock(std::string_view text, std::size_t limit) {
  const std::string clean = Clean(text);
  std::string block(text::TruncateUtf8(clean, limit));
  while (!block.empty() && (block.back() == '\n' || block.back() == ' ')) block.pop_back();
  if (block.size() < clean.size() && clean.size() > limit) absl::StrAppend(&block, "\n[cut]");
  std::size_t longest = 0;
  std::size_t run = 0;
  for (const char c : block) {
    run = c == '~' ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  const std::string fence(std::max<std::size_t>(longest + 1, 3), '~');
  return absl::StrCat(fence, "text\n", block, "\n", fence, "\n");
}

std::string PullRequestTitle(const Story& story, std::string_view task_id) {
  // Room for what keeps signs apart.
  std::string title = OneLine(story.title, kMaxTitle);
  title =
      absl::StrReplaceAll(title, {{"@", absl::StrCat("@", ToAbsl(kApart))}, {"#", absl::StrCat("#", ToAbsl(kApart))}});
  title = std::string(text::TruncateUtf8(title, kMaxTitle));
  if (title.empty()) return absl::StrCat("Task ", OneLine(task_id, 64));
  return title;
}

std::string PullRequestBody(const Story& story, std::string_view task_id, std::string_view head_commit) {
  std::string body = absl::StrCat(ToAbsl(kBegin), "\n");
  absl::StrAppend(&body, "Task ", CodeSpan(task_id, 64), ", commit ", CodeSpan(head_commit, 64), "\n\n");
  if (!OneLine(story.description, 1).empty()) {
    absl::StrAppend(&body, CodeBlock(story.description, kMaxDescription), "\n");
  }
  AppendChecks(story, body);
  absl::StrAppend(&body, "**Judgement:** unjudged. This is what the executor found; the verdict comes later: ",
                  CodeSpan(absl::StrCat("yard verify show ", OneLine(task_id, 64)), 100), "\n\n");
  AppendModels(story, body);
  absl::StrAppend(&body, "- Changes: ", story.files_changed, " files, +", story.lines_added, " -", story.lines_removed,
                  " lines\n", ToAbsl(kEnd), "\n");
  return body;
}

std::string ReplaceStory(std::string_view body, std::string_view fresh) {
  const std::size_t begin = body.find(kBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : body.find(kEnd, begin);
  if (end == std::string_view::npos) return std::string(body);
  // The fresh one ends in a line end of its own, which the old text may have lost.
  while (!fresh.empty() && fresh.back() == '\n') fresh.remove_suffix(1);
  return absl::StrCat(ToAbsl(body.substr(0, begin)), ToAbsl(fresh), ToAbsl(body.substr(end + kEnd.size())));
}

}  // namespace switchyard::executor::delivery
