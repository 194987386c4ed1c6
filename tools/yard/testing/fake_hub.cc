#include "tools/yard/testing/fake_hub.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;

absl::Status NoAgent(const std::string& name) {
  return MakeError(absl::StatusCode::kNotFound, "AGENT_NOT_FOUND", absl::StrCat("no agent ", name));
}

}  // namespace

void FakeHub::Add(const std::string& name, ag::AgentState state) {
  const MutexLock lock(mutex_);
  ag::Agent& agent = agents_[name];
  agent.set_name(name);
  agent.set_agent_id(absl::StrCat("id-", name));
  agent.set_state(state);
  agent.set_slots(4);
}

void FakeHub::Edit(const std::string& name, const std::function<void(ag::Agent&)>& edit) {
  const MutexLock lock(mutex_);
  edit(agents_[name]);
}

void FakeHub::SetEnrollmentStates(std::vector<ag::EnrollmentState> states) {
  const MutexLock lock(mutex_);
  enrollment_states_ = std::move(states);
}

ag::ReadTaskLogResponse FakeHub::From(std::size_t first) const {
  ag::ReadTaskLogResponse response;
  for (std::size_t i = first; i < log_.size(); ++i) *response.add_chunks() = log_[i];
  response.set_resume_token(absl::StrCat(log_.size()));
  response.set_caught_up(true);
  return response;
}

void FakeHub::Print(const std::string& data, ag::LogStream stream, bool last) {
  const MutexLock lock(mutex_);
  ag::TaskLogChunk& chunk = log_.emplace_back();
  chunk.set_generation(1);
  chunk.set_sequence(static_cast<std::int64_t>(log_.size()));
  chunk.set_data(data);
  chunk.set_stream(stream);
  chunk.set_last(last);
  for (const std::shared_ptr<Stream>& follower : followers_) follower->Offer(From(log_.size() - 1));
}

void FakeHub::DropNextStreams(int count) {
  const MutexLock lock(mutex_);
  drops_ = count;
}

ag::EnrollAgentRequest FakeHub::enrolled() const {
  const MutexLock lock(mutex_);
  return enrolled_;
}

int FakeHub::streams() const {
  const MutexLock lock(mutex_);
  return streams_;
}

grpc::ServerUnaryReactor* FakeHub::ListAgents(Context* context, const ag::ListAgentsRequest* request,
                                              ag::ListAgentsResponse* response) {
  return rpc_.Unary(context, rpc_.Find("ListAgents"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        for (const auto& [name, agent] : agents_) {
                          if (q.states().empty() || q.states(0) == agent.state()) *r.add_agents() = agent;
                        }
                      }
                      done(absl::OkStatus());
                    });
}

template <class Request, class Response, class Change>
grpc::ServerUnaryReactor* FakeHub::Act(Context* context, const char* method, const Request* request, Response* response,
                                       Change change) {
  return rpc_.Unary(context, rpc_.Find(method), request, response,
                    [this, change](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      absl::Status status = NoAgent(q.agent());
                      {
                        const MutexLock lock(mutex_);
                        if (const auto found = agents_.find(q.agent()); found != agents_.end()) {
                          status = change(found->second, q);
                          *r.mutable_agent() = found->second;
                        }
                      }
                      done(status);
                    });
}

