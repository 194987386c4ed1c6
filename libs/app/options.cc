#include "libs/app/options.h"

#include <string>

#include "google/protobuf/duration.pb.h"
#include "libs/base/status_macros.h"
#include "libs/config/schema.h"
#include "libs/config/secret.h"

namespace switchyard::app {

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

LogLevel ToLogLevel(config::v1::LogLevel level) {
  switch (level) {
    case config::v1::LOG_LEVEL_DEBUG:
      return LogLevel::kDebug;
    case config::v1::LOG_LEVEL_WARNING:
      return LogLevel::kWarning;
    case config::v1::LOG_LEVEL_ERROR:
      return LogLevel::kError;
    default:
      return LogLevel::kInfo;
  }
}

rpc::ServerOptions ToServerOptions(const config::v1::ServerConfig& config) {
  rpc::ServerOptions options;
  options.listen = config.listen();
  options.allow_insecure_bind = config.allow_insecure_bind();
  options.tls = {.cert_file = config.tls().cert_file(),
                 .key_file = config.tls().key_file(),
                 .client_ca_file = config.tls().client_ca_file(),
                 .require_client_cert = config.tls().require_client_cert()};
  options.max_message_bytes = config.max_message_bytes();
  options.metrics_listen = config.metrics_listen();
  options.drain_delay = ToDuration(config.drain_delay());
  options.drain_deadline = ToDuration(config.drain_deadline());
  options.reflection = config.reflection();
  options.channelz = config.channelz();
  return options;
}

absl::StatusOr<pg::ConnectOptions> ToConnectOptions(const config::v1::DatabaseConfig& config,
                                                    std::string_view application_name) {
  pg::ConnectOptions options;
  options.host = config.host();
  options.port = static_cast<std::uint16_t>(config.port());
  options.database = config.name();
  options.user = config.user();
  if (!config.password().empty()) {
    // Read here in any case, so that a wrong reference is found at the start. A file is read again at every connect.
    SY_ASSIGN_OR_RETURN(options.password, config::ResolveSecret(config.password()));
    if (config.password().rfind("file:", 0) == 0) {
      options.password.clear();
      options.password_file = config.password().substr(5);
    }
  }
  options.sslmode = config.sslmode() == config::v1::SSL_MODE_VERIFY_CA ? "verify-ca"
                    : config.sslmode() == config::v1::SSL_MODE_VERIFY_FULL
                        ? "verify-full"
                        : config::ShortEnumName("SslMode", config::v1::SslMode_Name(config.sslmode()));
  options.ssl_root_cert = config.ssl_root_cert();
  options.application_name = std::string(application_name);
  options.connect_timeout = ToDuration(config.connect_timeout());
  options.statement_timeout = ToDuration(config.statement_timeout());
  return options;
}

pg::PoolOptions ToPoolOptions(const config::v1::DatabaseConfig& config) {
  return {.max_sessions = static_cast<int>(config.pool_size()),
          .acquire_timeout = ToDuration(config.acquire_timeout())};
}

rpc::ChannelOptions ToChannelOptions(const config::v1::AuthConfig& config) {
  rpc::ChannelOptions options;
  options.target = config.identity_address();
  options.tls.ca_file = config.ca_file();
  options.tls.cert_file = config.cert_file();
  options.tls.key_file = config.key_file();
  return options;
}

rpc::ChannelOptions ToChannelOptions(const config::v1::ServiceAddress& config) {
  rpc::ChannelOptions options;
  options.target = config.address();
  options.tls.ca_file = config.ca_file();
  options.tls.cert_file = config.cert_file();
  options.tls.key_file = config.key_file();
  // Answers of our own services, bounded by what they hold: a batch of specifications at worst.
  options.max_message_bytes = 1u << 30;
  return options;
}

rpc::ChannelTls ToHealthcheckTls(const config::v1::TlsConfig& config) {
  rpc::ChannelTls tls;
  if (config.cert_file().empty()) return tls;
  // Without authorities of its own the server's certificate vouches for itself.
  tls.ca_file = config.client_ca_file().empty() ? config.cert_file() : config.client_ca_file();
  if (config.require_client_cert()) {
    tls.cert_file = config.cert_file();
    tls.key_file = config.key_file();
  }
  tls.server_name = "localhost";
  return tls;
}

}  // namespace switchyard::app
