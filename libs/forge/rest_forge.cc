#include "libs/forge/rest_forge.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/id.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::forge {
namespace {

using text::Json;

// What Gitea takes as a title of a draft.
constexpr std::string_view kDraftPrefix = "WIP: ";
constexpr std::size_t kGitHubPage = 100;
constexpr std::size_t kGiteaPage = 50;
// As clocks of two machines may be.
constexpr absl::Duration kClocksApart = absl::Hours(24);

absl::Status NotSent(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_REPOSITORY", what);
}

// Slashes stay: branches have them, and both manners take them in paths.
std::string Encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const unsigned char byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || std::string_view("-._~/").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

// Whether the last of a list, newest first, was there before the branch can have been: one that ends in an id which
// tells when it was made. False where that cannot be told.
bool IsOlder(const Json& list, const std::string& branch) {
  const absl::StatusOr<Uuid> id = Uuid::Parse(std::string_view(branch).substr(branch.rfind('/') + 1));
  absl::Time made;
  std::string error;
  if (!id.ok() || list.empty() || id->bytes()[6] >> 4 != 7 ||
      !absl::ParseTime(absl::RFC3339_full, text::TextOf(text::Member(list.back(), "created_at")), &made, &error)) {
    return false;
  }
  return made < id->time() - kClocksApart;
}

bool IsRevision(const std::string& text) { return IsCommit(text) || IsBranchName(text); }

template <class T>
Done<Json> Decoded(Done<T> done, absl::StatusOr<T> (*decode)(const Json&)) {
  return [done = std::move(done), decode](absl::StatusOr<Json> json) {
    if (!json.ok()) return done(json.status());
    done(decode(*json));
  };
}

}  // namespace

RestForge::RestForge(RestForgeOptions options, http::HttpTransport& transport, const Clock& clock)
    : options_(std::move(options)), transport_(transport), clock_(clock) {}

void RestForge::Ask(const RepositoryName& repository, Call call, Done<Json> done) {
  const absl::StatusOr<RepositoryName> name =
      NameOf({.scheme = "https", .host = {}, .port = 0, .segments = {repository.owner, repository.name}});
  if (!name.ok()) return done(name.status());
  absl::StatusOr<std::string> token = options_.token();
  if (!token.ok()) return done(token.status());
  http::HttpRequest request;
  request.method = call.method;
  request.url = absl::StrCat(options_.api_url, "/repos/", name->owner, "/", name->name, call.path);
  request.headers = {{"Accept", gitea() ? "application/json" : "application/vnd.github+json"},
                     {"Authorization", absl::StrCat(gitea() ? "token " : "Bearer ", *token)}};
  if (!gitea()) request.headers.push_back({"X-GitHub-Api-Version", "2022-11-28"});
  if (!call.body.is_null()) {
    request.headers.push_back({"Content-Type", "application/json"});
    request.body = text::DumpJson(call.body);
  }
  request.timeouts = options_.timeouts;
  request.max_body_bytes = options_.max_body_bytes;
  http::HttpCallbacks callbacks;
  callbacks.on_done = [this, done, question = call.question, may_be_empty = call.may_be_empty,
                       secret = *std::move(token)](const http::HttpOutcome& outcome) {
    if (absl::Status status = StatusOf(outcome, question, secret, clock_.Now()); !status.ok()) return done(status);
    if (may_be_empty && absl::StripAsciiWhitespace(outcome.body).empty()) return done(Json());
    std::optional<Json> json = text::ParseJson(outcome.body);
    if (!json.has_value()) return done(Malformed("the forge's answer is not JSON"));
    done(*std::move(json));
  };
  const absl::StatusOr<http::HttpCallId> sent = transport_.Send(std::move(request), std::move(callbacks));
  if (sent.ok()) return;
  // A token with a line end, for example; the message names none of it.
  const bool invalid = sent.status().code() == absl::StatusCode::kInvalidArgument;
  done(invalid ? MakeError(absl::StatusCode::kPermissionDenied, "FORGE_UNAUTHORIZED", ToStd(sent.status().message()))
               : MakeError(absl::StatusCode::kUnavailable, "FORGE_UNAVAILABLE", ToStd(sent.status().message())));
}

std::string RestForge::Page(int page) const {
  return gitea() ? absl::StrCat("limit=", kGiteaPage, "&page=", page)
                 : absl::StrCat("per_page=", kGitHubPage, "&page=", page);
}

