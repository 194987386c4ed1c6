#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard::executor::repository {

// Where a repository is, in one way of writing it.
struct RepositoryUrl {
  // "https", "ssh", "http" or "file".
  std::string scheme;
  std::string user;
  // In lower case; an IPv6 address in brackets.
  std::string host;
  // -1: that of the scheme.
  int port = -1;
  // "/" and segments, without one at its end.
  std::string path;

  std::string ToString() const;
  // The same for all ways of naming one repository: without ".git".
  std::string Key() const;
};

// INVALID_ARGUMENT, reason INVALID_URL. Taken are https://, ssh://, http:// and file:// URLs, USER@HOST:PATH (read as
// ssh://USER@HOST/PATH) and absolute paths. Refused: passwords, queries, percent signs, "." and ".." segments, whatever
// begins with
// "-", characters that no URL has, and every other transport.
absl::StatusOr<RepositoryUrl> ParseRepositoryUrl(std::string_view text);

// Same scheme, user, host and port, and its path begins with that of the prefix, segment by segment.
bool IsBelow(const RepositoryUrl& url, const RepositoryUrl& prefix);

// Which repositories tasks may name, and which secrets go where. Thread-safe.
class RepositoryPolicy {
 public:
  using Resolve = std::function<absl::StatusOr<std::string>(const std::string& reference)>;

  // `repositories`: URL prefixes and "NAME=URL". `credentials`: "REFERENCE URL_PREFIX". INVALID_ARGUMENT, reason
  // INVALID_FIELD, with all faults at once; lines that may hold a secret are not repeated.
  static absl::StatusOr<RepositoryPolicy> Make(const std::vector<std::string>& repositories,
                                               const std::vector<std::string>& credentials, Resolve resolve);
  // Allows none.
  RepositoryPolicy() = default;

  bool empty() const { return prefixes_.empty() && names_.empty(); }
  // PERMISSION_DENIED, reason REPOSITORY_NOT_ALLOWED; INVALID_ARGUMENT, reason INVALID_URL.
  absl::StatusOr<RepositoryUrl> Find(std::string_view repository) const;
  bool MayUseFiles() const;

  struct Credential {
    // Of ssh: the key file.
    std::string key_file;
    // Of https and http.
    std::string secret;
  };
  // Read now and kept nowhere; empty when no line covers the URL. The longest prefix wins. FAILED_PRECONDITION, reason
  // SECRET_UNREADABLE.
  absl::StatusOr<Credential> CredentialFor(const RepositoryUrl& url) const;
  // Of all "file:PATH": no task may see them.
  std::vector<std::string> Files() const;

 private:
  struct Name {
    std::string name;
    RepositoryUrl url;
  };
  struct Secret {
    std::string reference;
    RepositoryUrl prefix;
  };
  std::vector<RepositoryUrl> prefixes_;
  std::vector<Name> names_;
  std::vector<Secret> secrets_;
  Resolve resolve_;
};

}  // namespace switchyard::executor::repository
