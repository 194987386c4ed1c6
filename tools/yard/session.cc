#include "tools/yard/session.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "tools/yard/errors.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {

Session::Session(Host& host, Invocation invocation, OutputStyle style, std::string request_id)
    : host_(host),
      invocation_(std::move(invocation)),
      style_(style),
      request_id_(std::move(request_id)),
      rng_(MakeSystemRng()) {}

void Session::Write(std::string_view data) {
  const MutexLock lock(output_mutex_);
  host_.out << data << std::flush;
}

void Session::WriteError(std::string_view data) {
  const MutexLock lock(output_mutex_);
  host_.err << data << std::flush;
}

void Session::Remark(std::string_view line) {
  if (!style_.quiet) WriteError(OneLine(line) + "\n");
}

void Session::Progress(std::string_view line) {
  if (host_.err_is_terminal) Remark(line);
}

absl::StatusOr<const Connection*> Session::connection() {
  if (connection_ == nullptr) {
    SY_ASSIGN_OR_RETURN(Connection connection, ResolveConnection(invocation_, host_));
    connection_ = std::make_unique<Connection>(std::move(connection));
  }
  return connection_.get();
}

absl::StatusOr<std::string> Session::Token() {
  if (token_ != nullptr) return *token_;
  SY_ASSIGN_OR_RETURN(const Connection* const connection, this->connection());
  std::string token;
  const bool file_asked_for = invocation_.Has("token-file");
  if (invocation_.Has("token-stdin")) {
    if (file_asked_for) return UsageError("TWO_TOKENS", "--token-file and --token-stdin exclude each other");
    std::getline(host_.in, token);
    while (!token.empty() && token.back() == '\r') token.pop_back();
    if (token.empty()) return UsageError("NO_TOKEN", "--token-stdin: standard input holds no token");
  } else if (!file_asked_for && !host_.Variable("YARD_TOKEN").empty()) {
    token = host_.Variable("YARD_TOKEN");
  } else if (!connection->values.token_file.empty()) {
    SY_ASSIGN_OR_RETURN(token, ReadSecretFile(connection->values.token_file));
  }
  token_ = std::make_unique<std::string>(std::move(token));
  return *token_;
}

absl::StatusOr<absl::Duration> Session::Timeout(absl::Duration otherwise) const {
  if (const auto given = invocation_.Span("timeout"); given.has_value()) return *given;
  const std::string variable = host_.Variable("YARD_TIMEOUT");
  if (variable.empty()) return otherwise;
  const absl::StatusOr<absl::Duration> span = ParseSpan(variable);
  if (span.ok()) return *span;
  return UsageError("BAD_VALUE", absl::StrCat("YARD_TIMEOUT: ", span.status().message()));
}

absl::StatusOr<rpc::ChannelOptions> Session::ChannelTo(std::string Context::*address) {
  SY_ASSIGN_OR_RETURN(const Connection* const connection, this->connection());
  rpc::ChannelOptions options;
  options.target = connection->values.*address;
  options.tls.ca_file = connection->values.ca_file;
  options.tls.cert_file = connection->values.cert_file;
  options.tls.key_file = connection->values.key_file;
  options.tls.server_name = connection->values.server_name;
  options.allow_insecure = connection->allow_insecure;
  return options;
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> Session::Dial(std::string Context::*address) {
  SY_ASSIGN_OR_RETURN(const rpc::ChannelOptions options, ChannelTo(address));
  SY_ASSIGN_OR_RETURN(const std::string token, Token());
  if (caller_ == nullptr) {
    tokens_ = std::make_unique<rpc::StringTokenSource>(token);
    caller_ = std::make_unique<rpc::Caller>(host_.clock, *rng_, timer_, tokens_.get());
  }
  return rpc::MakeChannel(options);
}

absl::Status Session::Explain(const absl::Status& status, std::string Context::*address) const {
  const bool nobody = ReasonOf(status).empty() && (status.code() == absl::StatusCode::kUnavailable ||
                                                   status.code() == absl::StatusCode::kDeadlineExceeded);
  if (address == &Context::router_address && (nobody || status.code() == absl::StatusCode::kUnimplemented)) {
    return LocalError(status.code(), "ROUTER_AWAY",
                      absl::StrCat("no router answers at ", connection_->values.router_address, ": ", status.message()),
                      "is switchyard-router running? yard admin doctor; --router-address says where it is");
  }
  if (address == &Context::verification_address && (nobody || status.code() == absl::StatusCode::kUnimplemented)) {
    return LocalError(status.code(), "VERIFICATION_AWAY",
                      absl::StrCat("no verification service answers at ", connection_->values.verification_address,
                                   ": ", status.message()),
                      "is switchyard-verification running? yard admin doctor; --verification-address says where it is");
  }
  if (!nobody) return status;
  return Annotate(status, absl::StrCat(connection_->values.*address, " does not answer"));
}

absl::StatusOr<TaskQueueStub*> Session::tasks() {
  if (tasks_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::address));
    tasks_ = task_queue::v1::TaskQueueService::NewStub(channel);
  }
  return tasks_.get();
}

absl::StatusOr<admin::v1::GetProcessResponse> Session::AskProcess(std::string Context::*address) {
  SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(address));
  processes_.push_back(admin::v1::ProcessService::NewStub(channel));
  return CallOn(*processes_.back(), &ProcessStub::GetProcess, {}, Repeat::kSafe, absl::Seconds(5));
}

absl::StatusOr<IdentityStub*> Session::identity() {
  if (identity_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::identity_address));
    identity_ = identity::v1::IdentityService::NewStub(channel);
  }
  return identity_.get();
}

absl::StatusOr<SchedulerAdminStub*> Session::scheduler() {
  if (scheduler_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::scheduler_address));
    scheduler_ = scheduler::v1::SchedulerAdminService::NewStub(channel);
  }
  return scheduler_.get();
}

absl::StatusOr<ModelRegistryStub*> Session::registry() {
  if (registry_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::registry_address));
    registry_ = model_registry::v1::ModelRegistryService::NewStub(channel);
  }
  return registry_.get();
}

absl::StatusOr<RouterStub*> Session::router() {
  if (router_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::router_address));
    router_ = router::v1::RouterService::NewStub(channel);
  }
  return router_.get();
}

absl::StatusOr<VerificationStub*> Session::verification() {
  if (verification_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::verification_address));
    verification_ = verification::v1::VerificationService::NewStub(channel);
  }
  return verification_.get();
}

absl::StatusOr<AgentAdminStub*> Session::hub() {
  if (hub_ == nullptr) {
    SY_ASSIGN_OR_RETURN(std::shared_ptr<grpc::Channel> channel, Dial(&Context::hub_address));
    hub_ = agent::v1::AgentAdminService::NewStub(channel);
  }
  return hub_.get();
}

}  // namespace switchyard::yard
