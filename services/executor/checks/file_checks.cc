#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/strings.h"
#include "services/executor/checks/blocking.h"
#include "services/executor/checks/evidence.h"
#include "services/executor/checks/folder.h"
#include "services/executor/checks/json_schema.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;

// The first `limits.file_bytes` of a file.
absl::StatusOr<std::string> ReadAll(OpenFile& file, const LookLimits& limits, const Patience& patience) {
  std::string text;
  const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, file.bytes() + 4096));
  while (text.size() < limits.file_bytes) {
    if (patience.over()) return absl::DeadlineExceededError("time is over");
    const absl::StatusOr<std::size_t> got = file.Read(std::min(most, limits.file_bytes - text.size()), text);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
  }
  return text;
}

absl::StatusOr<OpenFile> OpenIn(const Place& place, const std::string& path) {
  const absl::StatusOr<Folder> folder = Folder::Open(place.folder);
  if (!folder.ok()) return folder.status();
  return folder->OpenAt(path);
}

absl::Status TooLong(const std::string& path, const LookLimits& limits) {
  return absl::ResourceExhaustedError(
      absl::StrCat(Quoted(path), " is longer than the ", limits.file_bytes, " bytes that are looked at"));
}

// A whole file, or RESOURCE_EXHAUSTED.
absl::StatusOr<std::string> ReadWhole(const Place& place, const std::string& path, const LookLimits& limits,
                                      const Patience& patience) {
  absl::StatusOr<OpenFile> file = OpenIn(place, path);
  if (!file.ok()) return file.status();
  if (file->bytes() > limits.file_bytes) return TooLong(path, limits);
  absl::StatusOr<std::string> text = ReadAll(*file, {.file_bytes = limits.file_bytes + 1}, patience);
  if (text.ok() && text->size() > limits.file_bytes) return TooLong(path, limits);
  return text;
}

}  // namespace

StepResult Look(const FileExists& check, const Place& place, const LookLimits& limits, const Patience& patience) {
  absl::StatusOr<OpenFile> file = OpenIn(place, check.path);
  if (!file.ok()) return Obstacle(file.status(), patience, /*missing_fails=*/true);
  const std::uint64_t bytes = file->bytes();
  StepResult result =
      Result(StepStatus::kPassed, absl::StrCat(Quoted(check.path), " is there, a file of ", bytes, " bytes"));
  result.facts["bytes"] = absl::StrCat(bytes);
  if (bytes > limits.file_bytes) return result;
  const absl::StatusOr<std::string> text = ReadAll(*file, {.file_bytes = limits.file_bytes + 1}, patience);
  // That it is there was seen; what cannot be read has no digest.
  if (text.ok() && text->size() == bytes) result.facts["sha256"] = Sha256Hex(*text);
  return result;
}

StepResult Look(const FileContains& check, const Place& place, const LookLimits& limits, const Patience& patience) {
  if (check.text.empty()) return Result(StepStatus::kError, "the check names no text");
  absl::StatusOr<OpenFile> file = OpenIn(place, check.path);
  if (!file.ok()) return Obstacle(file.status(), patience, /*missing_fails=*/true);
  const absl::StatusOr<std::string> text = ReadAll(*file, {.file_bytes = limits.file_bytes + 1}, patience);
  if (!text.ok()) return Obstacle(text.status(), patience, /*missing_fails=*/false);
  const std::size_t at = text->find(check.text);
  if (at != std::string::npos) {
    const auto line = 1 + std::count(text->begin(), text->begin() + static_cast<std::ptrdiff_t>(at), '\n');
    StepResult result = Result(StepStatus::kPassed, absl::StrCat("the text stands in line ", line, " of ",
                                                                 Quoted(check.path), ", at byte ", at));
    result.facts["line"] = absl::StrCat(line);
    result.facts["bytes"] = absl::StrCat(file->bytes());
    return result;
  }
  if (text->size() > limits.file_bytes) return Obstacle(TooLong(check.path, limits), patience, false);
  StepResult result = Result(StepStatus::kFailed, absl::StrCat("the text is nowhere in ", Quoted(check.path),
                                                               ", a file of ", text->size(), " bytes"));
  result.facts["bytes"] = absl::StrCat(text->size());
  return result;
}

StepResult Look(const JsonValid& check, const Place& place, const LookLimits& limits, const Patience& patience) {
  const absl::StatusOr<std::string> text = ReadWhole(place, check.path, limits, patience);
  if (!text.ok()) return Obstacle(text.status(), patience, /*missing_fails=*/true);
  const std::string name = Quoted(check.path);
  const absl::StatusOr<ParsedJson> parsed = ParseStrangersJson(*text);
  if (!parsed.ok()) {
    const StepStatus status = absl::IsInvalidArgument(parsed.status()) ? StepStatus::kFailed : StepStatus::kError;
    return Result(status, absl::StrCat(name, " is no JSON that could be read: ", parsed.status().message()));
  }
  const auto with_facts = [&](StepResult result) {
    result.facts["bytes"] = absl::StrCat(text->size());
    result.facts["values"] = absl::StrCat(parsed->values);
    return result;
  };
  if (check.schema_json.empty()) {
    return with_facts(Result(StepStatus::kPassed, absl::StrCat(name, " is JSON of ", parsed->values, " values")));
  }
  const absl::StatusOr<ParsedJson> schema = ParseStrangersJson(check.schema_json);
  if (!schema.ok()) {
    return Result(StepStatus::kError, absl::StrCat("the schema cannot be read: ", schema.status().message()));
  }
  SchemaBudget budget;
  budget.stop = [&patience] { return patience.over(); };
  const SchemaResult found = ValidateJson(schema->json, parsed->json, std::move(budget));
  switch (found.verdict) {
    case SchemaVerdict::kValid:
      return with_facts(Result(StepStatus::kPassed,
                               absl::StrCat(name, " is JSON of ", parsed->values, " values and fits the schema")));
    case SchemaVerdict::kInvalid:
      return with_facts(Result(StepStatus::kFailed, absl::StrCat(name, " does not fit the schema: ", found.message)));
    case SchemaVerdict::kUnable:
      break;
  }
  if (patience.over()) return patience.Ended();
  return Result(StepStatus::kError, absl::StrCat(name, " was not compared: ", found.message));
}

}  // namespace switchyard::executor::checks
