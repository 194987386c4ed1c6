#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/random.h"
#include "libs/pg/pool.h"
#include "libs/pg/statement.h"
#include "libs/rpc/authenticator.h"
#include "libs/rpc/caller.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "libs/telemetry/metrics.h"
#include "switchyard/config/v1/common.pb.h"

namespace switchyard::app {

// One service inside a process. Made with what it needs from the Process; registers its gRPC services while it is made.
class ServiceApp {
 public:
  virtual ~ServiceApp() = default;
  // Starts background work. Must not need the database: it may be away. Before the server serves.
  virtual absl::Status Start() = 0;
  // Once the server serves: from here on Process::ChannelTo works. Must not wait for another service.
  virtual absl::Status Serving() { return absl::OkStatus(); }
  // Ends background work and waits for it. After the server has drained. Drops all channels and stubs.
  virtual void Stop() = 0;
};

// What every process of the product has, in the order in which it has to come and go. The database may be away at any
// time, the start included: the process serves, answers health, and is not ready until the database is there and has
// the schemas this program wants. Not thread-safe itself; what it hands out is, and lives until the Process goes.
class Process {
 public:
  // Fails when the password of the database cannot be read. Dials nothing.
  static absl::StatusOr<std::unique_ptr<Process>> Create(std::string_view name, const config::v1::ServerConfig& server,
                                                         const config::v1::DatabaseConfig& database);
  // Without a database: connect() and pool() stop the process, its clock is the host's, and readiness is what services
  // make of it.
  static absl::StatusOr<std::unique_ptr<Process>> CreateWithoutDatabase(std::string_view name,
                                                                        const config::v1::ServerConfig& server);
  ~Process();

  const Clock& clock() const;
  Rng& rng();
  IdSource& ids();
  telemetry::Metrics& metrics();
  // For sessions of one's own beside the pool. Holds the password.
  const pg::ConnectOptions& connect() const;
  pg::Pool& pool();
  // Where short work that waits for the database goes: as many threads as the pool has sessions; few without one.
  Executor& blocking();

  // Once, before server(): who checks tokens. Kept until the end.
  void SetAuthenticator(std::unique_ptr<rpc::Authenticator> authenticator);
  // A SetAuthenticator that asks the identity service, with the cache that `auth` bounds.
  absl::Status AuthenticateRemotely(const config::v1::AuthConfig& auth);
  // Made when first asked for.
  rpc::Server& server();

  // For calls to other services, or over its in-process channel to this one: one carries the token of `auth`, the other
  // a token that only this process knows and takes, of scope service.
  const rpc::Caller& CallerTo(std::string_view address);
  // A channel to another service, or without a socket to this process when `address` is empty. From ServiceApp::Serving
  // on; drop it in Stop.
  absl::StatusOr<std::shared_ptr<grpc::Channel>> ChannelTo(const rpc::ChannelOptions& options);

  // Readiness waits until `schema` has these migrations. Borrows them. Before Run.
  void RequireSchema(std::string_view schema, const std::vector<pg::Migration>& migrations);
  void Add(std::unique_ptr<ServiceApp> app);

  // Starts the apps in the order of Add, then serves.
  absl::Status Start();
  // Ends everything in the opposite order, after the server drained or without a drain; the apps are gone then.
  // Idempotent.
  void Stop();
  // How long an orderly end may take at most.
  absl::Duration patience() const;

  // One look at the database and its schemas; flips readiness. Runs by itself every second after Start. Blocks;
  // thread-safe.
  void CheckReadiness();

 private:
  struct State;
  explicit Process(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::app
