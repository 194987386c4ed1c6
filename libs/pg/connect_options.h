#pragma once

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace switchyard::pg {

class Failpoints;

// How to reach the database, and how every session of ours is set up. Holds the password: never log it whole.
struct ConnectOptions {
  // Host name, address, or the folder of the Unix socket.
  std::string host;
  std::uint16_t port = 5432;
  std::string database;
  std::string user;
  std::string password;
  // Read at every connect when `password` is empty, so that a rotated secret is picked up. Whole file, one line.
  std::string password_file;
  // As libpq's.
  std::string sslmode = "prefer";
  std::string ssl_root_cert;
  std::string application_name = "switchyard";

  absl::Duration connect_timeout = absl::Seconds(5);
  // Enforced by the server for each statement; the session gives up `io_grace` later, for a server that hangs.
  absl::Duration statement_timeout = absl::Seconds(10);
  absl::Duration io_grace = absl::Seconds(2);
  absl::Duration lock_timeout = absl::Seconds(5);
  absl::Duration idle_in_transaction_timeout = absl::Seconds(30);
  // Plans that do not depend on the parameters: right for array parameters, whose planning would only repeat itself.
  bool force_generic_plan = false;
  // Borrowed; null means those of the process (see failpoints.h).
  Failpoints* failpoints = nullptr;

  // For logs: "user@host:port/database".
  std::string Describe() const;
};

}  // namespace switchyard::pg
