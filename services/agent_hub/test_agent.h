#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "libs/rpc/status_convert.h"
#include "switchyard/agent/v1/agent_hub.grpc.pb.h"

namespace switchyard::agent_hub {

// An executor that does what a test tells it, over a real stream; its reads wait. Not thread-safe.
class TestAgent final {
 public:
  TestAgent(const std::shared_ptr<grpc::Channel>& channel, const std::string& token)
      : stub_(agent::v1::AgentHubService::NewStub(channel)) {
    context_.AddMetadata("authorization", "Bearer " + token);
    stream_ = stub_->Connect(&context_);
  }
  ~TestAgent() {
    if (ended_) return;
    context_.TryCancel();
    stream_->Finish();
  }

  static agent::v1::AgentMessage Hello(int slots = 4) {
    agent::v1::AgentMessage message;
    agent::v1::Hello& hello = *message.mutable_hello();
    hello.set_min_protocol_version(1);
    hello.set_max_protocol_version(1);
    for (const char* feature : {"kind.command", "logs", "confirm", "blocked"}) hello.add_features(feature);
    hello.add_capabilities("os:linux");
    hello.set_slots(slots);
    return message;
  }

  bool Say(const agent::v1::AgentMessage& message) { return stream_->Write(message); }
  // The next message of that kind; others are passed over. Nothing when the stream ended first.
  std::optional<agent::v1::HubMessage> Await(agent::v1::HubMessage::BodyCase kind) {
    agent::v1::HubMessage message;
    while (stream_->Read(&message)) {
      if (message.body_case() == agent::v1::HubMessage::kGoodbye) goodbye_ = message.goodbye();
      if (message.body_case() == kind) return message;
    }
    return std::nullopt;
  }
  // Reads to the end.
  absl::Status End() {
    Await(agent::v1::HubMessage::BODY_NOT_SET);
    ended_ = true;
    return rpc::FromGrpcStatus(stream_->Finish());
  }
  absl::Status Leave() {
    stream_->WritesDone();
    return End();
  }

  void Report(std::int64_t number, const agent::v1::Assignment& on,
              const std::function<void(agent::v1::Report&)>& fill) {
    agent::v1::AgentMessage message;
    agent::v1::Report& report = *message.mutable_reports()->add_reports();
    report.set_number(number);
    report.set_task_id(on.task_id());
    report.set_generation(on.generation());
    fill(report);
    Say(message);
  }

  const agent::v1::Goodbye& goodbye() const { return goodbye_; }
  void Cancel() { context_.TryCancel(); }

 private:
  const std::unique_ptr<agent::v1::AgentHubService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<agent::v1::AgentMessage, agent::v1::HubMessage>> stream_;
  agent::v1::Goodbye goodbye_;
  bool ended_ = false;
};

}  // namespace switchyard::agent_hub
