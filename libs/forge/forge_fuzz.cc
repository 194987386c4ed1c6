// Feeds what strangers write anything: URLs of repositories, and answers of forges. They must keep to what they
// promise.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libs/forge/answer.h"
#include "libs/forge/repository_url.h"
#include "libs/text/utf8.h"

namespace {

namespace forge = switchyard::forge;
namespace http = switchyard::http;
namespace text = switchyard::text;

void CheckUrl(std::string_view input) {
  const absl::StatusOr<forge::RepositoryUrl> url = forge::ParseRepositoryUrl(input);
  if (!url.ok()) return;
  for (const std::string& segment : url->segments) {
    if (segment.empty() || segment == ".." || segment == "." || segment.front() == '-') __builtin_trap();
    if (segment.find_first_of("/?#%\\ \n") != std::string::npos) __builtin_trap();
  }
  if (!forge::IsBelow(*url, *url)) __builtin_trap();
  const absl::StatusOr<forge::RepositoryName> name = forge::NameOf(*url);
  if (name.ok() && (name->owner.front() == '.' || name->name.front() == '.')) __builtin_trap();
}

void CheckAnswer(std::string_view input, int status, forge::Question question) {
  http::HttpOutcome outcome;
  outcome.head.status = status;
  outcome.body = std::string(input);
  const absl::Status said = forge::StatusOf(outcome, question, "hunter2", absl::UnixEpoch());
  if (said.ok() != (status >= 200 && status <= 299)) __builtin_trap();
  if (said.message().size() > 600 || said.message().find("hunter2") != absl::string_view::npos) __builtin_trap();
  if (!text::IsValidUtf8({said.message().data(), said.message().size()})) __builtin_trap();
  const std::optional<text::Json> json = text::ParseJson(input);
  if (!json.has_value()) return;
  if (const absl::StatusOr<forge::PullRequest> pull = forge::PullRequestOf(*json); pull.ok()) {
    if (pull->number <= 0 || !forge::IsCommit(pull->head_commit) || pull->head_branch.empty()) __builtin_trap();
    if (!text::IsValidUtf8(pull->body)) __builtin_trap();
  }
  if (absl::StatusOr<std::vector<forge::PullRequest>> pulls = forge::PullRequestsOf(*json); pulls.ok()) {
    std::optional<forge::PullRequest> best;
    forge::Prefer(*std::move(pulls), "agent/1", best);
    if (best.has_value() && (best->from_fork || best->head_branch != "agent/1")) __builtin_trap();
  }
  forge::ChangedFilesOf(*json).IgnoreError();
  forge::CommitStatusOf(*json).IgnoreError();
  forge::CheckRunsOf(*json).IgnoreError();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  CheckUrl(input);
  forge::IsBranchName(input);
  CheckAnswer(input, 200 + data[0] + data[1], static_cast<forge::Question>(data[1] % 4));
  return 0;
}
