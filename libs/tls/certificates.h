// A small certificate authority for installations that have none: `switchyard tls init`. Keys are EC P-256.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard::tls {

// In PEM.
struct KeyPair {
  std::string certificate;
  std::string private_key;
};

struct CertificateRequest {
  // 1 to 64 characters of [a-z0-9._-]; the common name, and "spiffe://<trust_domain>/service/<name>" as a URI.
  std::string name;
  // DNS names and IP addresses that clients will use; may be empty for a client.
  std::vector<std::string> hosts;
  std::string trust_domain = "switchyard";
  absl::Duration lifetime = absl::Hours(24 * 397);
};

// Signs certificates only, none below another authority. Valid from five minutes before `now`, for clocks that lag.
absl::StatusOr<KeyPair> MakeAuthority(std::string_view name, absl::Time now,
                                      absl::Duration lifetime = absl::Hours(24 * 3650));

// Good for a server and for a client alike. INVALID_ARGUMENT for names and hosts that are none, and for an authority
// that cannot be used; it never outlives the authority.
absl::StatusOr<KeyPair> IssueCertificate(const KeyPair& authority, const CertificateRequest& request, absl::Time now);

// Writes <folder>/ca.crt and ca.key, then <folder>/<name>.crt and .key for each request; the folder is made, mode 0700,
// when absent. Keys have mode 0600. ALREADY_EXISTS, reason FILE_EXISTS, before anything is written when any of the
// files is there. Returns the paths.
absl::StatusOr<std::vector<std::string>> InitFolder(const std::string& folder,
                                                    const std::vector<CertificateRequest>& requests, absl::Time now);

// Adds one pair signed by the authority that InitFolder made: for another machine that joins.
absl::StatusOr<std::vector<std::string>> AddToFolder(const std::string& folder, const CertificateRequest& request,
                                                     absl::Time now);

}  // namespace switchyard::tls
