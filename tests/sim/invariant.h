// What must hold, whatever goes wrong. Each invariant hears of every committed change and of what clients were told,
// and says in words for people what is broken.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/task_queue/rules.h"
#include "services/task_queue/task.h"
#include "tests/sim/observer.h"

namespace switchyard::sim {

// What invariants may look at.
struct View {
  absl::Time now;
  absl::Time start;
  // When the last fault is over.
  absl::Time calm;
  const std::map<task_queue::TaskId, task_queue::TaskRecord>* records = nullptr;
  // The rules that the installation is meant to keep.
  const task_queue::Rules* rules = nullptr;
  // Tasks that nobody can serve: they may wait for ever.
  std::function<bool(const task_queue::TaskId&)> may_wait;
  // Whether the durable store has it at this moment.
  std::function<bool(const task_queue::TaskId&)> is_stored;
  std::function<bool()> all_acknowledged;
  // What executors still hold or have to say; empty: nothing.
  std::function<std::string()> unsettled_executors;
  // What schedulers say why it waits; empty: none of them knows.
  std::function<std::string(const task_queue::TaskId&)> waits_because;
  // Whether an executor stood still since that time, or said what is not so.
  std::function<bool(const std::string& executor, absl::Time since)> stood_still;
  std::function<bool(const std::string& executor, absl::Time since)> lied;
  int slots = 0;
};

// A task at work in a back end.
struct Execution {
  task_queue::TaskId task;
  std::int64_t generation = 0;
  std::string agent;
  std::string executor;
  // The world outside of its workspace sees what it does.
  bool effects = false;
};
// What an executor said of an assignment, and a hub acknowledged.
struct Acknowledgement {
  task_queue::TaskId task;
  std::int64_t generation = 0;
  std::string agent;
  std::string executor;
  // Its end, not that it was accepted.
  bool final = false;
};

class Invariant {
 public:
  explicit Invariant(std::string_view name) : name_(name) {}
  virtual ~Invariant() = default;
  std::string_view name() const { return name_; }

  virtual void OnAcknowledged(const View&, const task_queue::TaskId&, const std::string& request) {}
  virtual void OnChange(const View&, const Change&) {}
  virtual void OnBegin(const View&, const Execution&) {}
  virtual void OnOver(const View&, const Execution&) {}
  // An executor was told so.
  virtual void OnReportAcknowledged(const View&, const Acknowledgement&) {}
  // It restarted, and no longer knows the end of this task, which it had written down and nobody acknowledged.
  virtual void OnForgotten(const View&, const Execution&) {}
  // Every half second.
  virtual void OnTime(const View&) {}
  virtual void AtEnd(const View&) {}

  // The first breach; empty: it holds.
  const std::string& breach() const { return breach_; }

 protected:
  template <class... Parts>
  void Breach(const Parts&... parts) {
    if (breach_.empty()) breach_ = absl::StrCat(parts...);
  }

 private:
  const std::string_view name_;
  std::string breach_;
};

// Whether nothing is left to happen to it without somebody outside.
bool IsSettled(const task_queue::TaskRecord& record);
// "task 01ab… (RUNNING, generation 2, on agent …)".
std::string Describe(const task_queue::TaskRecord& record);
std::string NameOf(task_queue::TaskState state);

// Each in a file of its own.
std::unique_ptr<Invariant> MakeNoLostTask();
std::unique_ptr<Invariant> MakeCurrentGeneration();
std::unique_ptr<Invariant> MakeOneFinalEvent();
std::unique_ptr<Invariant> MakeLegalTransitions();
std::unique_ptr<Invariant> MakeAttemptsAndBackoff();
std::unique_ptr<Invariant> MakeGenerationsGrow();
std::unique_ptr<Invariant> MakeNoStarvation();
std::unique_ptr<Invariant> MakeQuiescence();
std::unique_ptr<Invariant> MakeFullCapacity();
std::unique_ptr<Invariant> MakeOneExecution();
std::unique_ptr<Invariant> MakeKeptReports();

std::vector<std::unique_ptr<Invariant>> AllInvariants();

}  // namespace switchyard::sim
