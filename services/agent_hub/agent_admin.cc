#include "services/agent_hub/agent_admin.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/secure_bytes.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/agent_hub/agent_errors.h"
#include "services/agent_hub/agent_rules.h"

namespace switchyard::agent_hub {
namespace {

constexpr std::string_view kEnrollmentPrefix = "sye_";
constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxReason = 256;
constexpr std::size_t kMaxLabels = 16;
constexpr std::size_t kMaxAddresses = 8;
constexpr std::size_t kMaxAddress = 256;
constexpr std::size_t kMinRequestId = 16;
constexpr std::size_t kMaxRequestId = 128;
constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 500;
constexpr absl::Duration kMinLifetime = absl::Minutes(1);
constexpr absl::Duration kMaxEnrollment = absl::Hours(24 * 7);
constexpr absl::Duration kMaxTokenLifetime = absl::Hours(24 * 365);
constexpr absl::Duration kDefaultGrace = absl::Hours(1);
constexpr absl::Duration kMaxGrace = absl::Hours(24 * 7);
constexpr absl::Duration kRenewEvery = absl::Minutes(1);
// Hubs write what they see every few seconds.
constexpr absl::Duration kUnheard = absl::Minutes(1);

bool IsName(std::string_view name) {
  if (name.empty() || name.size() > kMaxName || !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return absl::ascii_islower(u) || absl::ascii_isdigit(u) || c == '.' || c == '_' || c == '-';
  });
}

bool IsLine(std::string_view text, std::size_t max) {
  return text.size() <= max && std::none_of(text.begin(), text.end(),
                                            [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)); });
}

absl::Status CheckReason(std::string_view reason) {
  if (IsLine(reason, kMaxReason)) return absl::OkStatus();
  return InvalidFields({{.field = "reason", .description = "must be at most 256 bytes without control characters"}});
}

void CheckSpan(std::string_view field, std::optional<absl::Duration> span, absl::Duration min, absl::Duration max,
               std::vector<FieldViolation>& faults) {
  if (!span.has_value() || (*span >= min && *span <= max)) return;
  faults.push_back(
      {.field = std::string(field),
       .description = absl::StrCat("must be from ", absl::FormatDuration(min), " to ", absl::FormatDuration(max))});
}

std::string HashOf(std::string_view text) {
  const auto hash = Sha256(text);
  return std::string(hash.begin(), hash.end());
}

}  // namespace

AgentAdmin::AgentAdmin(AgentStore& store, TokenIssuer& issuer, const Clock& clock, IdSource& ids,
                       AdminSettings settings, std::function<void(const AgentRecord&)> touched)
    : store_(store),
      issuer_(issuer),
      clock_(clock),
      ids_(ids),
      settings_(std::move(settings)),
      touched_(std::move(touched)) {}

absl::Time AgentAdmin::Now() const { return ToMicros(clock_.Now()); }

absl::StatusOr<AgentRecord> AgentAdmin::Find(std::string_view agent) {
  if (const absl::StatusOr<AgentId> id = AgentId::Parse(agent); id.ok()) return store_.Find(*id);
  if (!IsName(agent)) return InvalidFields({{.field = "agent", .description = "must be the id or name of an agent"}});
  return store_.FindByName(agent);
}

