#include "services/executor/loop/loop_prompt.h"

#include <algorithm>
#include <tuple>
#include <type_traits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/sha256.h"
#include "libs/base/strings.h"
#include "libs/text/glob.h"
#include "libs/text/utf8.h"
#include "services/executor/edits/instructions.h"
#include "services/executor/loop/fingerprint.h"
#include "services/executor/loop/root_cause.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kDescriptionBytes = 500;
constexpr std::size_t kLeastOfStep = 256;
constexpr std::size_t kNamesShown = 3;
constexpr std::size_t kDefaultRoom = 96 * 1024;
constexpr std::size_t kMostRoom = 384 * 1024;

std::string OneLine(std::string_view text, std::size_t bytes) {
  std::string line = text::ReplaceInvalidUtf8(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return std::string(text::TruncateUtf8(line, bytes));
}

std::string Details(const checks::Check& check) {
  return std::visit(
      [](const auto& one) -> std::string {
        using T = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<T, checks::FileExists>) {
          return one.path;
        } else if constexpr (std::is_same_v<T, checks::FileContains>) {
          return absl::StrCat(one.path, " contains \"", one.text, "\"");
        } else if constexpr (std::is_same_v<T, checks::TestPasses> || std::is_same_v<T, checks::CommandSucceeds>) {
          return absl::StrJoin(one.argv, " ");
        } else if constexpr (std::is_same_v<T, checks::GitClean>) {
          return "nothing uncommitted is left";
        } else if constexpr (std::is_same_v<T, checks::DiffNotEmpty>) {
          return "something changed";
        } else if constexpr (std::is_same_v<T, checks::ChangedOnly>) {
          return absl::StrCat("only ", absl::StrJoin(one.globs, ", "));
        } else if constexpr (std::is_same_v<T, checks::MaxDiffLines>) {
          return absl::StrCat("at most ", one.lines, " changed lines");
        } else if constexpr (std::is_same_v<T, checks::JsonValid>) {
          return one.schema_json.empty() ? one.path : absl::StrCat(one.path, " by a schema");
        } else if constexpr (std::is_same_v<T, checks::HttpOk>) {
          return absl::StrCat(one.url, " answers ", one.expected_status);
        } else {
          return "no secrets in what changed";
        }
      },
      check);
}

std::string_view StatusText(checks::StepStatus status) {
  switch (status) {
    case checks::StepStatus::kPassed:
      return "passed";
    case checks::StepStatus::kFailed:
      return "failed";
    case checks::StepStatus::kError:
      return "could not be made";
    case checks::StepStatus::kTimedOut:
      return "took too long";
    case checks::StepStatus::kSkipped:
      return "was not made";
  }
  return "";
}

// Where what was seen tells no more than that it failed: sizes in it would make each failure another one.
bool SaysAll(const checks::Check& check) {
  return std::holds_alternative<checks::FileExists>(check) || std::holds_alternative<checks::FileContains>(check) ||
         std::holds_alternative<checks::GitClean>(check) || std::holds_alternative<checks::DiffNotEmpty>(check) ||
         std::holds_alternative<checks::HttpOk>(check);
}

std::string PrintOf(const checks::Step& step, const checks::StepResult& result) {
  const bool only_that = result.status == checks::StepStatus::kTimedOut || SaysAll(step.check);
  return absl::StrCat(std::string(StatusText(result.status)), only_that ? "" : " ",
                      only_that ? "" : Fingerprint(result.evidence));
}

std::string NameOf(const checks::Step& step) {
  return step.name.empty() ? std::string(checks::CheckName(step.check)) : OneLine(step.name, 100);
}

void AddFiles(const std::vector<ShownFile>& files, std::vector<std::pair<std::string, std::string>>& data) {
  for (const ShownFile& file : files) {
    // An empty text would not be shown at all.
    data.emplace_back(absl::StrCat(file.whole ? "file " : "beginning of file ", file.path),
                      file.text.empty() ? std::string("[empty file]") : file.text);
  }
}

std::string_view AskFor(Stage stage) {
  switch (stage) {
    case Stage::kGenerate:
      return "Your answer could not be used, and nothing was changed. Above is why. Answer again, with fewer or "
             "smaller "
             "changes if it was too long.";
    case Stage::kApply:
      return "Your changes were not made: none of them, as above. Write all of them again, corrected.";
    case Stage::kSyntax:
      return "Your changes were taken back, all of them: they left files that are not well-formed, as above. Write all "
             "of "
             "them again, corrected.";
    case Stage::kVerify:
      return "Your changes were made, and the files are now as shown. Some checks failed, as above. Find the cause and "
             "change the "
             "files so that all checks pass. The checks are right: do not weaken them. Write only what has to change "
             "now.";
  }
  return "";
}

