#include "libs/pg/connection_string.h"

#include <algorithm>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/pg/sqlstate.h"

namespace switchyard::pg {

absl::StatusOr<std::string> ReadPassword(const ConnectOptions& options) {
  if (!options.password.empty() || options.password_file.empty()) return options.password;
  std::FILE* file = std::fopen(options.password_file.c_str(), "re");
  if (file == nullptr) return DatabaseUnavailable("cannot read the file of the database's password");
  char buffer[1024];
  const std::size_t read = std::fread(buffer, 1, sizeof(buffer), file);
  std::fclose(file);
  return std::string(absl::StripTrailingAsciiWhitespace(absl::string_view(buffer, read)));
}

absl::StatusOr<std::string> ConnectionString(const ConnectOptions& options) {
  SY_ASSIGN_OR_RETURN(const std::string password, ReadPassword(options));
  std::string text;
  const auto add = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    absl::StrAppend(&text, text.empty() ? "" : " ", name, "='",
                    absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
  };
  add("host", options.host);
  add("port", absl::StrCat(options.port));
  add("dbname", options.database);
  add("user", options.user);
  add("password", password);
  add("sslmode", options.sslmode);
  add("sslrootcert", options.ssl_root_cert);
  add("application_name", options.application_name);
  add("client_encoding", "UTF8");
  add("options", "-c timezone=UTC -c synchronous_commit=on");
  add("connect_timeout", absl::StrCat(std::max<std::int64_t>(2, absl::ToInt64Seconds(options.connect_timeout))));
  return text;
}

std::string ConnectOptions::Describe() const { return absl::StrCat(user, "@", host, ":", port, "/", database); }

}  // namespace switchyard::pg
