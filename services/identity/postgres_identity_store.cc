#include "services/identity/postgres_identity_store.h"

#include <optional>

#include "libs/base/status_macros.h"
#include "services/identity/identity_errors.h"
#include "services/identity/sql/statements.h"

namespace switchyard::identity {
namespace {

// Where the columns of every query of tokens end.
constexpr int kContentHashColumn = 11;

Token ToToken(const pg::Row& row) {
  Token token;
  token.id = row.GetId<TokenId>(0);
  token.principal = row.GetId<PrincipalId>(1);
  token.name = std::string(row.Text(2));
  token.scopes = Scopes::FromBits(static_cast<std::uint32_t>(row.Int64(3)));
  token.create_time = row.Time(4);
  token.expire_time = row.Time(5);
  token.revoke_time = row.OptionalTime(6);
  token.revoke_reason = std::string(row.Text(7));
  token.last_used_time = row.OptionalTime(8);
  token.created_by = std::string(row.Text(9));
  token.rotated_from = row.GetId<TokenId>(10);
  return token;
}

struct KnownRequest {
  Token token;
  bool same_content = false;
};

absl::StatusOr<std::optional<KnownRequest>> FindRequest(pg::Session& session, const NewToken& token) {
  if (token.request_id.empty()) return std::nullopt;
  pg::Params params;
  params.Add(token.requester).Add(token.request_id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindRequest, params));
  if (found.empty()) return std::nullopt;
  return KnownRequest{ToToken(found[0]), found[0].Bytes(kContentHashColumn) == token.content_hash};
}

absl::Status InsertRow(pg::Session& session, const NewToken& new_token) {
  const Token& token = new_token.token;
  const std::optional<Uuid> from =
      token.rotated_from.is_nil() ? std::nullopt : std::optional<Uuid>(token.rotated_from.uuid());
  pg::Params params;
  params.Add(token.id)
      .Add(token.principal)
      .Add(pg::Bytes{new_token.hash})
      .Add(token.name)
      .Add(static_cast<std::int32_t>(token.scopes.bits()))
      .Add(token.create_time)
      .Add(token.expire_time)
      .Add(token.created_by)
      .Add(from)
      .Add(new_token.requester)
      .Add(new_token.request_id)
      .Add(pg::Bytes{new_token.content_hash});
  return session.Execute(sql::kInsertToken, params).status();
}

absl::StatusOr<Token> FindRow(pg::Session& session, const TokenId& id) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, session.Execute(sql::kFindToken, params));
  if (found.empty()) return TokenNotFound(id);
  return ToToken(found[0]);
}

}  // namespace

absl::StatusOr<InsertOutcome> PostgresIdentityStore::Insert(const NewToken& token, std::size_t max_live,
                                                            absl::Time now) {
  InsertOutcome outcome;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockTokens).status());
    SY_ASSIGN_OR_RETURN(const std::optional<KnownRequest> known, FindRequest(session, token));
    if (known.has_value()) {
      using Kind = InsertOutcome::Kind;
      outcome = {known->same_content ? Kind::kReplayed : Kind::kRequestIdReused, known->token};
      return absl::OkStatus();
    }
    pg::Params params;
    params.Add(now);
    SY_ASSIGN_OR_RETURN(const pg::Result live, session.Execute(sql::kCountLiveTokens, params));
    if (static_cast<std::size_t>(live[0].Int64(0)) >= max_live) {
      outcome = {InsertOutcome::Kind::kTooMany, {}};
      return absl::OkStatus();
    }
    outcome = {InsertOutcome::Kind::kInserted, token.token};
    return InsertRow(session, token);
  }));
  return outcome;
}

absl::StatusOr<Token> PostgresIdentityStore::Find(const TokenId& id) {
  pg::Params params;
  params.Add(id);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kFindToken, params));
  if (found.empty()) return TokenNotFound(id);
  return ToToken(found[0]);
}

absl::StatusOr<Token> PostgresIdentityStore::FindByHash(std::string_view hash) {
  pg::Params params;
  params.Add(pg::Bytes{hash});
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kFindTokenByHash, params));
  if (found.empty()) return TokenUnknown();
  return ToToken(found[0]);
}

