#include "tools/benchmarks/executors.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"
#include "tools/benchmarks/processor_time.h"

namespace switchyard::bench {
namespace {

namespace av1 = agent::v1;

constexpr absl::Duration kExecutorPatience = absl::Seconds(60);
constexpr absl::Duration kPause = absl::Milliseconds(50);

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  if (chmod(path.c_str(), 0600) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("cannot write ", path));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Executors>> Executors::Start(const Installation& installation, Client& client,
                                                            const Settings& settings) {
  std::unique_ptr<Executors> executors(new Executors);
  SY_ASSIGN_OR_RETURN(const std::vector<AgentIdentity> identities,
                      EnrollAgents(installation, settings.prefix, settings.count));
  // The user that tasks run as passes through it.
  chmod(executors->files_.path().c_str(), 0711);
  for (const AgentIdentity& identity : identities) {
    SY_RETURN_IF_ERROR(executors->StartOne(installation, settings, identity));
  }
  SY_RETURN_IF_ERROR(executors->AwaitAvailable(installation, client, identities));
  return executors;
}

Executors::~Executors() {
  for (const auto& process : processes_) process->Stop();
}

absl::Duration Executors::Spent() const {
  absl::Duration spent;
  for (const auto& process : processes_) spent += FamilyTime(process->pid());
  return spent;
}

absl::Status Executors::StartOne(const Installation& installation, const Settings& settings,
                                 const AgentIdentity& identity) {
  std::error_code error;
  const std::string binary =
      std::filesystem::read_symlink("/proc/self/exe", error).parent_path().string() + "/yard-agent";
  const std::string folder = files_.File(identity.name);
  std::filesystem::create_directory(folder, error);
  chmod(folder.c_str(), 0711);
  SY_RETURN_IF_ERROR(WriteFile(folder + "/token", identity.token));
  if (!settings.allowlist.empty()) SY_RETURN_IF_ERROR(WriteFile(folder + "/allowlist.yaml", settings.allowlist));
  SY_RETURN_IF_ERROR(WriteFile(
      folder + ".yaml", absl::StrCat("data_dir: ", folder, "\nname: ", identity.name, "\nslots: ", settings.slots,
                                     "\nlog_level: warning\nsandbox: {user: nobody}\nhub: {addresses: ['",
                                     installation.hub_target(), "']}\n", settings.config)));
  SY_ASSIGN_OR_RETURN(processes_.emplace_back(), ChildProcess::Start({binary, "run", "--config=" + folder + ".yaml"},
                                                                     files_.File(identity.name + ".log")));
  return absl::OkStatus();
}

absl::Status Executors::AwaitAvailable(const Installation& installation, Client& client,
                                       const std::vector<AgentIdentity>& identities) {
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({.target = installation.hub_target()}));
  const auto hub = av1::AgentAdminService::NewStub(channel);
  const absl::Time deadline = absl::Now() + kExecutorPatience;
  for (std::size_t i = 0; i < identities.size();) {
    grpc::ClientContext context;
    client.Prepare(context);
    av1::GetAgentRequest request;
    request.set_agent(identities[i].id);
    av1::GetAgentResponse response;
    if (hub->GetAgent(&context, request, &response).ok() && response.agent().available()) {
      ++i;
      continue;
    }
    if (absl::Now() > deadline || !processes_[i]->running()) {
      return absl::InternalError(absl::StrCat("the executor ", identities[i].name, " does not become available:\n",
                                              ReadWhole(files_.File(identities[i].name + ".log"))));
    }
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::bench
