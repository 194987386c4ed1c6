#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace id = identity::v1;

std::string ScopesText(const id::Token& token) {
  std::vector<std::string> scopes;
  for (int scope : token.scopes()) scopes.push_back(Text(static_cast<options::v1::Scope>(scope)));
  return absl::StrJoin(scopes, ",");
}

std::string StatusText(const id::Token& token, absl::Time now) {
  if (token.has_revoke_time()) return "revoked";
  return token.has_expire_time() && FromProto(token.expire_time()) <= now ? "expired" : "live";
}

Table TokenTable(const google::protobuf::RepeatedPtrField<id::Token>& tokens, const ViewTimes& times) {
  Table table;
  table.empty_note = "No tokens.";
  table.columns = {{"ID"},
                   {"NAME"},
                   {"SCOPES"},
                   {"STATUS"},
                   {"EXPIRES"},
                   {"USED"},
                   {.title = "MADE", .wide = true},
                   {.title = "BY", .wide = true},
                   {.title = "WHY REVOKED", .wide = true}};
  for (const id::Token& token : tokens) {
    const std::string status = StatusText(token, times.now);
    table.rows.push_back({{token.token_id()},
                          {token.name()},
                          {ScopesText(token)},
                          {status, status == "live" ? Tone::kGood : Tone::kFaint},
                          {TimeText(FromProto(token.expire_time()), times.now, times.form)},
                          {TimeText(FromProto(token.last_used_time()), times.now, times.form)},
                          {TimeText(FromProto(token.create_time()), times.now, times.form)},
                          {token.created_by()},
                          {token.revoke_reason()}});
  }
  return table;
}

// A file that did not exist before: an existing one might be open to others, or be somebody's only token.
class FreshSecretFile {
 public:
  ~FreshSecretFile() {
    if (file_ < 0) return;
    close(file_);
    if (!kept_) unlink(path_.c_str());
  }
  absl::Status Open(const std::string& path) {
    path_ = path;
    file_ = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return file_ >= 0 ? absl::OkStatus() : Failure();
  }
  absl::Status Write(const std::string& text) {
    const std::string line = absl::StrCat(text, "\n");
    if (write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size()) || fsync(file_) != 0) {
      return Failure();
    }
    kept_ = true;
    return absl::OkStatus();
  }

 private:
  absl::Status Failure() const {
    return LocalError(absl::StatusCode::kInternal, "FILE_ERROR",
                      absl::StrCat("cannot write ", path_, ": ", std::strerror(errno)));
  }
  std::string path_;
  int file_ = -1;
  bool kept_ = false;
};

// What issuing and rotating have in common: the text goes to the file, or alone on its line, so that
// $(yard token issue ...) is the token.
template <class Response>
absl::Status HandOver(Session& session, Response answer, const std::string& path, FreshSecretFile& file) {
  const id::Token& token = answer.token();
  if (answer.text().empty()) {
    return LocalError(absl::StatusCode::kAborted, "TOKEN_TEXT_LOST",
                      absl::StrCat("the token was made, but its text was lost on the way: ", token.token_id()),
                      absl::StrCat("yard token revoke ", token.token_id(), ", then ask for another"));
  }
  if (!path.empty()) {
    SY_RETURN_IF_ERROR(file.Write(answer.text()));
    answer.clear_text();
  }
  Answer shown;
  shown.whole = ToJson(answer);
  shown.names = {token.token_id()};
  shown.card = absl::StrCat(OneLine(path.empty() ? answer.text() : token.token_id()), "\n");
  session.Show(shown);
  session.Remark(absl::StrCat("token ", token.token_id(), " of ", token.name(), ", ", ScopesText(token), ", expires ",
                              TimeText(FromProto(token.expire_time()), session.Now(), TimeForm::kIso),
                              path.empty() ? "; it is not shown again" : absl::StrCat("; written to ", path)));
  return absl::OkStatus();
}

}  // namespace

absl::Status TokenIssue(Session& session) {
  const Invocation& invocation = session.invocation();
  id::IssueTokenRequest request;
  request.set_request_id(session.request_id());
  request.set_name(invocation.arguments[0]);
  for (const std::string& scope : invocation.All("scope")) request.add_scopes(Parse<options::v1::Scope>(scope));
  if (request.scopes().empty()) request.add_scopes(options::v1::SCOPE_READ);
  if (const auto span = invocation.Span("expires-in")) ToProto(*span, request.mutable_lifetime());
  // Opened first: a token that cannot be written down is not asked for.
  FreshSecretFile file;
  const std::string path = invocation.Get("write-to");
  if (!path.empty()) SY_RETURN_IF_ERROR(file.Open(path));
  SY_ASSIGN_OR_RETURN(id::IssueTokenResponse answer, session.Call(&IdentityStub::IssueToken, request));
  return HandOver(session, std::move(answer), path, file);
}

absl::Status TokenRotate(Session& session) {
  const Invocation& invocation = session.invocation();
  id::RotateTokenRequest request;
  request.set_request_id(session.request_id());
  request.set_token_id(invocation.arguments[0]);
  if (const auto span = invocation.Span("grace")) ToProto(*span, request.mutable_grace());
  FreshSecretFile file;
  const std::string path = invocation.Get("write-to");
  if (!path.empty()) SY_RETURN_IF_ERROR(file.Open(path));
  SY_ASSIGN_OR_RETURN(id::RotateTokenResponse answer, session.Call(&IdentityStub::RotateToken, request));
  const absl::Time ends = FromProto(answer.rotated().expire_time());
  SY_RETURN_IF_ERROR(HandOver(session, std::move(answer), path, file));
  session.Remark(absl::StrCat("the old one ends at ", TimeText(ends, session.Now(), TimeForm::kIso)));
  return absl::OkStatus();
}

absl::Status TokenList(Session& session) {
  id::ListTokensRequest request;
  request.set_page_size(500);
  request.set_include_ended(session.invocation().Has("all"));
  request.set_name(session.invocation().Get("name"));
  id::ListTokensResponse all;
  do {
    SY_ASSIGN_OR_RETURN(id::ListTokensResponse page, session.Call(&IdentityStub::ListTokens, request));
    all.mutable_tokens()->MergeFrom(page.tokens());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  Answer answer;
  answer.table = TokenTable(all.tokens(), session.times());
  answer.whole = ToJson(all);
  if (!answer.whole.contains("tokens")) answer.whole["tokens"] = Json::array();
  for (const id::Token& token : all.tokens()) {
    answer.items.push_back(ToJson(token));
    answer.names.push_back(token.token_id());
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status TokenRevoke(Session& session) {
  id::ListTokensResponse revoked;
  absl::Status failure;
  for (const std::string& token_id : session.invocation().arguments) {
    id::RevokeTokenRequest request;
    request.set_token_id(token_id);
    request.set_reason(session.invocation().Get("reason"));
    request.set_allow_last_admin(session.invocation().Has("allow-last-admin"));
    auto answer = session.Call(&IdentityStub::RevokeToken, request);
    if (!answer.ok()) {
      failure = answer.status();
      break;
    }
    *revoked.add_tokens() = answer->token();
  }
  if (!revoked.tokens().empty()) {
    Answer answer;
    answer.table = TokenTable(revoked.tokens(), session.times());
    answer.whole = ToJson(revoked);
    for (const id::Token& token : revoked.tokens()) {
      answer.items.push_back(ToJson(token));
      answer.names.push_back(token.token_id());
    }
    session.Show(answer);
    session.Remark("services notice within 30 seconds");
  }
  return failure;
}

}  // namespace switchyard::yard
