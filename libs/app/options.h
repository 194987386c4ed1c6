// From configuration messages to the options of libs/rpc and libs/pg.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/log.h"
#include "libs/pg/connect_options.h"
#include "libs/pg/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server_options.h"
#include "switchyard/config/v1/common.pb.h"

namespace google::protobuf {
class Duration;
}  // namespace google::protobuf

namespace switchyard::app {

absl::Duration ToDuration(const google::protobuf::Duration& duration);
LogLevel ToLogLevel(config::v1::LogLevel level);

rpc::ServerOptions ToServerOptions(const config::v1::ServerConfig& config);
// FAILED_PRECONDITION, reason SECRET_UNREADABLE, when the password's reference leads nowhere.
absl::StatusOr<pg::ConnectOptions> ToConnectOptions(const config::v1::DatabaseConfig& config,
                                                    std::string_view application_name);
pg::PoolOptions ToPoolOptions(const config::v1::DatabaseConfig& config);
// The channel to the identity service.
rpc::ChannelOptions ToChannelOptions(const config::v1::AuthConfig& config);
// The channel to another service. Empty address: this process itself.
rpc::ChannelOptions ToChannelOptions(const config::v1::ServiceAddress& config);
// How this process calls itself: for --healthcheck.
rpc::ChannelTls ToHealthcheckTls(const config::v1::TlsConfig& config);

}  // namespace switchyard::app
