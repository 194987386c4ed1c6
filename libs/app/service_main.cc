#include "libs/app/service_main.h"

#include "google/protobuf/message.h"
#include "libs/app/options.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/healthcheck.h"
#include "libs/rpc/lifecycle.h"

namespace switchyard::app {
namespace {

absl::Status Serve(Process& process, rpc::StopSignals& signals, const std::function<absl::Status(Process&)>& compose,
                   int& code) {
  SY_RETURN_IF_ERROR(compose(process));
  SY_RETURN_IF_ERROR(process.Start());
  code = rpc::RunUntilSignalled(signals, {&process.server()}, process.patience(), [&process] { process.Stop(); });
  return absl::OkStatus();
}

}  // namespace

int RunService(const Program& program, const std::vector<std::string>& arguments, google::protobuf::Message& config,
               const std::function<CommonConfig()>& common, const std::function<absl::Status(Process&)>& compose) {
  // Before any thread.
  rpc::StopSignals signals;
  const ParseResult parsed = ParseCommandLine(program, arguments, config);
  if (parsed.exit.has_value()) return *parsed.exit;
  const CommonConfig parts = common();
  if (parsed.healthcheck.has_value()) {
    return rpc::RunHealthcheck(parts.server->listen(), *parsed.healthcheck, ToHealthcheckTls(parts.server->tls()));
  }
  ConfigureLog(program.service.empty() ? program.name : program.service, ToLogLevel(parts.server->log_level()));
  rpc::RouteGrpcLog();

  absl::StatusOr<std::unique_ptr<Process>> process =
      parts.database == nullptr ? Process::CreateWithoutDatabase(program.name, *parts.server)
                                : Process::Create(program.name, *parts.server, *parts.database);
  int code = kExitError;
  const absl::Status status = process.ok() ? Serve(**process, signals, compose, code) : process.status();
  if (!status.ok()) {
    LogError("cannot start", {{"error", status}});
    return kExitError;
  }
  return code;
}

}  // namespace switchyard::app