absl::StatusOr<RevokeOutcome> PostgresIdentityStore::Revoke(const TokenId& id, std::string_view reason, bool keep_admin,
                                                            absl::Time now) {
  RevokeOutcome outcome;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockTokens).status());
    SY_ASSIGN_OR_RETURN(Token token, FindRow(session, id));
    if (token.revoke_time.has_value()) {
      outcome = {RevokeOutcome::Kind::kAlreadyRevoked, std::move(token)};
      return absl::OkStatus();
    }
    if (keep_admin && token.scopes.Has(Scope::kAdmin) && token.IsLive(now)) {
      pg::Params params;
      params.Add(id).Add(now);
      SY_ASSIGN_OR_RETURN(const pg::Result other, session.Execute(sql::kHasOtherLiveAdmin, params));
      if (!other[0].Bool(0)) {
        outcome = {RevokeOutcome::Kind::kLastAdmin, std::move(token)};
        return absl::OkStatus();
      }
    }
    pg::Params params;
    params.Add(id).Add(now).Add(reason);
    SY_ASSIGN_OR_RETURN(const pg::Result revoked, session.Execute(sql::kRevokeToken, params));
    if (revoked.empty()) return absl::InternalError("a token changed under the lock of tokens");
    outcome = {RevokeOutcome::Kind::kRevoked, ToToken(revoked[0])};
    return absl::OkStatus();
  }));
  return outcome;
}

absl::StatusOr<RotateOutcome> PostgresIdentityStore::Rotate(const NewToken& token, absl::Time old_expire_time,
                                                            absl::Time now) {
  RotateOutcome outcome;
  SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
    SY_RETURN_IF_ERROR(session.Execute(sql::kLockTokens).status());
    SY_ASSIGN_OR_RETURN(const std::optional<KnownRequest> known, FindRequest(session, token));
    if (known.has_value() && !known->same_content) {
      outcome = {RotateOutcome::Kind::kRequestIdReused, known->token, {}};
      return absl::OkStatus();
    }
    if (known.has_value()) {
      SY_ASSIGN_OR_RETURN(Token old, FindRow(session, known->token.rotated_from));
      outcome = {RotateOutcome::Kind::kReplayed, known->token, std::move(old)};
      return absl::OkStatus();
    }
    SY_ASSIGN_OR_RETURN(Token old, FindRow(session, token.token.rotated_from));
    if (!old.IsLive(now)) {
      outcome = {RotateOutcome::Kind::kNotLive, {}, std::move(old)};
      return absl::OkStatus();
    }
    pg::Params params;
    params.Add(old.id).Add(old_expire_time);
    SY_ASSIGN_OR_RETURN(const pg::Result shortened, session.Execute(sql::kShortenToken, params));
    if (shortened.empty()) return absl::InternalError("a token went under the lock of tokens");
    outcome = {RotateOutcome::Kind::kRotated, token.token, ToToken(shortened[0])};
    return InsertRow(session, token);
  }));
  return outcome;
}

absl::StatusOr<std::vector<Token>> PostgresIdentityStore::List(const ListQuery& query) {
  const std::optional<Uuid> before =
      query.before.has_value() ? std::optional<Uuid>(query.before->uuid()) : std::nullopt;
  const std::optional<Uuid> principal =
      query.principal.has_value() ? std::optional<Uuid>(query.principal->uuid()) : std::nullopt;
  pg::Params params;
  params.Add(before).Add(query.live_at).Add(query.name).Add(std::int64_t{query.limit}).Add(principal);
  SY_ASSIGN_OR_RETURN(const pg::Result found, pool_.Execute(sql::kListTokens, params));
  std::vector<Token> page;
  for (const pg::Row row : found) page.push_back(ToToken(row));
  return page;
}

absl::Status PostgresIdentityStore::Touch(absl::Span<const std::pair<TokenId, absl::Time>> uses) {
  pg::UuidArray ids;
  pg::TimeArray times;
  for (const auto& [id, time] : uses) {
    ids.Append(id);
    times.Append(time);
  }
  pg::Params params;
  params.Add(ids).Add(times);
  return pool_.Execute(sql::kTouchTokens, params).status();
}

}  // namespace switchyard::identity
