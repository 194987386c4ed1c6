// What tests of the hub's core hold it by: ports that remember, and answers on demand.
#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "services/agent_hub/hub_ports.h"

namespace switchyard::agent_hub {

class RecordingPorts final : public HubPorts {
 public:
  struct SessionCall {
    StreamId stream;
    AgentId agent;
    std::vector<TaskRef> held;
    bool restarted = false;
    std::int64_t connection = 0;
  };
  struct ReportCall {
    BatchId batch;
    std::vector<LedgerReport> reports;
  };
  struct Closing {
    absl::Status status;
    bool permanent = false;
  };

  bool Send(StreamId stream, ToAgent message) override {
    if (full.contains(stream)) return false;
    sent[stream].push_back(std::move(message));
    return true;
  }
  void Close(StreamId stream, const absl::Status& status, bool permanent) override {
    closed.insert_or_assign(stream, Closing{status, permanent});
  }
  void Pause(StreamId stream) override { paused.insert(stream); }
  void Resume(StreamId stream) override {
    paused.erase(stream);
    reading.insert(stream);
  }
  void LoadAgent(StreamId stream, const AgentId& agent) override { loads.emplace_back(stream, agent); }
  void OpenSession(StreamId stream, const AgentId& agent, std::vector<TaskRef> held, bool restarted,
                   std::int64_t connection) override {
    sessions.push_back({stream, agent, std::move(held), restarted, connection});
  }
  void ListAssigned(const AgentId& agent, std::int64_t epoch) override { lists.emplace_back(agent, epoch); }
  void Report(BatchId batch, std::vector<LedgerReport> reports) override {
    this->reports.push_back({batch, std::move(reports)});
  }
  void Renew(std::vector<std::pair<AgentId, std::int64_t>> sessions) override {
    renewals.push_back(std::move(sessions));
  }
  void Confirm(StreamId stream, std::int64_t request, const TaskRef& ref) override {
    confirms.emplace_back(stream, request, ref);
  }

  void AskRoute(StreamId stream, const AgentId& agent, RouteAsked asked) override {
    routes_asked.emplace_back(stream, agent, std::move(asked));
  }

  // All messages of one kind to one stream, taken away.
  template <class Message>
  std::vector<Message> Take(StreamId stream) {
    std::vector<Message> taken;
    auto& messages = sent[stream];
    std::erase_if(messages, [&](ToAgent& message) {
      Message* const match = std::get_if<Message>(&message);
      if (match != nullptr) taken.push_back(std::move(*match));
      return match != nullptr;
    });
    return taken;
  }

  std::map<StreamId, std::vector<ToAgent>> sent;
  std::map<StreamId, Closing> closed;
  std::set<StreamId> full;
  std::set<StreamId> paused;
  std::set<StreamId> reading;
  std::vector<std::pair<StreamId, AgentId>> loads;
  std::vector<SessionCall> sessions;
  std::vector<std::pair<AgentId, std::int64_t>> lists;
  std::deque<ReportCall> reports;
  std::vector<std::vector<std::pair<AgentId, std::int64_t>>> renewals;
  std::vector<std::tuple<StreamId, std::int64_t, TaskRef>> confirms;
  std::vector<std::tuple<StreamId, AgentId, RouteAsked>> routes_asked;
};

}  // namespace switchyard::agent_hub
