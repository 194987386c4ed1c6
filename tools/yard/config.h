// Which installation yard talks to: contexts in a TOML file, overridden by variables and flags.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/yard/host.h"
#include "tools/yard/parse.h"

namespace switchyard::yard {

// Where the services listen by default, as libs/config has it.
inline constexpr std::string_view kTaskQueueAddress = "127.0.0.1:7401";
inline constexpr std::string_view kIdentityAddress = "127.0.0.1:7402";

// Empty strings are values that are not set. Relative file names are relative to the file that names them.
struct Context {
  std::string address;
  std::string identity_address;
  // Empty: where the task queue is, as with all services in one process.
  std::string hub_address;
  std::string scheduler_address;
  std::string registry_address;
  std::string router_address;
  std::string verification_address;
  std::string token_file;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;

  friend bool operator==(const Context&, const Context&) = default;
};

struct Config {
  std::string current;
  std::map<std::string, Context, std::less<>> contexts;
};

// Where the configuration is: YARD_CONFIG; else .switchyard/yard/config.toml in the working directory or above; else
// $XDG_CONFIG_HOME/yard/config.toml; else ~/.config/yard/config.toml. The last two need not exist.
std::string ConfigPath(const Host& host);

// Empty when there is no file. Refuses unknown keys, and a file that others can read or write.
absl::StatusOr<Config> LoadConfig(const std::string& path);
absl::StatusOr<Config> ParseConfig(std::string_view toml, const std::string& path);
// Replaces the file as a whole, mode 0600; makes its directory, mode 0700.
absl::Status SaveConfig(const std::string& path, const Config& config);

// PERMISSION_DENIED with TOKEN_FILE_MODE when group or others may read the file.
absl::StatusOr<std::string> ReadSecretFile(const std::string& path);

struct Setting {
  std::string name;
  std::string value;
  // "flag --address", "YARD_ADDRESS", "context local" or "default".
  std::string source;
};

struct Connection {
  std::string config_path;
  // Empty without a context.
  std::string context_name;
  Context values;
  bool allow_insecure = false;
  // Of every field of `values`, for display; never the token itself.
  std::vector<Setting> settings;
};

// flag > YARD_* > context > default. A file that was found above the working directory is trusted less than one that
// was named: it and its folder must be the user's own, or root's (CONFIG_OWNER), and the files that the context names
// must lie in it (CONFIG_REACHES_OUT). NOT_FOUND with CONTEXT_NOT_FOUND when the context that was asked for is not
// there.
absl::StatusOr<Connection> ResolveConnection(const Invocation& invocation, const Host& host);

}  // namespace switchyard::yard