const char* const kUnread[] = {".png",  ".jpg",    ".jpeg", ".gif",   ".ico",   ".pdf",  ".zip",   ".gz",
                               ".tgz",  ".xz",     ".bz2",  ".jar",   ".so",    ".a",    ".o",     ".pyc",
                               ".exe",  ".dll",    ".woff", ".woff2", ".ttf",   ".mp4",  ".bin",   ".db",
                               ".lock", ".min.js", ".map",  ".svg",   ".class", ".wasm", ".sqlite"};

bool Unread(std::string_view path) {
  for (const char* const end : kUnread) {
    if (absl::EndsWithIgnoreCase(ToAbsl(path), end)) return true;
  }
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name == "package-lock.json" || name == "go.sum" || name == "pnpm-lock.yaml" ||
         absl::StartsWith(ToAbsl(path), "node_modules/") || absl::StartsWith(ToAbsl(path), "vendor/") ||
         absl::StrContains(ToAbsl(path), "/node_modules/") || absl::StrContains(ToAbsl(path), "__pycache__/");
}

bool IsWordPart(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
}

// As a word of its own: "sum.c" is not in "checksum.c".
bool Names(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    const bool begins = at == 0 || !IsWordPart(text[at - 1]);
    // A sentence may end behind it.
    const bool ends = end == text.size() || !IsWordPart(text[end]) ||
                      (text[end] == '.' && (end + 1 == text.size() || !IsWordPart(text[end + 1])));
    if (begins && ends) return true;
  }
  return false;
}

bool TaskNames(const std::vector<std::string>& named, std::string_view path) {
  return std::any_of(named.begin(), named.end(), [path](const std::string& one) {
    std::string_view name = one;
    if (absl::StartsWith(one, "./")) name.remove_prefix(2);
    while (!name.empty() && name.back() == '/') name.remove_suffix(1);
    if (name.empty()) return false;
    const bool below = path.size() > name.size() && path.substr(0, name.size()) == name && path[name.size()] == '/';
    return path == name || below || text::MatchesGlob(name, path);
  });
}

bool Telling(std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return absl::StrContains(ToAbsl(name), "test") || absl::StartsWith(ToAbsl(name), "README") || name == "Makefile" ||
         name == "CMakeLists.txt" || name == "package.json" || name == "Cargo.toml" || name == "pyproject.toml" ||
         name == "go.mod";
}

int NeedOf(std::string_view path, const std::vector<std::string>& named, const std::vector<std::string>& texts) {
  if (TaskNames(named, path)) return 0;
  const std::string_view name = path.substr(path.rfind('/') + 1);
  int need = 3;
  for (const std::string& text : texts) {
    if (Names(text, path)) return 1;
    if (Names(text, name)) need = 2;
  }
  return need;
}

}  // namespace

std::string DescribeStep(const checks::Step& step) {
  const std::string check = absl::StrCat(std::string(checks::CheckName(step.check)), ": ", Details(step.check));
  const std::string name = OneLine(step.name, 100);
  const std::string whole = name.empty() ? check : absl::StrCat(name, " (", check, ")");
  return OneLine(absl::StrCat(whole, step.optional ? " [optional]" : ""), kDescriptionBytes);
}

PromptWork OpeningPrompt(const Work& work, const Opening& opening) {
  PromptWork prompt = work.prompt;
  const std::string instructions = edits::EditInstructions(opening.format);
  if (!instructions.empty()) absl::StrAppend(&prompt.system, prompt.system.empty() ? "" : "\n\n", instructions);

  if (!work.checks.empty()) {
    absl::StrAppend(&prompt.instruction,
                    "\n\nWhen you are done, these checks are made. All but optional ones must pass:\n");
    for (const checks::Step& step : work.checks) absl::StrAppend(&prompt.instruction, "- ", DescribeStep(step), "\n");
  }
  if (!opening.feedback.empty()) {
    absl::StrAppend(
        &prompt.instruction,
        "\n\nEarlier changes were not enough: what failed is shown above, and the files are shown as they are now.");
  }
  if (opening.format != EditFormat::kNone) {
    if (std::any_of(opening.files.begin(), opening.files.end(), [](const ShownFile& file) { return !file.whole; })) {
      absl::StrAppend(&prompt.instruction, "\n\nFiles of which only the beginning is shown must not be written whole.");
    }
    absl::StrAppend(&prompt.instruction, "\n\n", edits::EditReminder(opening.format));
  }

  std::vector<std::pair<std::string, std::string>> data;
  if (!opening.feedback.empty()) data.emplace_back("what failed", opening.feedback);
  for (auto& entry : prompt.data) data.push_back(std::move(entry));
  if (!work.state_summary.empty()) data.emplace_back("what is known from before", work.state_summary);
  AddFiles(opening.files, data);
  if (!opening.listing.empty()) data.emplace_back("paths of the files that there are", opening.listing);
  prompt.data = std::move(data);
  return prompt;
}

