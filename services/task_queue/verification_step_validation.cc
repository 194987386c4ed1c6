#include "services/task_queue/verification_step_validation.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "libs/base/strings.h"
#include "libs/text/glob.h"
#include "services/task_queue/field_checks.h"

namespace switchyard::task_queue {
namespace {

constexpr int kMaxGlobs = 100;
constexpr std::size_t kLiteralBytes = 64 * kKibibyte;
constexpr std::size_t kSchemaBytes = 64 * kKibibyte;

void Check(const FieldPath& path, const v1::FileContains& check, FaultList& faults) {
  CheckInnerPath(path.Field("path"), check.path(), faults);
  CheckFilledText(path.Field("text"), check.text(), kLiteralBytes, faults);
}

void Check(const FieldPath& path, const v1::ChangedOnly& check, FaultList& faults) {
  const FieldPath globs = path.Field("globs");
  const int count = CheckFilledCount(globs, check.globs_size(), kMaxGlobs, faults);
  for (int i = 0; i < count; ++i) {
    const absl::Status status = text::ValidateGlob(check.globs(i));
    if (!status.ok()) faults.Add(globs.At(i), status.message());
  }
}

void Check(const FieldPath& path, const v1::MaxDiffLines& check, FaultList& faults) {
  CheckNumber(path.Field("lines"), check.lines(), 1, std::numeric_limits<std::int32_t>::max(), faults);
}

void Check(const FieldPath& path, const v1::JsonValid& check, FaultList& faults) {
  CheckInnerPath(path.Field("path"), check.path(), faults);
  if (!check.schema_json().empty())
    CheckJsonObject(path.Field("schema_json"), check.schema_json(), kSchemaBytes, faults);
}

// The host may be anything; that it can be reached is for the check itself to find out.
bool IsHttpUrl(std::string_view url) {
  std::string scheme(url.substr(0, url.find("://")));
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (scheme != "http" && scheme != "https") return false;
  if (scheme.size() == url.size()) return false;
  const std::string_view rest = url.substr(scheme.size() + 3);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  return !authority.empty() && authority.front() != ':' && url.find_first_of(" \\") == std::string_view::npos;
}

void Check(const FieldPath& path, const v1::HttpOk& check, FaultList& faults) {
  const FieldPath url = path.Field("url");
  CheckFilledLine(url, check.url(), kLinkBytes, faults);
  if (!check.url().empty() && check.url().size() <= kLinkBytes && !IsHttpUrl(check.url())) {
    faults.Add(url, "must be an http:// or https:// address with a host");
  }
  if (check.expected_status() != 0)
    CheckNumber(path.Field("expected_status"), check.expected_status(), 100, 599, faults);
}

}  // namespace

void CheckVerificationStep(const FieldPath& path, const v1::VerificationStep& step, FaultList& faults) {
  CheckLine(path.Field("name"), step.name(), kNameBytes, faults);
  if (step.has_timeout()) CheckSpan(path.Field("timeout"), step.timeout(), kLongestSpan, faults);
  switch (step.check_case()) {
    case v1::VerificationStep::kFileExists:
      return CheckInnerPath(path.Field("file_exists").Field("path"), step.file_exists().path(), faults);
    case v1::VerificationStep::kFileContains:
      return Check(path.Field("file_contains"), step.file_contains(), faults);
    case v1::VerificationStep::kTestPasses:
      return CheckArgv(path.Field("test_passes").Field("argv"), step.test_passes().argv(), faults);
    case v1::VerificationStep::kCommandSucceeds:
      return CheckArgv(path.Field("command_succeeds").Field("argv"), step.command_succeeds().argv(), faults);
    case v1::VerificationStep::kChangedOnly:
      return Check(path.Field("changed_only"), step.changed_only(), faults);
    case v1::VerificationStep::kMaxDiffLines:
      return Check(path.Field("max_diff_lines"), step.max_diff_lines(), faults);
    case v1::VerificationStep::kJsonValid:
      return Check(path.Field("json_valid"), step.json_valid(), faults);
    case v1::VerificationStep::kHttpOk:
      return Check(path.Field("http_ok"), step.http_ok(), faults);
    case v1::VerificationStep::kGitClean:
    case v1::VerificationStep::kDiffNotEmpty:
    case v1::VerificationStep::kNoSecrets:
      return;
    case v1::VerificationStep::CHECK_NOT_SET:
      faults.Add(path.Field("check"), "must be a check that this server knows, got none");
  }
}

}  // namespace switchyard::task_queue
