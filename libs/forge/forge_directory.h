#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/forge/forge.h"
#include "libs/forge/repository_url.h"
#include "libs/http/http_transport.h"

namespace switchyard::forge {

// A repository at its forge.
struct Place {
  // Lives as long as the directory.
  Forge* forge = nullptr;
  RepositoryName repository;
};

// The forges that are configured, and whose repositories each has. Tokens are read at each use, kept nowhere, and sent
// to the forge's API alone. Thread-safe.
class ForgeDirectory {
 public:
  using Resolve = std::function<absl::StatusOr<std::string>(const std::string& reference)>;

  // Each line is "API_URL URL_PREFIX REFERENCE", as in `https://api.github.com https://github.com/acme/
  // env:GITHUB_TOKEN`. An API URL that ends in /api/v1 is spoken to as Gitea and Forgejo are, any other as GitHub is.
  // INVALID_ARGUMENT, reason INVALID_FIELD with a violation of `field`[i] for each line that cannot be read: API URLs
  // are https:// unless they lead to this host. Borrows `transport` and `clock`; the transport is stopped before this
  // is destroyed.
  static absl::StatusOr<std::unique_ptr<ForgeDirectory>> Make(const std::vector<std::string>& lines,
                                                              std::string_view field, Resolve resolve,
                                                              http::HttpTransport& transport, const Clock& clock);
  ForgeDirectory(const ForgeDirectory&) = delete;
  ForgeDirectory& operator=(const ForgeDirectory&) = delete;

  // By the longest prefix that covers it. FAILED_PRECONDITION, reason FORGE_NOT_CONFIGURED, when none does;
  // INVALID_ARGUMENT, reason INVALID_REPOSITORY.
  absl::StatusOr<Place> Find(std::string_view clone_url) const;

  // As Find, and whether the token can be read now: FAILED_PRECONDITION, reason SECRET_UNREADABLE.
  absl::Status Check(std::string_view clone_url) const;

  struct Entry {
    std::string api_url;
    std::string reference;
    // Of reading the token now.
    absl::Status status;
  };
  std::vector<Entry> Probe() const;
  // Of all "file:PATH".
  std::vector<std::string> Files() const;
  bool empty() const { return lines_.empty(); }

 private:
  struct Line {
    RepositoryUrl prefix;
    std::string api_url;
    std::string reference;
    std::unique_ptr<Forge> forge;
  };
  ForgeDirectory() = default;
  absl::StatusOr<const Line*> LineFor(const RepositoryUrl& url) const;

  std::vector<Line> lines_;
  Resolve resolve_;
};

}  // namespace switchyard::forge
