#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/models/endpoint_url.h"

namespace switchyard::executor::models {

// Which secrets of this executor may be sent where. A route only names a reference; without a line here that names it
// too, and a URL that it may go to, nothing is read: a control plane cannot have a file or variable sent to a place of
// its choice. Secrets are read at each use and kept nowhere. Thread-safe.
class CredentialPolicy {
 public:
  using Resolve = std::function<absl::StatusOr<std::string>(const std::string& reference)>;

  // Each line is "REFERENCE URL". INVALID_ARGUMENT, reason INVALID_FIELD, for one that cannot be read. `insecure`
  // permits http:// to hosts that are not this one.
  static absl::StatusOr<CredentialPolicy> Make(const std::vector<std::string>& lines, bool insecure, Resolve resolve);
  // Allows none.
  CredentialPolicy() = default;

  // Whether the secret may go there; nothing is read. An empty reference is no secret and may. FAILED_PRECONDITION,
  // reason CREDENTIAL_NOT_ALLOWED; INVALID_ARGUMENT, reason INVALID_URL.
  absl::Status Check(const std::string& reference, std::string_view url) const;
  // "" for an empty reference. As Check, and what reading it says: FAILED_PRECONDITION, reason SECRET_UNREADABLE.
  absl::StatusOr<std::string> SecretFor(const std::string& reference, std::string_view url) const;

  struct Entry {
    std::string reference;
    // Of reading it now.
    absl::Status status;
  };
  // Each reference once, in order.
  std::vector<Entry> Probe() const;
  // Of all "file:PATH".
  std::vector<std::string> Files() const;

 private:
  struct Line {
    std::string reference;
    EndpointUrl url;
  };
  std::vector<Line> lines_;
  bool insecure_ = false;
  Resolve resolve_;
};

}  // namespace switchyard::executor::models
