// What forges answer, and what it means. Pure; whatever an answer holds, nothing here fails but by a status.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/forge/forge.h"
#include "libs/http/http_transport.h"
#include "libs/text/json_reader.h"

namespace switchyard::forge {

// What was asked for, as far as an answer means something else then.
enum class Question { kRead, kOpen, kUpdate, kMerge };

// OK for a whole answer of 2xx; otherwise as Forge says. `secret`, when it is not empty, is taken out of the forge's
// words.
absl::Status StatusOf(const http::HttpOutcome& outcome, Question question, std::string_view secret, absl::Time now);

// Whether any other question to this forge would go the same way: it limits, refuses the token or cannot be reached.
bool ConcernsForge(const absl::Status& status);

// DATA_LOSS, reason FORGE_MALFORMED.
absl::Status Malformed(std::string_view what);

// FORGE_MALFORMED for what is no pull request. Texts are well-formed; the URL is empty unless it is one of the web.
absl::StatusOr<PullRequest> PullRequestOf(const text::Json& json);
absl::StatusOr<std::vector<PullRequest>> PullRequestsOf(const text::Json& json);
// The one of this branch of the repository itself that counts, as Forge::FindPullRequest has it.
void Prefer(std::vector<PullRequest> found, std::string_view head_branch, std::optional<PullRequest>& best);

absl::StatusOr<std::vector<ChangedFile>> ChangedFilesOf(const text::Json& json);

// The combined status of both manners, and the check runs of one of them.
absl::StatusOr<CommitStatus> CommitStatusOf(const text::Json& json);
absl::StatusOr<CommitStatus> CheckRunsOf(const text::Json& json);
// The worse of two: failure, pending, success, none.
CommitStatus Both(CommitStatus a, CommitStatus b);

}  // namespace switchyard::forge