// ---- Pull requests.

void RestForge::FindPullRequest(const RepositoryName& repository, const std::string& head_branch,
                                Done<std::optional<PullRequest>> done) {
  if (!IsBranchName(head_branch)) return done(NotSent("not the name of a branch"));
  FindFrom(1, repository, head_branch, std::nullopt, std::move(done));
}

void RestForge::FindFrom(int page, const RepositoryName& repository, const std::string& head_branch,
                         std::optional<PullRequest> best, Done<std::optional<PullRequest>> done) {
  const std::string filter = gitea() ? "" : absl::StrCat("&head=", Encode(repository.owner), ":", Encode(head_branch));
  Ask(repository, {.method = "GET", .path = absl::StrCat("/pulls?state=all&", Page(page), filter), .body = {}},
      [this, page, repository, head_branch, best = std::move(best), done](absl::StatusOr<Json> json) mutable {
        if (!json.ok()) return done(json.status());
        absl::StatusOr<std::vector<PullRequest>> found = PullRequestsOf(*json);
        if (!found.ok()) return done(found.status());
        // Gitea's pages may be smaller than asked for.
        const bool last =
            found->empty() || (!gitea() && found->size() < kGitHubPage) || (gitea() && IsOlder(*json, head_branch));
        Prefer(*std::move(found), head_branch, best);
        if (!last && page >= options_.max_pages && !best.has_value()) {
          return done(Malformed("more pull requests than can be looked at"));
        }
        if (last || page >= options_.max_pages || (best.has_value() && best->state == PullRequestState::kOpen))
          return done(std::move(best));
        FindFrom(page + 1, repository, head_branch, std::move(best), std::move(done));
      });
}

void RestForge::OpenPullRequest(const RepositoryName& repository, const NewPullRequest& wanted,
                                Done<PullRequest> done) {
  if (!IsBranchName(wanted.head_branch) || !IsBranchName(wanted.base_branch)) {
    return done(NotSent("not the name of a branch"));
  }
  Json body = Json::object(
      {{"title", wanted.title}, {"body", wanted.body}, {"head", wanted.head_branch}, {"base", wanted.base_branch}});
  if (wanted.draft && gitea()) body["title"] = absl::StrCat(ToAbsl(kDraftPrefix), wanted.title);
  if (wanted.draft && !gitea()) body["draft"] = true;
  Ask(repository, {.method = "POST", .path = "/pulls", .body = std::move(body), .question = Question::kOpen},
      Decoded<PullRequest>(std::move(done), PullRequestOf));
}

void RestForge::GetPullRequest(const RepositoryName& repository, std::int64_t number, Done<PullRequest> done) {
  Ask(repository, {.method = "GET", .path = absl::StrCat("/pulls/", number), .body = {}},
      Decoded<PullRequest>(std::move(done), PullRequestOf));
}

void RestForge::SetBody(const RepositoryName& repository, std::int64_t number, const std::string& body,
                        Done<PullRequest> done) {
  Ask(repository,
      {.method = "PATCH",
       .path = absl::StrCat("/pulls/", number),
       .body = Json::object({{"body", body}}),
       .question = Question::kUpdate},
      Decoded<PullRequest>(std::move(done), PullRequestOf));
}

void RestForge::ListFiles(const RepositoryName& repository, std::int64_t number, Done<std::vector<ChangedFile>> done) {
  ListFrom(1, repository, number, {}, std::move(done));
}

void RestForge::ListFrom(int page, const RepositoryName& repository, std::int64_t number,
                         std::vector<ChangedFile> files, Done<std::vector<ChangedFile>> done) {
  Ask(repository, {.method = "GET", .path = absl::StrCat("/pulls/", number, "/files?", Page(page)), .body = {}},
      [this, page, repository, number, files = std::move(files), done](absl::StatusOr<Json> json) mutable {
        if (!json.ok()) return done(json.status());
        absl::StatusOr<std::vector<ChangedFile>> more = ChangedFilesOf(*json);
        if (!more.ok()) return done(more.status());
        const bool last = more->empty() || (!gitea() && more->size() < kGitHubPage);
        for (ChangedFile& file : *more) files.push_back(std::move(file));
        if (files.size() > kMostFiles) return done(Malformed("more files than can be looked at"));
        if (last) return done(std::move(files));
        ListFrom(page + 1, repository, number, std::move(files), std::move(done));
      });
}