grpc::ServerUnaryReactor* FakeHub::GetAgent(Context* context, const ag::GetAgentRequest* request,
                                            ag::GetAgentResponse* response) {
  ag::AgentTransition& transition = *response->add_transitions();
  transition.set_from(ag::AGENT_STATE_CONNECTING);
  transition.set_to(ag::AGENT_STATE_IDLE);
  transition.set_cause("its probe passed");
  return Act(context, "GetAgent", request, response, [](ag::Agent&, const auto&) { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* FakeHub::DrainAgent(Context* context, const ag::DrainAgentRequest* request,
                                              ag::DrainAgentResponse* response) {
  return Act(context, "DrainAgent", request, response, [](ag::Agent& agent, const auto& q) {
    agent.mutable_drain()->set_reason(q.reason());
    agent.set_state(ag::AGENT_STATE_DRAINING);
    agent.set_unavailable_reason("drained");
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FakeHub::ResumeAgent(Context* context, const ag::ResumeAgentRequest* request,
                                               ag::ResumeAgentResponse* response) {
  return Act(context, "ResumeAgent", request, response, [](ag::Agent& agent, const auto&) {
    agent.clear_drain();
    agent.set_state(ag::AGENT_STATE_IDLE);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FakeHub::QuarantineAgent(Context* context, const ag::QuarantineAgentRequest* request,
                                                   ag::QuarantineAgentResponse* response) {
  return Act(context, "QuarantineAgent", request, response, [](ag::Agent& agent, const auto& q) {
    agent.mutable_quarantine()->set_reason(q.reason());
    agent.set_state(ag::AGENT_STATE_QUARANTINED);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FakeHub::RemoveAgent(Context* context, const ag::RemoveAgentRequest* request,
                                               ag::RemoveAgentResponse* response) {
  return Act(context, "RemoveAgent", request, response, [](ag::Agent& agent, const auto& q) -> absl::Status {
    if (agent.held_tasks() == 0 || q.force()) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition, "AGENT_BUSY", "it holds tasks");
  });
}

grpc::ServerUnaryReactor* FakeHub::ResetAgentBreaker(Context* context, const ag::ResetAgentBreakerRequest* request,
                                                     ag::ResetAgentBreakerResponse* response) {
  return Act(context, "ResetAgentBreaker", request, response, [](ag::Agent& agent, const auto&) {
    agent.clear_breaker();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FakeHub::RevokeAgentToken(Context* context, const ag::RevokeAgentTokenRequest* request,
                                                    ag::RevokeAgentTokenResponse* response) {
  return Act(context, "RevokeAgentToken", request, response, [](ag::Agent& agent, const auto&) {
    agent.clear_token_expire_time();
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* FakeHub::EnrollAgent(Context* context, const ag::EnrollAgentRequest* request,
                                               ag::EnrollAgentResponse* response) {
  return rpc_.Unary(context, rpc_.Find("EnrollAgent"), request, response,
                    [this](const rpc::CallContext&, const auto& q, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        enrolled_ = q;
                      }
                      r.set_enrollment_id("enrollment-1");
                      r.set_enrollment("sye1_abc");
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeHub::GetEnrollment(Context* context, const ag::GetEnrollmentRequest* request,
                                                 ag::GetEnrollmentResponse* response) {
  return rpc_.Unary(context, rpc_.Find("GetEnrollment"), request, response,
                    [this](const rpc::CallContext&, const auto&, auto& r, rpc::Done done) {
                      {
                        const MutexLock lock(mutex_);
                        r.set_state(enrollment_states_.front());
                        if (enrollment_states_.size() > 1) enrollment_states_.erase(enrollment_states_.begin());
                        r.mutable_agent()->set_probe_state(ag::PROBE_STATE_RUNNING);
                      }
                      done(absl::OkStatus());
                    });
}

grpc::ServerUnaryReactor* FakeHub::RotateAgentToken(Context* context, const ag::RotateAgentTokenRequest* request,
                                                    ag::RotateAgentTokenResponse* response) {
  return rpc_.Unary(context, rpc_.Find("RotateAgentToken"), request, response,
                    [](const rpc::CallContext&, const auto&, auto& r, rpc::Done done) {
                      r.set_token("sy_new");
                      done(absl::OkStatus());
                    });
}

grpc::ServerWriteReactor<ag::ReadTaskLogResponse>* FakeHub::ReadTaskLog(Context* context,
                                                                        const ag::ReadTaskLogRequest* request) {
  return rpc_.Stream<ag::ReadTaskLogResponse>(
      context, rpc_.Find("ReadTaskLog"), request, {},
      [this](const rpc::CallContext&, const ag::ReadTaskLogRequest& q, std::shared_ptr<Stream> stream) -> absl::Status {
        const MutexLock lock(mutex_);
        ++streams_;
        int first = 0;
        if (!q.resume_token().empty() && !absl::SimpleAtoi(q.resume_token(), &first)) {
          return InvalidFields({{.field = "resume_token", .description = "is not one of ours"}});
        }
        if (drops_ > 0) {
          --drops_;
          return MakeError(absl::StatusCode::kUnavailable, "GONE", "gone");
        }
        stream->Offer(From(static_cast<std::size_t>(first)));
        if (q.follow()) {
          followers_.push_back(std::move(stream));
        } else {
          stream->CloseWith(absl::OkStatus());
        }
        return absl::OkStatus();
      });
}

}  // namespace switchyard::yard
