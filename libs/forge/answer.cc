#include "libs/forge/answer.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/unseen.h"
#include "libs/text/utf8.h"

namespace switchyard::forge {
namespace {

using text::Json;
using text::Member;
using text::TextOf;

constexpr std::size_t kMaxWords = 300;
constexpr std::size_t kMaxUrl = 1024;

absl::Status Failure(absl::StatusCode code, std::string_view reason, std::string_view message) {
  return MakeError(code, reason, message);
}

constexpr char kConcerns[] = "concerns";
constexpr char kForge[] = "forge";

absl::Status OfTheForge(absl::StatusCode code, const char* reason, std::string_view message) {
  return MakeError(
      code, message,
      ErrorDetails{
          .reason = reason, .metadata = {{kConcerns, kForge}}, .violations = {}, .retry_after = absl::ZeroDuration()});
}

// The forge's own words, on one line and fit to be shown.
std::string Words(const http::HttpOutcome& outcome, std::string_view secret) {
  const std::optional<Json> json = text::ParseJson(outcome.body);
  std::string words;
  if (json.has_value()) {
    words = TextOf(Member(*json, "message"));
    const Json& errors = Member(*json, "errors");
    if (errors.is_array()) {
      for (const Json& error : errors) {
        const std::string& more = error.is_string() ? TextOf(error) : TextOf(Member(error, "message"));
        if (!more.empty()) absl::StrAppend(&words, words.empty() ? "" : ": ", more);
        if (words.size() > 4 * kMaxWords) break;
      }
    }
  }
  if (!secret.empty()) words = absl::StrReplaceAll(words, {{ToAbsl(secret), ToAbsl(text::kRedacted)}});
  words = text::Redact(text::StripUnseen(words));
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return std::string(text::TruncateUtf8(words, kMaxWords));
}

std::string Said(int status, const std::string& words) {
  std::string said = absl::StrCat("the forge answered ", status);
  if (!words.empty()) absl::StrAppend(&said, ": ", words);
  return said;
}

std::optional<absl::Duration> RateLimitOf(const http::HttpOutcome& outcome, const std::string& words, absl::Time now) {
  const int status = outcome.head.status;
  if (status != 429 && status != 403) return std::nullopt;
  const http::HttpHeaders& headers = outcome.head.headers;
  const std::optional<absl::Duration> after = http::RetryAfter(headers, now);
  const std::string* const remaining = http::FindHeader(headers, "x-ratelimit-remaining");
  const bool none_left = remaining != nullptr && absl::StripAsciiWhitespace(*remaining) == "0";
  const bool says_so = absl::StrContains(absl::AsciiStrToLower(words), "rate limit");
  if (status == 403 && !after.has_value() && !none_left && !says_so) return std::nullopt;
  if (after.has_value()) return *after;
  const std::string* const reset = http::FindHeader(headers, "x-ratelimit-reset");
  std::int64_t seconds = 0;
  if (none_left && reset != nullptr && absl::SimpleAtoi(*reset, &seconds) && seconds > 0) {
    return std::clamp(absl::FromUnixSeconds(seconds) - now, absl::ZeroDuration(), absl::Hours(2));
  }
  return absl::ZeroDuration();
}

absl::Status NoAnswer(const http::HttpOutcome& outcome) {
  const std::string said = absl::StrCat("no answer of the forge: ", outcome.detail.empty() ? "" : outcome.detail + ", ",
                                        std::string(http::FailureName(outcome.failure)));
  if (outcome.failure == http::HttpFailure::kTooLarge || outcome.failure == http::HttpFailure::kProtocol) {
    return Malformed(said);
  }
  switch (outcome.failure) {
    case http::HttpFailure::kNotResolved:
    case http::HttpFailure::kRefused:
    case http::HttpFailure::kTls:
    case http::HttpFailure::kConnectTimeout:
      return OfTheForge(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", said);
    default:
      return Failure(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", said);
  }
}

// The names of branches in `side`, "head" or "base".
std::string BranchOf(const Json& side) {
  const std::string& ref = TextOf(Member(side, "ref"));
  // Gitea, once the branch is gone.
  if (!absl::StartsWith(ref, "refs/")) return ref;
  const std::string& label = TextOf(Member(side, "label"));
  return label.substr(label.rfind(':') == std::string::npos ? 0 : label.rfind(':') + 1);
}

std::string Clean(const std::string& text) { return text::ReplaceInvalidUtf8(text); }

std::string WebUrl(const std::string& text) {
  const bool web = absl::StartsWith(text, "https://") || absl::StartsWith(text, "http://");
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '<' && c != '>' && c != '"';
  });
  return web && plain && text.size() <= kMaxUrl ? text : "";
}

int Rank(PullRequestState state) {
  switch (state) {
    case PullRequestState::kOpen:
      return 2;
    case PullRequestState::kMerged:
      return 1;
    case PullRequestState::kClosed:
      return 0;
  }
  return 0;
}

}  // namespace

bool ConcernsForge(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  if (details.reason == "FORGE_RATE_LIMITED" || details.reason == "SECRET_UNREADABLE") return true;
  return std::find(details.metadata.begin(), details.metadata.end(),
                   std::pair<std::string, std::string>(kConcerns, kForge)) != details.metadata.end();
}

absl::Status Malformed(std::string_view what) { return Failure(absl::StatusCode::kDataLoss, "FORGE_MALFORMED", what); }

absl::Status StatusOf(const http::HttpOutcome& outcome, Question question, std::string_view secret, absl::Time now) {
  if (outcome.failure != http::HttpFailure::kNone) return NoAnswer(outcome);
  const int status = outcome.head.status;
  if (status >= 200 && status <= 299) return absl::OkStatus();
  const std::string words = Words(outcome, secret);
  const std::string said = Said(status, words);
  if (const std::optional<absl::Duration> wait = RateLimitOf(outcome, words, now); wait.has_value()) {
    return MakeError(absl::StatusCode::kResourceExhausted, said,
                     {.reason = "FORGE_RATE_LIMITED", .metadata = {}, .violations = {}, .retry_after = *wait});
  }
  if (status >= 300 && status <= 399) {
    return Failure(absl::StatusCode::kFailedPrecondition, "FORGE_REDIRECTED",
                   absl::StrCat("the forge answered ", status,
                                ": the repository or the API moved, and the token is sent nowhere else"));
  }
  if (status >= 500 || status == 408) return Failure(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", said);
  switch (status) {
    case 401:
      return OfTheForge(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED", said);
    case 403:
      return Failure(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED", said);
    case 404:
    case 410:
      return Failure(absl::StatusCode::kNotFound, "FORGE_NOT_FOUND", said);
    case 409:
      if (question == Question::kOpen) return Failure(absl::StatusCode::kAlreadyExists, "FORGE_ALREADY_EXISTS", said);
      if (question == Question::kMerge) return Failure(absl::StatusCode::kAborted, "FORGE_CONFLICT", said);
      break;
    case 422:
      if (question == Question::kOpen && absl::StrContains(absl::AsciiStrToLower(words), "already exists")) {
        return Failure(absl::StatusCode::kAlreadyExists, "FORGE_ALREADY_EXISTS", said);
      }
      break;
    default:
      break;
  }
  if (status < 400) return Malformed(said);
  return Failure(absl::StatusCode::kFailedPrecondition, "FORGE_REFUSED", said);
}

absl::StatusOr<PullRequest> PullRequestOf(const Json& json) {
  const std::optional<std::int64_t> number = text::CountOf(Member(json, "number"));
  const Json& head = Member(json, "head");
  const Json& base = Member(json, "base");
  const std::string& state = TextOf(Member(json, "state"));
  if (!number.has_value() || *number == 0 || !head.is_object() || !base.is_object() ||
      (state != "open" && state != "closed")) {
    return Malformed("the forge's answer is no pull request");
  }
  PullRequest pull;
  pull.number = *number;
  pull.url = WebUrl(TextOf(Member(json, "html_url")));
  const bool merged = text::IsTrue(Member(json, "merged")) || Member(json, "merged_at").is_string();
  pull.state = merged            ? PullRequestState::kMerged
               : state == "open" ? PullRequestState::kOpen
                                 : PullRequestState::kClosed;
  pull.draft = text::IsTrue(Member(json, "draft"));
  pull.title = Clean(TextOf(Member(json, "title")));
  pull.body = Clean(TextOf(Member(json, "body")));
  pull.head_branch = Clean(BranchOf(head));
  pull.head_commit = TextOf(Member(head, "sha"));
  pull.base_branch = Clean(BranchOf(base));
  if (!IsCommit(pull.head_commit) || pull.head_branch.empty() || pull.base_branch.empty()) {
    return Malformed("the forge's answer is no pull request");
  }
  const std::string& head_repository = TextOf(Member(Member(head, "repo"), "full_name"));
  const std::string& base_repository = TextOf(Member(Member(base, "repo"), "full_name"));
  pull.from_fork = head_repository.empty() || !absl::EqualsIgnoreCase(head_repository, base_repository);
  if (const Json& mergeable = Member(json, "mergeable"); mergeable.is_boolean()) pull.mergeable = mergeable.get<bool>();
  return pull;
}

absl::StatusOr<std::vector<PullRequest>> PullRequestsOf(const Json& json) {
  if (!json.is_array()) return Malformed("the forge's answer is no list");
  std::vector<PullRequest> pulls;
  for (const Json& item : json) {
    SY_ASSIGN_OR_RETURN(PullRequest pull, PullRequestOf(item));
    pulls.push_back(std::move(pull));
  }
  return pulls;
}

void Prefer(std::vector<PullRequest> found, std::string_view head_branch, std::optional<PullRequest>& best) {
  for (PullRequest& pull : found) {
    if (pull.from_fork || pull.head_branch != head_branch) continue;
    const auto key = [](const PullRequest& of) { return std::pair(Rank(of.state), of.number); };
    if (!best.has_value() || key(pull) > key(*best)) best = std::move(pull);
  }
}

absl::StatusOr<std::vector<ChangedFile>> ChangedFilesOf(const Json& json) {
  if (!json.is_array()) return Malformed("the forge's answer is no list");
  std::vector<ChangedFile> files;
  for (const Json& item : json) {
    const std::string& status = TextOf(Member(item, "status"));
    ChangedFile file{.path = TextOf(Member(item, "filename")),
                     .former_path = TextOf(Member(item, "previous_filename")),
                     .added = status == "added" || status == "copied" || status == "renamed",
                     .deleted = status == "removed" || status == "deleted",
                     .additions = text::CountOf(Member(item, "additions")).value_or(-1),
                     .deletions = text::CountOf(Member(item, "deletions")).value_or(-1)};
    if (file.path.empty() || file.additions < 0 || file.deletions < 0) {
      return Malformed("the forge's answer is no list of files");
    }
    files.push_back(std::move(file));
  }
  return files;
}

CommitStatus Both(CommitStatus a, CommitStatus b) {
  for (const CommitStatus worse : {CommitStatus::kFailure, CommitStatus::kPending, CommitStatus::kSuccess}) {
    if (a == worse || b == worse) return worse;
  }
  return CommitStatus::kNone;
}

absl::StatusOr<CommitStatus> CommitStatusOf(const Json& json) {
  const Json& state = Member(json, "state");
  const std::optional<std::int64_t> count = text::CountOf(Member(json, "total_count"));
  if (!state.is_string() || !count.has_value()) return Malformed("the forge's answer is no status of a commit");
  // Without any, one manner says "pending" and the other says nothing.
  if (*count == 0) return CommitStatus::kNone;
  const std::string& name = TextOf(state);
  if (name == "success") return CommitStatus::kSuccess;
  if (name == "pending") return CommitStatus::kPending;
  return CommitStatus::kFailure;
}

absl::StatusOr<CommitStatus> CheckRunsOf(const Json& json) {
  const std::optional<std::int64_t> count = text::CountOf(Member(json, "total_count"));
  const Json& runs = Member(json, "check_runs");
  if (!count.has_value() || !runs.is_array()) return Malformed("the forge's answer is no list of check runs");
  // Those that were left out may say anything.
  CommitStatus all = static_cast<std::size_t>(*count) > runs.size() ? CommitStatus::kPending : CommitStatus::kNone;
  for (const Json& run : runs) {
    const std::string& conclusion = TextOf(Member(run, "conclusion"));
    CommitStatus one = CommitStatus::kFailure;
    if (TextOf(Member(run, "status")) != "completed") {
      one = CommitStatus::kPending;
    } else if (conclusion == "success" || conclusion == "neutral" || conclusion == "skipped") {
      one = CommitStatus::kSuccess;
    }
    all = Both(all, one);
  }
  return all;
}

}  // namespace switchyard::forge
