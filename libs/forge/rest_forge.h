#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/forge/answer.h"
#include "libs/forge/forge.h"
#include "libs/http/http_transport.h"
#include "libs/text/json_reader.h"

namespace switchyard::forge {

// How a forge wants to be spoken to, where they differ.
enum class Manner {
  kGitHub,
  // Forgejo's too.
  kGitea,
};

struct RestForgeOptions {
  // As ParseEndpointUrl takes it, without "/" at its end.
  std::string api_url;
  Manner manner = Manner::kGitHub;
  // Asked at each call; its failure is the call's.
  std::function<absl::StatusOr<std::string>()> token;
  http::HttpTimeouts timeouts = {.queue = absl::Seconds(30),
                                 .connect = absl::Seconds(10),
                                 .first_byte = absl::Seconds(30),
                                 .idle = absl::Seconds(30),
                                 .total = absl::Minutes(1)};
  std::size_t max_body_bytes = std::size_t{8} << 20;
  // Of a list that cannot be filtered there; the newest come first, and what is older than the branch's id is not read.
  // What goes on behind that is an error, unless it was found.
  int max_pages = 20;
};

// The REST API of GitHub, Gitea and Forgejo. The token goes to `api_url` alone. Thread-safe.
class RestForge final : public Forge {
 public:
  // Borrows both; the transport is stopped before this is destroyed.
  RestForge(RestForgeOptions options, http::HttpTransport& transport, const Clock& clock);

  void FindPullRequest(const RepositoryName& repository, const std::string& head_branch,
                       Done<std::optional<PullRequest>> done) override;
  void OpenPullRequest(const RepositoryName& repository, const NewPullRequest& wanted, Done<PullRequest> done) override;
  void GetPullRequest(const RepositoryName& repository, std::int64_t number, Done<PullRequest> done) override;
  void ListFiles(const RepositoryName& repository, std::int64_t number, Done<std::vector<ChangedFile>> done) override;
  void SetBody(const RepositoryName& repository, std::int64_t number, const std::string& body,
               Done<PullRequest> done) override;
  void MergePullRequest(const RepositoryName& repository, std::int64_t number, const std::string& head_commit,
                        std::function<void(absl::Status)> done) override;
  void CompareBranches(const RepositoryName& repository, const std::string& base, const std::string& head,
                       Done<Comparison> done) override;
  void GetCombinedStatus(const RepositoryName& repository, const std::string& commit, Done<CommitStatus> done) override;

 private:
  struct Call {
    std::string method = "GET";
    // Behind "/repos/OWNER/NAME", encoded.
    std::string path;
    // Null: none.
    text::Json body;
    Question question = Question::kRead;
    // An answer without a body is one too; it is null then.
    bool may_be_empty = false;
  };
  // `done` gets the JSON of a 2xx answer.
  void Ask(const RepositoryName& repository, Call call, Done<text::Json> done);
  // "per_page=100&page=2".
  std::string Page(int page) const;
  bool gitea() const { return options_.manner == Manner::kGitea; }

  // From `page` on; what was found so far is in the arguments.
  void FindFrom(int page, const RepositoryName& repository, const std::string& head_branch,
                std::optional<PullRequest> best, Done<std::optional<PullRequest>> done);
  void ListFrom(int page, const RepositoryName& repository, std::int64_t number, std::vector<ChangedFile> files,
                Done<std::vector<ChangedFile>> done);
  // Commits that `head` has and `base` has not.
  void CountAhead(const RepositoryName& repository, const std::string& base, const std::string& head,
                  Done<std::int64_t> done);

  const RestForgeOptions options_;
  http::HttpTransport& transport_;
  const Clock& clock_;
};

}  // namespace switchyard::forge
