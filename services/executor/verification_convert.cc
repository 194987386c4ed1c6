#include "services/executor/verification_convert.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "services/executor/agent_convert.h"

namespace switchyard::executor {
namespace {

namespace queue = task_queue::v1;

std::vector<std::string> ToStrings(const google::protobuf::RepeatedPtrField<std::string>& items) {
  return {items.begin(), items.end()};
}

}  // namespace

absl::StatusOr<std::vector<checks::Step>> ToSteps(const queue::TaskSpec& spec) {
  using Message = queue::VerificationStep;
  std::vector<checks::Step> steps;
  for (const Message& message : spec.verification()) {
    checks::Step step{.name = message.name(),
                      .timeout = ToDuration(message.timeout()),
                      .optional = message.optional(),
                      .check = checks::GitClean{}};
    switch (message.check_case()) {
      case Message::kFileExists:
        step.check = checks::FileExists{.path = message.file_exists().path()};
        break;
      case Message::kFileContains:
        step.check =
            checks::FileContains{.path = message.file_contains().path(), .text = message.file_contains().text()};
        break;
      case Message::kTestPasses:
        step.check = checks::TestPasses{.argv = ToStrings(message.test_passes().argv())};
        break;
      case Message::kCommandSucceeds:
        step.check = checks::CommandSucceeds{.argv = ToStrings(message.command_succeeds().argv())};
        break;
      case Message::kGitClean:
        break;
      case Message::kDiffNotEmpty:
        step.check = checks::DiffNotEmpty{};
        break;
      case Message::kChangedOnly:
        step.check = checks::ChangedOnly{.globs = ToStrings(message.changed_only().globs())};
        break;
      case Message::kMaxDiffLines:
        step.check = checks::MaxDiffLines{.lines = message.max_diff_lines().lines()};
        break;
      case Message::kJsonValid:
        step.check =
            checks::JsonValid{.path = message.json_valid().path(), .schema_json = message.json_valid().schema_json()};
        break;
      case Message::kHttpOk:
        step.check = checks::HttpOk{
            .url = message.http_ok().url(),
            .expected_status = message.http_ok().expected_status() != 0 ? message.http_ok().expected_status() : 200};
        break;
      case Message::kNoSecrets:
        step.check = checks::NoSecrets{};
        break;
      case Message::CHECK_NOT_SET:
        return MakeError(
            absl::StatusCode::kInvalidArgument, "UNSUPPORTED",
            absl::StrCat("verification step ", steps.size(), " is of a kind that this executor does not know"));
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

RepositoryWork ToRepository(const queue::TaskSpec& spec) {
  RepositoryWork work;
  work.repository = spec.context().repository();
  work.base_branch = spec.context().base_branch().empty() ? spec.context().branch() : spec.context().base_branch();
  work.files = ToStrings(spec.context().files());
  work.push = spec.delivery().push();
  work.pull_request = spec.delivery().pull_request();
  work.draft = spec.delivery().draft();
  work.auto_merge = spec.delivery().auto_merge();
  work.title = spec.title();
  work.description = spec.description();
  return work;
}

}  // namespace switchyard::executor