models::PromptTurn ReplyTo(std::string answer, Stage failed_at, const Failure& failure,
                           const std::vector<ShownFile>& files, EditFormat format) {
  models::PromptTurn turn;
  turn.answer = answer.empty() ? std::string("(nothing)") : std::move(answer);
  if (!failure.feedback.empty()) {
    turn.data.push_back({.name = "what failed", .text = failure.feedback});
  }
  std::vector<std::pair<std::string, std::string>> data;
  AddFiles(files, data);
  for (auto& [name, text] : data) turn.data.push_back({.name = std::move(name), .text = std::move(text)});
  turn.ask = std::string(AskFor(failed_at));
  if (format != EditFormat::kNone) absl::StrAppend(&turn.ask, "\n\n", edits::EditReminder(format));
  return turn;
}

CheckSummary Summarise(const std::vector<checks::Step>& steps, const std::vector<checks::StepResult>& results,
                       std::size_t bytes) {
  CheckSummary summary;
  std::vector<std::string> names;
  std::vector<std::size_t> failed;
  std::string optional;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool passed = i < results.size() && results[i].status == checks::StepStatus::kPassed;
    if (steps[i].optional) {
      if (passed) continue;
      ++summary.optional_failed;
      absl::StrAppend(&optional, "Optional check ", DescribeStep(steps[i]), " did not pass.\n");
      continue;
    }
    ++summary.compulsory;
    if (passed) continue;
    ++summary.failed;
    failed.push_back(i);
    if (names.size() < kNamesShown) names.push_back(NameOf(steps[i]));
  }
  if (summary.failed == 0) {
    summary.line = steps.empty() ? std::string("no checks were asked for")
                   : summary.optional_failed == 0
                       ? absl::StrCat("all ", steps.size(), " checks passed")
                       : absl::StrCat("all ", summary.compulsory, " compulsory checks passed");
    return summary;
  }
  summary.line = absl::StrCat(summary.failed, " of ", steps.size(), " checks failed: ", absl::StrJoin(names, ", "),
                              failed.size() > names.size() ? ", ..." : "");
  std::string prints;
  const std::size_t share = std::max(bytes / failed.size(), kLeastOfStep);
  for (const std::size_t i : failed) {
    const checks::StepResult result = i < results.size() ? results[i] : checks::StepResult{};
    std::string text = absl::StrCat("Check ", DescribeStep(steps[i]), " ", std::string(StatusText(result.status)));
    if (result.exit_code.has_value()) absl::StrAppend(&text, " (exit status ", *result.exit_code, ")");
    absl::StrAppend(&text, ":\n");
    if (text.size() + kLeastOfStep / 2 < share) {
      absl::StrAppend(&text, RootCause(result.evidence, {.bytes = share - text.size() - 1}));
    }
    if (text.back() != '\n') text += '\n';
    absl::StrAppend(&summary.failure.feedback, text);
    absl::StrAppend(&prints, i, " ", PrintOf(steps[i], result), "\n");
  }
  absl::StrAppend(&summary.failure.feedback, optional);
  summary.failure.feedback = HeadAndTail(summary.failure.feedback, bytes);
  summary.failure.fingerprint = Sha256Hex(prints).substr(0, 16);
  return summary;
}

std::vector<std::string> RankFiles(const std::vector<FileFact>& all, const std::vector<std::string>& named,
                                   const std::vector<std::string>& texts) {
  using Place = std::tuple<int, bool, std::uint64_t, std::string>;
  std::vector<Place> places;
  for (const FileFact& file : all) {
    const int need = NeedOf(file.path, named, texts);
    if (need > 0 && Unread(file.path)) continue;
    // What was named stays in the order of paths.
    places.emplace_back(need, need == 3 && !Telling(file.path), need == 3 ? file.bytes : 0, file.path);
  }
  std::sort(places.begin(), places.end());
  std::vector<std::string> order;
  order.reserve(places.size());
  for (Place& place : places) order.push_back(std::move(std::get<3>(place)));
  return order;
}

std::vector<std::string> NamedIn(const std::vector<FileFact>& all, std::string_view text) {
  std::vector<std::string> found;
  for (const FileFact& file : all) {
    if (!Unread(file.path) && Names(text, ToStd(absl::string_view(file.path).substr(file.path.rfind('/') + 1)))) {
      found.push_back(file.path);
    }
  }
  return found;
}

std::size_t RoomForFiles(std::int64_t context_window) {
  if (context_window <= 0) return kDefaultRoom;
  // Half of the window, at some three bytes a token; the rest is for the answer and for what is said.
  return std::min(static_cast<std::size_t>(context_window) * 3 / 2, kMostRoom);
}

}  // namespace switchyard::executor::loop
