#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace switchyard::rpc {

// The text of a PEM file. FAILED_PRECONDITION, reason TLS_FILES, when it cannot be read or holds no block whose label
// ends with `label` ("CERTIFICATE", "PRIVATE KEY"): gRPC itself would only say that a handshake failed.
absl::StatusOr<std::string> ReadPem(const std::string& path, std::string_view label);

// TLS_FILES when the key is not that of the first certificate.
absl::Status CheckKeyMatches(std::string_view cert_file, const std::string& certificate, std::string_view key_file,
                             const std::string& key);

}  // namespace switchyard::rpc
