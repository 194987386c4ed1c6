// For the sources of libs/pg only.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/pg/connect_options.h"

namespace switchyard::pg {

// From `password`, or read from `password_file`.
absl::StatusOr<std::string> ReadPassword(const ConnectOptions& options);
// libpq's key=value form, password included: never log it.
absl::StatusOr<std::string> ConnectionString(const ConnectOptions& options);

}  // namespace switchyard::pg
