#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "services/agent_hub/hub_messages.h"

namespace switchyard::agent_hub {

// A report on its way to the ledger.
struct LedgerReport {
  AgentId agent;
  std::int64_t session_epoch = 0;
  Report report;
};

// What the core asks of the world. Each call returns at once and calls nothing of the core; what has an answer gets it
// later, by the method of Hub that is named here.
class HubPorts {
 public:
  virtual ~HubPorts() = default;

  // In order. False when the peer reads so slowly that the bound is reached; the message is lost.
  virtual bool Send(StreamId stream, ToAgent message) = 0;
  // The end of a stream: an error is told by Goodbye and as the stream's status. Hub::Closed follows.
  virtual void Close(StreamId stream, const absl::Status& status, bool permanent) = 0;
  // Nothing is read from a stream before its first Resume.
  virtual void Pause(StreamId stream) = 0;
  virtual void Resume(StreamId stream) = 0;

  // → Loaded.
  virtual void LoadAgent(StreamId stream, const AgentId& agent) = 0;
  // → SessionOpened.
  virtual void OpenSession(StreamId stream, const AgentId& agent, std::vector<TaskRef> held, bool restarted,
                           std::int64_t connection) = 0;
  // → Listed.
  virtual void ListAssigned(const AgentId& agent, std::int64_t epoch) = 0;
  // → Reported.
  virtual void Report(BatchId batch, std::vector<LedgerReport> reports) = 0;
  // → Renewed.
  virtual void Renew(std::vector<std::pair<AgentId, std::int64_t>> sessions) = 0;
  // → Confirmed.
  virtual void Confirm(StreamId stream, std::int64_t request, const TaskRef& ref) = 0;
  // → Granted.
  virtual void AskRoute(StreamId stream, const AgentId& agent, RouteAsked asked) = 0;
};

}  // namespace switchyard::agent_hub
