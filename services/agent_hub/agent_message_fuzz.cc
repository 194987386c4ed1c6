// What one agent may send, taken apart and given to the hub: a byte says how long the next message is and what happens
// beside it. Nothing may crash, and what the hub keeps of the agent stays bounded.
#include <google/protobuf/stubs/common.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/fake_ids.h"
#include "services/agent_hub/channel_convert.h"
#include "services/agent_hub/hub.h"
#include "services/agent_hub/hub_test_ports.h"

namespace switchyard::agent_hub {
namespace {

constexpr std::size_t kMostWaiting = 10'000;

class Peer {
 public:
  Peer() {
    const AgentRecord record = Record();
    if (!hub_.Opened(stream_, agent_, "peer").ok()) std::abort();
    hub_.Loaded(stream_, record);
    watch_ = hub_.OpenWatch();
  }

  // What most executors begin with, so that not every input has to find it.
  void Greet() {
    Hello hello;
    hello.features = {"kind.command", "status", "blocked"};
    hello.slots = 3;
    hub_.Receive(stream_, std::move(hello), 100);
    Go(3);
    for (unsigned task = 0; task < 16; task += 4) Go(task);
  }

  void Say(const std::string& bytes) {
    agent::v1::AgentMessage message;
    if (!message.ParseFromString(bytes)) return hub_.Malformed(stream_, "no message");
    // One byte stands for an id that means something.
    if (message.has_reports()) {
      for (auto& report : *message.mutable_reports()->mutable_reports()) Name(*report.mutable_task_id());
    }
    if (message.has_heartbeat()) {
      for (auto& held : *message.mutable_heartbeat()->mutable_held()) Name(*held.mutable_task_id());
    }
    if (message.has_confirm()) Name(*message.mutable_confirm()->mutable_task_id());
    if (message.has_logs()) {
      const absl::StatusOr<std::vector<LogChunk>> chunks = FromProto(*message.mutable_logs());
      if (chunks.ok()) {
        for (const LogChunk& chunk : *chunks) hub_.Holds(stream_, {chunk.task, chunk.generation});
      }
      return;
    }
    absl::StatusOr<Received> received = FromProto(message);
    if (!received.ok()) return hub_.Malformed(stream_, "broken");
    hub_.Receive(stream_, std::move(received->message), bytes.size());
  }

  // What the rest of the world does between two messages.
  void Go(unsigned choice) {
    for (auto& call : ports_.sessions) {
      OpenedSession opened{.epoch = ++epoch_, .lease = absl::Seconds(30)};
      for (const TaskRef& ref : call.held) (ref.generation % 2 == 0 ? opened.keep : opened.drop).push_back(ref);
      hub_.SessionOpened(call.stream, std::move(opened));
    }
    ports_.sessions.clear();
    switch (choice % 4) {
      case 0: {
        const TaskRef ref{Task(choice / 4 % 16), 1 + choice / 64};
        hub_.Dispatch(watch_, agent_, epoch_, {.ref = ref, .accept_by = clock_.Now() + absl::Seconds(1)}).IgnoreError();
        break;
      }
      case 1:
        while (!ports_.reports.empty()) {
          const auto call = std::move(ports_.reports.front());
          ports_.reports.pop_front();
          std::vector<absl::Status> answers(call.reports.size());
          if (choice & 8u) answers.assign(answers.size(), absl::FailedPreconditionError("stale"));
          hub_.Reported(call.batch, std::move(answers));
        }
        break;
      case 2:
        clock_.Advance(absl::Milliseconds(choice * 50));
        hub_.Tick();
        break;
      default:
        for (const auto& [agent, epoch] : ports_.lists) hub_.Listed(agent, epoch, std::vector<Work>());
        ports_.lists.clear();
        hub_.TakeObservations();
        hub_.TakeHealths();
    }
    for (auto& [stream, messages] : ports_.sent) {
      for (ToAgent& message : messages) ToProto(std::move(message), "hub", rules_);
      messages.clear();
    }
    if (hub_.pending_reports() > kMostWaiting) std::abort();
  }

 private:
  static TaskId Task(unsigned n) { return TaskId(testing::FakeUuid(absl::UnixEpoch(), n)); }
  static void Name(std::string& id) {
    if (id.size() == 1) id = Task(static_cast<unsigned char>(id[0]) % 16).ToString();
  }
  AgentRecord Record() const {
    AgentRecord record;
    record.id = agent_;
    record.name = "peer";
    record.probe.state = ProbeState::kPassed;
    return record;
  }

  testing::FakeClock clock_;
  testing::FakeIdSource ids_{clock_};
  RecordingPorts ports_;
  const HubRules rules_;
  Hub hub_{rules_, clock_, ids_, ports_, "hub"};
  const AgentId agent_{testing::FakeUuid(absl::UnixEpoch(), 7)};
  const StreamId stream_{1};
  WatchId watch_{};
  std::int64_t epoch_ = 0;
};

}  // namespace
}  // namespace switchyard::agent_hub

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  switchyard::ConfigureLog("fuzz", switchyard::LogLevel::kError);
  google::protobuf::SetLogHandler(nullptr);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  switchyard::agent_hub::Peer peer;
  const std::string input(reinterpret_cast<const char*>(data), size);
  if (size > 0 && (data[0] & 1) != 0) peer.Greet();
  for (std::size_t at = 1; at + 2 <= input.size();) {
    const std::size_t length = static_cast<unsigned char>(input[at]);
    const unsigned choice = static_cast<unsigned char>(input[at + 1]);
    peer.Say(input.substr(at + 2, length));
    peer.Go(choice);
    at += 2 + length;
  }
  return 0;
}
