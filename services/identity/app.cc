#include "services/identity/app.h"

#include <algorithm>
#include <utility>

#include "libs/app/options.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/rpc/caching_authenticator.h"
#include "services/identity/agent_token_rpc.h"
#include "services/identity/identity_rpc.h"
#include "services/identity/local_authenticator.h"
#include "services/identity/metered_identity_store.h"
#include "services/identity/postgres_identity_store.h"
#include "services/identity/sql/statements.h"
#include "services/identity/use_recorder.h"

namespace switchyard::identity {

const std::vector<pg::Migration>& SchemaMigrations() { return sql::Migrations(); }

const std::vector<app::DoctorCheck>& DoctorChecks() {
  static const auto& checks = *new std::vector<app::DoctorCheck>{
      {"a rotated token has the principal of its predecessor", &sql::kDoctorDanglingRotations},
      {"tokens end and are used after they were made", &sql::kDoctorImpossibleTimes},
      {"tokens have known scopes only", &sql::kDoctorUnknownScopes},
  };
  return checks;
}

IdentityLimits ToLimits(const config::v1::IdentitySettings& settings) {
  return {.default_lifetime = app::ToDuration(settings.default_token_lifetime()),
          .max_lifetime = app::ToDuration(settings.max_token_lifetime()),
          .max_tokens = settings.max_tokens()};
}

struct IdentityApp::Parts {
  Parts(app::Process& process, const config::v1::IdentitySettings& settings)
      : postgres(process.pool()),
        store(postgres, process.clock(), process.metrics()),
        uses(store, process.clock(), app::ToDuration(settings.last_used_interval())),
        identity(store, uses, process.clock(), process.ids(), ToLimits(settings)),
        local(identity, process.blocking()),
        record_uses(
            "token-uses", [this] { Record(); }, [] { return absl::Seconds(10); }) {}

  void Record() {
    const absl::StatusOr<int> written = uses.Tick();
    if (!written.ok()) LogWarning("times of last use could not be written", {{"error", written.status()}});
  }

  PostgresIdentityStore postgres;
  MeteredIdentityStore store;
  UseRecorder uses;
  Identity identity;
  LocalAuthenticator local;
  // After the server, whose gate it needs, was made with `local`.
  std::unique_ptr<IdentityRpc> rpc;
  std::unique_ptr<AgentTokenRpc> agent_tokens;
  PeriodicTask record_uses;
};

IdentityApp::IdentityApp(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
IdentityApp::~IdentityApp() = default;

absl::Status IdentityApp::AddTo(app::Process& process, const config::v1::IdentitySettings& settings) {
  const IdentityLimits limits = ToLimits(settings);
  if (limits.default_lifetime > limits.max_lifetime) {
    return InvalidFields(
        {{.field = "identity.default_token_lifetime", .description = "is longer than identity.max_token_lifetime"}});
  }
  auto parts = std::make_unique<Parts>(process, settings);
  const absl::Duration ttl = app::ToDuration(settings.cache_ttl());
  rpc::AuthenticationCacheOptions cache;
  cache.ttl = ttl;
  cache.refusal_ttl = std::min(cache.refusal_ttl, ttl);
  cache.refresh_after = ttl * 2 / 3;
  process.SetAuthenticator(std::make_unique<rpc::CachingAuthenticator>(parts->local, process.clock(), cache));
  rpc::Server& server = process.server();
  parts->rpc = std::make_unique<IdentityRpc>(server.gate(), parts->identity, process.blocking());
  server.Register(*parts->rpc, v1::IdentityService::service_full_name());
  parts->agent_tokens = std::make_unique<AgentTokenRpc>(server.gate(), parts->identity, process.blocking());
  server.Register(*parts->agent_tokens, v1::AgentTokenService::service_full_name());
  process.RequireSchema(kSchema, SchemaMigrations());
  process.Add(std::unique_ptr<IdentityApp>(new IdentityApp(std::move(parts))));
  return absl::OkStatus();
}

absl::Status IdentityApp::Start() {
  parts_->record_uses.Start();
  return absl::OkStatus();
}

void IdentityApp::Stop() {
  parts_->record_uses.Stop();
  parts_->Record();
}

}  // namespace switchyard::identity
