// An agent hub in memory, as far as the commands of yard can tell it from the real one.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/server_stream.h"
#include "switchyard/agent/v1/agent_admin.grpc.pb.h"

namespace switchyard::yard {

// Thread-safe.
class FakeHub final : public agent::v1::AgentAdminService::CallbackService {
 public:
  explicit FakeHub(rpc::CallGate& gate) : rpc_(gate, agent::v1::AgentAdminService::service_full_name()) {}

  void Add(const std::string& name, agent::v1::AgentState state);
  // Changes an agent at will.
  void Edit(const std::string& name, const std::function<void(agent::v1::Agent&)>& edit);
  // States that GetEnrollment answers with, one after the other; the last one stays.
  void SetEnrollmentStates(std::vector<agent::v1::EnrollmentState> states);
  // Stores a chunk and sends it to whoever follows.
  void Print(const std::string& data, agent::v1::LogStream stream = agent::v1::LOG_STREAM_STDOUT, bool last = false);
  // The next streams of logs end with UNAVAILABLE after their first message.
  void DropNextStreams(int count);
  agent::v1::EnrollAgentRequest enrolled() const;
  int streams() const;

  using Context = grpc::CallbackServerContext;
  grpc::ServerUnaryReactor* ListAgents(Context*, const agent::v1::ListAgentsRequest*,
                                       agent::v1::ListAgentsResponse*) override;
  grpc::ServerUnaryReactor* GetAgent(Context*, const agent::v1::GetAgentRequest*,
                                     agent::v1::GetAgentResponse*) override;
  grpc::ServerUnaryReactor* DrainAgent(Context*, const agent::v1::DrainAgentRequest*,
                                       agent::v1::DrainAgentResponse*) override;
  grpc::ServerUnaryReactor* ResumeAgent(Context*, const agent::v1::ResumeAgentRequest*,
                                        agent::v1::ResumeAgentResponse*) override;
  grpc::ServerUnaryReactor* QuarantineAgent(Context*, const agent::v1::QuarantineAgentRequest*,
                                            agent::v1::QuarantineAgentResponse*) override;
  grpc::ServerUnaryReactor* RemoveAgent(Context*, const agent::v1::RemoveAgentRequest*,
                                        agent::v1::RemoveAgentResponse*) override;
  grpc::ServerUnaryReactor* ResetAgentBreaker(Context*, const agent::v1::ResetAgentBreakerRequest*,
                                              agent::v1::ResetAgentBreakerResponse*) override;
  grpc::ServerUnaryReactor* EnrollAgent(Context*, const agent::v1::EnrollAgentRequest*,
                                        agent::v1::EnrollAgentResponse*) override;
  grpc::ServerUnaryReactor* GetEnrollment(Context*, const agent::v1::GetEnrollmentRequest*,
                                          agent::v1::GetEnrollmentResponse*) override;
  grpc::ServerUnaryReactor* RotateAgentToken(Context*, const agent::v1::RotateAgentTokenRequest*,
                                             agent::v1::RotateAgentTokenResponse*) override;
  grpc::ServerUnaryReactor* RevokeAgentToken(Context*, const agent::v1::RevokeAgentTokenRequest*,
                                             agent::v1::RevokeAgentTokenResponse*) override;
  grpc::ServerWriteReactor<agent::v1::ReadTaskLogResponse>* ReadTaskLog(Context*,
                                                                        const agent::v1::ReadTaskLogRequest*) override;

 private:
  using Stream = rpc::ServerStream<agent::v1::ReadTaskLogResponse>;

  // Finds the agent, changes it, answers with it.
  template <class Request, class Response, class Change>
  grpc::ServerUnaryReactor* Act(Context* context, const char* method, const Request* request, Response* response,
                                Change change);
  agent::v1::ReadTaskLogResponse From(std::size_t first) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  rpc::Handlers rpc_;
  mutable Mutex mutex_;
  std::map<std::string, agent::v1::Agent> agents_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::EnrollmentState> enrollment_states_ ABSL_GUARDED_BY(mutex_);
  agent::v1::EnrollAgentRequest enrolled_ ABSL_GUARDED_BY(mutex_);
  std::vector<agent::v1::TaskLogChunk> log_ ABSL_GUARDED_BY(mutex_);
  // Shared with the calls themselves.
  std::vector<std::shared_ptr<Stream>> followers_ ABSL_GUARDED_BY(mutex_);
  int drops_ ABSL_GUARDED_BY(mutex_) = 0;
  int streams_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::yard
