#include "tools/yard/config.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"
#include "tools/yard/errors.h"

namespace switchyard::yard {
namespace {

namespace fs = std::filesystem;

struct Field {
  std::string_view key;
  std::string_view flag;
  std::string_view variable;
  std::string Context::*member;
  std::string_view otherwise;
  bool is_file;
};

constexpr Field kFields[] = {
    {"address", "address", "YARD_ADDRESS", &Context::address, kTaskQueueAddress, false},
    {"identity_address", "identity-address", "YARD_IDENTITY_ADDRESS", &Context::identity_address, kIdentityAddress,
     false},
    {"hub_address", "hub-address", "YARD_HUB_ADDRESS", &Context::hub_address, "", false},
    {"scheduler_address", "scheduler-address", "YARD_SCHEDULER_ADDRESS", &Context::scheduler_address, "", false},
    {"registry_address", "registry-address", "YARD_REGISTRY_ADDRESS", &Context::registry_address, "", false},
    {"router_address", "router-address", "YARD_ROUTER_ADDRESS", &Context::router_address, "", false},
    {"verification_address", "verification-address", "YARD_VERIFICATION_ADDRESS", &Context::verification_address, "",
     false},
    {"token_file", "token-file", "YARD_TOKEN_FILE", &Context::token_file, "", true},
    {"ca_file", "ca-file", "YARD_CA_FILE", &Context::ca_file, "", true},
    {"cert_file", "cert-file", "YARD_CERT_FILE", &Context::cert_file, "", true},
    {"key_file", "key-file", "YARD_KEY_FILE", &Context::key_file, "", true},
    {"server_name", "server-name", "YARD_SERVER_NAME", &Context::server_name, "", false},
};

absl::Status Bad(const std::string& path, std::string_view message) {
  return LocalError(absl::StatusCode::kInvalidArgument, "CONFIG_INVALID", absl::StrCat(path, ": ", ToAbsl(message)));
}

absl::Status SystemFailure(const std::string& path, std::string_view verb) {
  return LocalError(errno == ENOENT ? absl::StatusCode::kNotFound : absl::StatusCode::kInternal, "FILE_ERROR",
                    absl::StrCat("cannot ", ToAbsl(verb), " ", path, ": ", std::strerror(errno)));
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return SystemFailure(path, "read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// Refuses a file that others may look into or change.
absl::Status CheckPrivate(const std::string& path, std::string_view reason) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return SystemFailure(path, "read");
  if (!S_ISREG(facts.st_mode) || (facts.st_mode & 077) == 0) return absl::OkStatus();
  return LocalError(absl::StatusCode::kPermissionDenied, reason, absl::StrCat(path, " is open to other users"),
                    absl::StrCat("chmod 600 ", path));
}

// Whoever owns it can change it, whatever its mode is. Root could anyway.
absl::Status CheckOwner(const std::string& path) {
  struct stat facts = {};
  if (stat(path.c_str(), &facts) != 0) return SystemFailure(path, "read");
  if (facts.st_uid == geteuid() || facts.st_uid == 0) return absl::OkStatus();
  return LocalError(absl::StatusCode::kPermissionDenied, "CONFIG_OWNER",
                    absl::StrCat(path, " belongs to another user, so it is not trusted with your token"),
                    "export YARD_CONFIG=FILE, a file of your own");
}

bool LiesWithin(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const fs::path relative =
      fs::weakly_canonical(path, ignored).lexically_relative(fs::weakly_canonical(folder, ignored));
  return !relative.empty() && *relative.begin() != "..";
}

// A file that was found, not named, may have come with a folder that somebody else filled: an archive keeps modes, and
// owners become whoever unpacks it. It must not send what lies elsewhere to an address of its own.
absl::Status CheckFound(const std::string& config_path, const std::string& name, const Context& context) {
  const fs::path folder = fs::path(config_path).parent_path().parent_path();
  SY_RETURN_IF_ERROR(CheckOwner(folder.string()));
  SY_RETURN_IF_ERROR(CheckOwner((folder / "yard").string()));
  SY_RETURN_IF_ERROR(CheckOwner(config_path));
  for (const Field& field : kFields) {
    const std::string& file = context.*field.member;
    if (!field.is_file || file.empty() || LiesWithin(file, folder)) continue;
    return LocalError(absl::StatusCode::kPermissionDenied, "CONFIG_REACHES_OUT",
                      absl::StrCat(config_path, ": context ", name, ": ", ToAbsl(field.key), " is outside of ",
                                   folder.string(), ", and nobody named this file"),
                      absl::StrCat("export YARD_CONFIG=", config_path));
  }
  return absl::OkStatus();
}

absl::StatusOr<Context> ParseContext(const toml::table& table, const std::string& name, const std::string& path) {
  Context context;
  for (const auto& [key, node] : table) {
    const Field* field = nullptr;
    std::vector<std::string_view> known;
    for (const Field& candidate : kFields) {
      known.push_back(candidate.key);
      if (candidate.key == key.str()) field = &candidate;
    }
    if (field == nullptr) {
      const std::string nearest = text::DidYouMean(key.str(), known);
      return Bad(path, absl::StrCat("context ", name, ": unknown key '", ToAbsl(key.str()), "'",
                                    nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?")));
    }
    const std::optional<std::string> value = node.value_exact<std::string>();
    if (!value.has_value()) {
      return Bad(path, absl::StrCat("context ", name, ": ", ToAbsl(key.str()), " must be a string"));
    }
    const bool relative = field->is_file && !value->empty() && fs::path(*value).is_relative();
    context.*field->member = relative ? (fs::path(path).parent_path() / *value).string() : *value;
  }
  return context;
}

// The configuration of a clone that the working directory is in, unless one was named.
std::optional<std::string> FoundAbove(const Host& host) {
  if (!host.Variable("YARD_CONFIG").empty()) return std::nullopt;
  std::error_code ignored;
  for (fs::path at = host.working_directory; !at.empty(); at = at.parent_path()) {
    const fs::path candidate = at / ".switchyard" / "yard" / "config.toml";
    if (fs::exists(candidate, ignored)) return candidate.string();
    if (at == at.parent_path()) break;
  }
  return std::nullopt;
}

}  // namespace

std::string ConfigPath(const Host& host) {
  if (const std::string named = host.Variable("YARD_CONFIG"); !named.empty()) return named;
  if (const std::optional<std::string> found = FoundAbove(host)) return *found;
  std::string base = host.Variable("XDG_CONFIG_HOME");
  if (base.empty()) base = absl::StrCat(host.Variable("HOME"), "/.config");
  return absl::StrCat(base, "/yard/config.toml");
}

absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& path) {
  const toml::parse_result parsed = toml::parse(text, path);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return Bad(path, absl::StrCat("line ", error.source().begin.line, ": ", ToAbsl(error.description())));
  }
  Config config;
  for (const auto& [key, node] : parsed.table()) {
    if (key.str() == "current_context") {
      config.current = node.value_exact<std::string>().value_or("");
    } else if (key.str() == "contexts" && node.is_table()) {
      for (const auto& [name, entry] : *node.as_table()) {
        if (!entry.is_table()) return Bad(path, absl::StrCat("context ", ToAbsl(name.str()), " must be a table"));
        SY_ASSIGN_OR_RETURN(Context context, ParseContext(*entry.as_table(), std::string(name.str()), path));
        config.contexts.emplace(std::string(name.str()), std::move(context));
      }
    } else {
      return Bad(path, absl::StrCat("unknown key '", ToAbsl(key.str()), "'"));
    }
  }
  if (!config.current.empty() && !config.contexts.contains(config.current)) {
    return Bad(path, absl::StrCat("current_context names '", config.current, "', which is not there"));
  }
  return config;
}

absl::StatusOr<Config> LoadConfig(const std::string& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return Config();
  SY_RETURN_IF_ERROR(CheckPrivate(path, "CONFIG_MODE"));
  SY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseConfig(text, path);
}

absl::Status SaveConfig(const std::string& path, const Config& config) {
  toml::table contexts;
  for (const auto& [name, context] : config.contexts) {
    toml::table table;
    for (const Field& field : kFields) {
      const std::string& value = context.*field.member;
      if (!value.empty()) table.insert(field.key, value);
    }
    contexts.insert(name, table);
  }
  toml::table root;
  if (!config.current.empty()) root.insert("current_context", config.current);
  root.insert("contexts", contexts);
  std::ostringstream text;
  text << root << '\n';

  const fs::path target(path);
  std::error_code error;
  if (!target.parent_path().empty() && !fs::exists(target.parent_path(), error)) {
    fs::create_directories(target.parent_path(), error);
    fs::permissions(target.parent_path(), fs::perms::owner_all, error);
  }
  const std::string fresh = absl::StrCat(path, ".new.", getpid());
  const int file = open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return SystemFailure(fresh, "write");
  const std::string bytes = text.str();
  const bool written = write(file, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()) &&
                       fchmod(file, 0600) == 0 && fsync(file) == 0;
  close(file);
  if (!written || rename(fresh.c_str(), path.c_str()) != 0) {
    const absl::Status failure = SystemFailure(path, "write");
    unlink(fresh.c_str());
    return failure;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  SY_RETURN_IF_ERROR(CheckPrivate(path, "TOKEN_FILE_MODE"));
  SY_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const std::size_t end = text.find_first_of("\r\n");
  text.erase(end == std::string::npos ? text.size() : end);
  if (text.empty()) {
    return LocalError(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING", absl::StrCat(path, " is empty"));
  }
  return text;
}

absl::StatusOr<Connection> ResolveConnection(const Invocation& invocation, const Host& host) {
  Connection connection;
  connection.config_path = ConfigPath(host);
  SY_ASSIGN_OR_RETURN(const Config config, LoadConfig(connection.config_path));
  std::string name = invocation.Get("context");
  if (name.empty()) name = host.Variable("YARD_CONTEXT");
  if (name.empty()) name = config.current;
  Context context;
  if (!name.empty()) {
    const auto found = config.contexts.find(name);
    if (found == config.contexts.end()) {
      return LocalError(absl::StatusCode::kNotFound, "CONTEXT_NOT_FOUND",
                        absl::StrCat("no context '", name, "' in ", connection.config_path));
    }
    context = found->second;
    if (FoundAbove(host).has_value()) SY_RETURN_IF_ERROR(CheckFound(connection.config_path, name, context));
  }
  connection.context_name = name;
  connection.allow_insecure = invocation.Has("allow-insecure") || host.Variable("YARD_ALLOW_INSECURE") == "1";
  for (const Field& field : kFields) {
    Setting setting{std::string(field.key), std::string(field.otherwise), "default"};
    if (invocation.Has(field.flag)) {
      setting.value = invocation.Get(field.flag);
      setting.source = absl::StrCat("flag --", ToAbsl(field.flag));
    } else if (const std::string variable = host.Variable(field.variable); !variable.empty()) {
      setting.value = variable;
      setting.source = std::string(field.variable);
    } else if (!(context.*field.member).empty()) {
      setting.value = context.*field.member;
      setting.source = absl::StrCat("context ", name);
    }
    const bool as_address = field.member == &Context::hub_address || field.member == &Context::scheduler_address ||
                            field.member == &Context::registry_address || field.member == &Context::router_address ||
                            field.member == &Context::verification_address;
    if (as_address && setting.value.empty()) {
      setting.value = connection.values.address;
      setting.source = "as address";
    }
    connection.values.*field.member = setting.value;
    connection.settings.push_back(std::move(setting));
  }
  return connection;
}

}  // namespace switchyard::yard
