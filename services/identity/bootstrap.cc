#include "services/identity/bootstrap.h"

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/files/new_file.h"

namespace switchyard::identity {

absl::StatusOr<Token> IssueTokenToFile(Identity& identity, std::string_view name, Scopes scopes,
                                       std::optional<absl::Duration> lifetime, const std::string& path) {
  files::NewFile file(path, 0600);
  SY_RETURN_IF_ERROR(file.status());
  SY_ASSIGN_OR_RETURN(const IssuedToken issued, identity.Issue({.requester = {.id = "bootstrap", .name = "bootstrap"},
                                                                .request_id = "",
                                                                .name = std::string(name),
                                                                .scopes = scopes,
                                                                .lifetime = lifetime}));
  const absl::Status published = file.Publish(issued.text + "\n");
  if (published.ok()) return issued.token;
  const absl::StatusOr<Token> revoked = identity.Revoke(issued.token.id, "its file could not be written", true);
  if (!revoked.ok()) {
    LogWarning("a token whose file could not be written is still live",
               {{"token_id", issued.token.id.ToString()}, {"error", revoked.status()}});
  }
  return published;
}

}  // namespace switchyard::identity