void RestForge::MergePullRequest(const RepositoryName& repository, std::int64_t number, const std::string& head_commit,
                                 std::function<void(absl::Status)> done) {
  if (!IsCommit(head_commit)) return done(NotSent("not a commit"));
  Json body =
      gitea() ? Json::object({{"Do", "merge"}, {"head_commit_id", head_commit}}) : Json::object({{"sha", head_commit}});
  Ask(repository,
      {.method = gitea() ? "POST" : "PUT",
       .path = absl::StrCat("/pulls/", number, "/merge"),
       .body = std::move(body),
       .question = Question::kMerge,
       .may_be_empty = gitea()},
      [done = std::move(done)](const absl::StatusOr<Json>& json) {
        if (!json.ok()) return done(json.status());
        if (json->is_object() && json->contains("merged") && !text::IsTrue(text::Member(*json, "merged"))) {
          return done(MakeError(absl::StatusCode::kFailedPrecondition, "FORGE_REFUSED", "the forge did not merge it"));
        }
        done(absl::OkStatus());
      });
}

// ---- Commits.

void RestForge::CountAhead(const RepositoryName& repository, const std::string& base, const std::string& head,
                           Done<std::int64_t> done) {
  Ask(repository,
      {.method = "GET",
       .path =
           absl::StrCat("/compare/", Encode(base), "...", Encode(head), "?files=false&stat=false&verification=false"),
       .body = {}},
      [done = std::move(done)](const absl::StatusOr<Json>& json) {
        if (!json.ok()) return done(json.status());
        const std::optional<std::int64_t> count = text::CountOf(text::Member(*json, "total_commits"));
        if (!count.has_value()) return done(Malformed("the forge's answer is no comparison"));
        done(*count);
      });
}

void RestForge::CompareBranches(const RepositoryName& repository, const std::string& base, const std::string& head,
                                Done<Comparison> done) {
  if (!IsRevision(base) || !IsRevision(head)) return done(NotSent("not the name of a branch"));
  if (gitea()) {
    return CountAhead(repository, base, head,
                      [this, repository, base, head, done = std::move(done)](absl::StatusOr<std::int64_t> ahead) {
                        if (!ahead.ok()) return done(ahead.status());
                        CountAhead(repository, head, base, [done, ahead = *ahead](absl::StatusOr<std::int64_t> behind) {
                          if (!behind.ok()) return done(behind.status());
                          done(Comparison{.ahead = ahead, .behind = *behind});
                        });
                      });
  }
  // Files are on the first page only, and not wanted.
  Ask(repository,
      {.method = "GET",
       .path = absl::StrCat("/compare/", Encode(base), "...", Encode(head), "?per_page=1&page=2"),
       .body = {}},
      [done = std::move(done)](const absl::StatusOr<Json>& json) {
        if (!json.ok()) return done(json.status());
        const std::optional<std::int64_t> ahead = text::CountOf(text::Member(*json, "ahead_by"));
        const std::optional<std::int64_t> behind = text::CountOf(text::Member(*json, "behind_by"));
        if (!ahead.has_value() || !behind.has_value()) return done(Malformed("the forge's answer is no comparison"));
        done(Comparison{.ahead = *ahead, .behind = *behind});
      });
}

void RestForge::GetCombinedStatus(const RepositoryName& repository, const std::string& commit,
                                  Done<CommitStatus> done) {
  if (!IsRevision(commit)) return done(NotSent("not a commit"));
  const std::string path = absl::StrCat("/commits/", Encode(commit));
  Ask(repository, {.method = "GET", .path = absl::StrCat(path, "/status"), .body = {}},
      [this, repository, path, done = std::move(done)](const absl::StatusOr<Json>& json) {
        if (!json.ok()) return done(json.status());
        const absl::StatusOr<CommitStatus> statuses = CommitStatusOf(*json);
        if (!statuses.ok() || gitea()) return done(statuses);
        Ask(repository, {.method = "GET", .path = absl::StrCat(path, "/check-runs?per_page=100"), .body = {}},
            [done, statuses = *statuses](const absl::StatusOr<Json>& json) {
              if (!json.ok()) return done(json.status());
              const absl::StatusOr<CommitStatus> runs = CheckRunsOf(*json);
              if (!runs.ok()) return done(runs.status());
              done(Both(statuses, *runs));
            });
      });
}

}  // namespace switchyard::forge
