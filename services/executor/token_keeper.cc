#include "services/executor/token_keeper.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/retry.h"
#include "services/executor/files.h"

namespace switchyard::executor {
namespace {

constexpr absl::Duration kFarAhead = absl::Hours(24 * 30);

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

}  // namespace

absl::Duration TokenKeeper::Tick() {
  using agent::v1::AgentAdminService;
  AgentAdminService::StubInterface& hub = hub_();
  const absl::StatusOr<agent::v1::GetSelfStatusResponse> self =
      rpc::CallUnary(caller_, hub, &AgentAdminService::StubInterface::GetSelfStatus, agent::v1::GetSelfStatusRequest(),
                     {.idempotent = true});
  if (!self.ok()) {
    LogDebug("the age of the token is not known", {{"error", self.status()}});
    return absl::Minutes(1);
  }
  const absl::Time now = caller_.clock().Now();
  if (!self->agent().has_token_expire_time()) return absl::Hours(1);
  const absl::Time expires = ToTime(self->agent().token_expire_time());
  if (expires != expires_) {
    expires_ = expires;
    renew_at_ = expires - std::min(kFarAhead, (expires - now) / 3);
  }
  if (now >= renew_at_) {
    if (const absl::Status renewed = Renew(hub, expires); !renewed.ok()) {
      LogWarning("the token could not be renewed", {{"error", renewed}, {"ends_in", expires - now}});
      return absl::Minutes(1);
    }
  }
  return std::clamp((renew_at_ - now) / 2, absl::Seconds(1), absl::Hours(1));
}

absl::Status TokenKeeper::Renew(agent::v1::AgentAdminService::StubInterface& hub, absl::Time expires) {
  using agent::v1::AgentAdminService;
  // Not tried again by itself: each call makes a token.
  SY_ASSIGN_OR_RETURN(
      const agent::v1::RenewTokenResponse renewed,
      rpc::CallUnary(caller_, hub, &AgentAdminService::StubInterface::RenewToken, agent::v1::RenewTokenRequest(), {}));
  SY_RETURN_IF_ERROR(ReplaceFile(file_, absl::StrCat(renewed.token(), "\n")));
  expires_ = ToTime(renewed.token_expire_time());
  const absl::Duration left = expires_ - caller_.clock().Now();
  renew_at_ = expires_ - std::min(kFarAhead, left / 3);
  LogInfo("the token was renewed", {{"former_ended_in", expires - caller_.clock().Now()}, {"ends_in", left}});
  return absl::OkStatus();
}

}  // namespace switchyard::executor
