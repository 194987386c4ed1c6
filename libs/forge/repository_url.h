#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace switchyard::forge {

// Where git clones a repository from, or what several such places have in common.
struct RepositoryUrl {
  // "https", "http", "ssh" or "file".
  std::string scheme;
  // In lower case, an IPv6 address in brackets; empty for files.
  std::string host;
  int port = 0;
  // Of its path, without ".git" at the end of the last one; none for all that a host has.
  std::vector<std::string> segments;
};

// Takes https:// and http:// without user and password, ssh:// and git@host:path without password, and file:///path.
// INVALID_ARGUMENT, reason INVALID_REPOSITORY: anything else, and paths with "..", a segment that begins with a dash,
// or characters that repositories do not have. The text is never repeated: it may hold a secret by mistake.
absl::StatusOr<RepositoryUrl> ParseRepositoryUrl(std::string_view text);

// Whether `prefix` covers `url`: the same host, and the path begins with that of the prefix, segment by segment. A
// prefix of a forge's web pages covers ssh URLs of the same host too, whatever the port; http never stands for https.
bool IsBelow(const RepositoryUrl& url, const RepositoryUrl& prefix);

// As a forge calls it.
struct RepositoryName {
  std::string owner;
  std::string name;

  // "acme/widget".
  std::string ToString() const { return owner + "/" + name; }
  friend bool operator==(const RepositoryName&, const RepositoryName&) = default;
};

// The last two segments. INVALID_ARGUMENT, reason INVALID_REPOSITORY, for fewer.
absl::StatusOr<RepositoryName> NameOf(const RepositoryUrl& url);

// Whether git takes this as the name of a branch, and it is one that cannot be mistaken for an option or a range.
bool IsBranchName(std::string_view text);
// 40 or 64 hexadecimal digits in lower case.
bool IsCommit(std::string_view text);

}  // namespace switchyard::forge