absl::StatusOr<AgentPage> AgentAdmin::List(const ListAgentsQuery& query) {
  std::vector<FieldViolation> faults;
  if (query.page_size < 0 || query.page_size > kMaxPage) {
    faults.push_back({.field = "page_size", .description = "must be from 0 to 500"});
  }
  if (!query.page_token.empty() && !IsName(query.page_token)) {
    faults.push_back({.field = "page_token", .description = "is not one of ours"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  const int size = query.page_size == 0 ? kDefaultPage : query.page_size;
  AgentPage page;
  // One more than asked tells whether another page follows.
  SY_ASSIGN_OR_RETURN(page.agents, store_.List({.after_name = query.page_token,
                                                .limit = size + 1,
                                                .states = query.states,
                                                .capabilities = query.capabilities}));
  if (page.agents.size() > static_cast<std::size_t>(size)) {
    page.agents.pop_back();
    page.next_page_token = page.agents.back().name;
  }
  return page;
}

absl::StatusOr<AgentRecord> AgentAdmin::Change(std::string_view agent,
                                               absl::FunctionRef<absl::Status(AgentRecord&)> change) {
  SY_ASSIGN_OR_RETURN(const AgentRecord found, Find(agent));
  SY_ASSIGN_OR_RETURN(AgentRecord changed, store_.Change(found.id, Now(), change));
  if (touched_ != nullptr) touched_(changed);
  return changed;
}

absl::StatusOr<AgentRecord> AgentAdmin::Drain(std::string_view agent, std::string_view reason, std::string_view by) {
  SY_RETURN_IF_ERROR(CheckReason(reason));
  return Change(agent, [&](AgentRecord& record) {
    if (!record.drain.has_value()) record.drain = Mark{std::string(reason), std::string(by), Now()};
    return absl::OkStatus();
  });
}

absl::StatusOr<AgentRecord> AgentAdmin::Quarantine(std::string_view agent, std::string_view reason,
                                                   std::string_view by) {
  SY_RETURN_IF_ERROR(CheckReason(reason));
  return Change(agent, [&](AgentRecord& record) {
    if (!record.quarantine.has_value()) record.quarantine = Mark{std::string(reason), std::string(by), Now()};
    return absl::OkStatus();
  });
}

absl::StatusOr<AgentRecord> AgentAdmin::Resume(std::string_view agent) {
  return Change(agent, [](AgentRecord& record) {
    record.drain.reset();
    record.quarantine.reset();
    return absl::OkStatus();
  });
}

absl::StatusOr<AgentRecord> AgentAdmin::ResetBreaker(std::string_view agent) {
  return Change(agent, [](AgentRecord& record) {
    record.breaker = {};
    record.penalty = {};
    return absl::OkStatus();
  });
}

absl::StatusOr<AgentRecord> AgentAdmin::Remove(std::string_view agent, std::string_view reason, bool force) {
  SY_RETURN_IF_ERROR(CheckReason(reason));
  SY_ASSIGN_OR_RETURN(AgentRecord removed, Change(agent, [&](AgentRecord& record) -> absl::Status {
                        if (record.seen.held_tasks > 0 && !force) return AgentBusy(record);
                        record.remove_time = Now();
                        record.revoked = true;
                        record.token_expire_time.reset();
                        return absl::OkStatus();
                      }));
  // Its stream ends by the removal alone; a token that could not be revoked opens no other.
  SY_RETURN_IF_ERROR(issuer_.Revoke(removed.id, reason.empty() ? "the agent was removed" : reason));
  return removed;
}

absl::StatusOr<Invitation> AgentAdmin::Enroll(const EnrollQuery& query) {
  std::vector<FieldViolation> faults;
  if (!IsName(query.name)) {
    faults.push_back({.field = "name",
                      .description = "must be 1 to 64 characters of [a-z0-9._-], beginning with a letter or digit"});
  }
  CheckSpan("lifetime", query.lifetime, kMinLifetime, kMaxEnrollment, faults);
  CheckSpan("token_lifetime", query.token_lifetime, kMinLifetime, kMaxTokenLifetime, faults);
  if (query.labels.size() > kMaxLabels) faults.push_back({.field = "labels", .description = "must be at most 16"});
  for (const auto& [key, value] : query.labels) {
    if (IsName(key) && IsLine(value, kMaxName)) continue;
    faults.push_back({.field = "labels", .description = "must have keys as names and values of at most 64 bytes"});
    break;
  }
  if (query.addresses.size() > kMaxAddresses) {
    faults.push_back({.field = "addresses", .description = "must be at most 8"});
  }
  for (std::size_t i = 0; i < query.addresses.size(); ++i) {
    const std::string& address = query.addresses[i];
    if (IsLine(address, kMaxAddress) && address.find(' ') == std::string::npos &&
        address.find(':') != std::string::npos) {
      continue;
    }
    faults.push_back({.field = absl::StrCat("addresses[", i, "]"), .description = "must be HOST:PORT"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  Invitation invitation;
  invitation.addresses = query.addresses.empty() ? settings_.addresses : query.addresses;
  if (invitation.addresses.empty()) return NoHubAddress();

  invitation.token = SecureToken(kEnrollmentPrefix);
  Enrollment& enrollment = invitation.enrollment;
  enrollment.id = ids_.New<EnrollmentId>();
  enrollment.agent = ids_.New<AgentId>();
  enrollment.name = query.name;
  enrollment.labels = query.labels;
  enrollment.token_hash = HashOf(invitation.token);
  enrollment.create_time = Now();
  enrollment.expire_time =
      enrollment.create_time + absl::Floor(query.lifetime.value_or(absl::Hours(1)), absl::Microseconds(1));
  enrollment.created_by = query.requester;
  enrollment.token_lifetime = query.token_lifetime;
  SY_ASSIGN_OR_RETURN(const EnrollKind kind, store_.Enroll(enrollment, settings_.max_agents));
  if (kind == EnrollKind::kNameTaken) return AgentNameTaken(query.name);
  if (kind == EnrollKind::kTooMany) return TooManyAgents(settings_.max_agents);
  return invitation;
}

absl::StatusOr<AgentRecord> AgentAdmin::StoreToken(const AgentId& id, absl::Time expire_time) {
  SY_ASSIGN_OR_RETURN(AgentRecord changed, store_.Change(id, Now(), [&](AgentRecord& record) {
    record.token_expire_time = ToMicros(expire_time);
    record.revoked = false;
    return absl::OkStatus();
  }));
  if (touched_ != nullptr) touched_(changed);
  return changed;
}

absl::StatusOr<NewAgentToken> AgentAdmin::Redeem(std::string_view token, std::string_view request_id,
                                                 std::string_view host_name) {
  std::vector<FieldViolation> faults;
  if (request_id.size() < kMinRequestId || request_id.size() > kMaxRequestId) {
    faults.push_back({.field = "request_id", .description = "must be 16 to 128 bytes"});
  }
  if (!IsLine(host_name, kMaxReason)) {
    faults.push_back({.field = "host_name", .description = "must be at most 256 bytes without control characters"});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  if (token.substr(0, kEnrollmentPrefix.size()) != kEnrollmentPrefix) return EnrollmentUnknown();
  SY_ASSIGN_OR_RETURN(const Redeemed redeemed, store_.Redeem(HashOf(token), HashOf(request_id), host_name, Now()));
  const Enrollment& enrollment = redeemed.enrollment;
  if (redeemed.repeated) SY_RETURN_IF_ERROR(issuer_.Revoke(enrollment.agent, "the enrolment was repeated"));
  NewAgentToken made;
  SY_ASSIGN_OR_RETURN(made.token, issuer_.Issue(enrollment.agent, enrollment.name,
                                                enrollment.token_lifetime.value_or(settings_.token_lifetime)));
  SY_ASSIGN_OR_RETURN(made.agent, StoreToken(enrollment.agent, made.token.expire_time));
  return made;
}

absl::StatusOr<EnrollmentView> AgentAdmin::GetEnrollment(const EnrollmentId& id) {
  EnrollmentView view;
  SY_ASSIGN_OR_RETURN(view.enrollment, store_.FindEnrollment(id));
  const Enrollment& enrollment = view.enrollment;
  if (enrollment.redeem_time.has_value()) {
    view.state = EnrollmentState::kRedeemed;
    absl::StatusOr<AgentRecord> agent = store_.Find(enrollment.agent);
    if (!agent.ok() && !absl::IsNotFound(agent.status())) return agent.status();
    if (agent.ok() && agent->probe.state == ProbeState::kPassed) view.state = EnrollmentState::kCompleted;
    if (agent.ok()) view.agent = *std::move(agent);
  } else if (enrollment.revoke_time.has_value()) {
    view.state = EnrollmentState::kRevoked;
  } else if (!IsOpen(enrollment, Now())) {
    view.state = EnrollmentState::kExpired;
  }
  return view;
}

absl::StatusOr<NewAgentToken> AgentAdmin::Rotate(std::string_view agent, std::optional<absl::Duration> grace) {
  std::vector<FieldViolation> faults;
  CheckSpan("grace", grace, absl::ZeroDuration(), kMaxGrace, faults);
  if (!faults.empty()) return InvalidFields(std::move(faults));
  SY_ASSIGN_OR_RETURN(const AgentRecord found, Find(agent));
  NewAgentToken made;
  SY_ASSIGN_OR_RETURN(made.token, issuer_.Rotate(found.id, grace.value_or(kDefaultGrace)));
  SY_ASSIGN_OR_RETURN(made.agent, StoreToken(found.id, made.token.expire_time));
  return made;
}

absl::StatusOr<NewAgentToken> AgentAdmin::Renew(std::string_view agent) {
  SY_ASSIGN_OR_RETURN(const AgentRecord found, Find(agent));
  const absl::Time now = Now();
  {
    MutexLock lock(mutex_);
    std::erase_if(renewed_, [&](const auto& entry) { return now - entry.second >= kRenewEvery; });
    if (!renewed_.emplace(found.id, now).second) {
      return MakeError(absl::StatusCode::kResourceExhausted, "the token was renewed less than a minute ago",
                       {.reason = "RENEWED_TOO_OFTEN", .metadata = {}, .violations = {}, .retry_after = kRenewEvery});
    }
  }
  return Rotate(found.id.ToString(), std::nullopt);
}

absl::StatusOr<AgentRecord> AgentAdmin::RevokeToken(std::string_view agent, std::string_view reason) {
  SY_RETURN_IF_ERROR(CheckReason(reason));
  SY_ASSIGN_OR_RETURN(AgentRecord revoked, Change(agent, [](AgentRecord& record) {
                        record.revoked = true;
                        record.token_expire_time.reset();
                        return absl::OkStatus();
                      }));
  SY_RETURN_IF_ERROR(issuer_.Revoke(revoked.id, reason.empty() ? "revoked by a person" : reason));
  return revoked;
}

Seen AsOf(const Seen& seen, absl::Time now) {
  Seen shown = seen;
  const absl::Time heard = std::max(seen.last_heartbeat_time.value_or(absl::InfinitePast()), seen.state_time);
  if (seen.state != AgentState::kOffline && now - heard > kUnheard) {
    shown.state = AgentState::kUnresponsive;
    shown.state_time = heard;
    shown.state_cause = "its hub has not said anything of it for a while";
  }
  return shown;
}

std::string UnavailableReason(const AgentRecord& agent, absl::Time now) {
  if (agent.remove_time.has_value()) return "it was removed";
  if (agent.revoked) return "its token was revoked";
  if (agent.token_expire_time.has_value() && now >= *agent.token_expire_time) return "its token has expired";
  if (agent.quarantine.has_value()) return absl::StrCat("quarantined by ", agent.quarantine->set_by);
  if (agent.drain.has_value()) return absl::StrCat("drained by ", agent.drain->set_by);
  const Seen seen = AsOf(agent.seen, now);
  if (seen.state == AgentState::kOffline) return "it is not connected";
  if (seen.state == AgentState::kUnresponsive) return "it does not answer";
  if (agent.probe.state != ProbeState::kPassed) return "its probe task has not passed";
  if (agent.breaker.open_until.has_value()) {
    return absl::StrCat("its breaker is open: ", agent.breaker.last_failure);
  }
  return seen.unavailable_reason;
}

}  // namespace switchyard::agent_hub
