// What `yard run` shows of one task: its output where output belongs, everything else on standard error.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "libs/base/mutex.h"
#include "switchyard/agent/v1/agent_admin.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "tools/yard/agent_names.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

// OnChunk may be called beside the others, which belong to one thread.
class RunView {
 public:
  RunView(Session& session, std::string task_id) : session_(session), task_id_(std::move(task_id)), names_(session) {}

  void Submitted(bool replayed);
  // Each event is told once, however often it comes.
  void OnEvent(const task_queue::v1::TaskEvent& event);
  // Says what the task waits for, once it has waited for a while and whenever that is something else.
  void OnLook(const task_queue::v1::Task& task);
  void OnChunk(const agent::v1::TaskLogChunk& chunk);
  // The last word, once all output has come. What the log did not bring is taken from the result.
  void Finished(const task_queue::v1::Task& task);

 private:
  // One line for people; nothing where a program reads.
  void Note(std::string_view line, Tone tone = Tone::kFaint);
  // One line for a program.
  void Item(const char* name, Json body);
  void SayWhyItWaits(const task_queue::v1::Task& task);
  bool raw() const;

  Session& session_;
  const std::string task_id_;
  AgentNames names_;
  int last_ordinal_ = 0;
  absl::Time queued_since_ = absl::InfiniteFuture();
  // What it was last said to wait for.
  std::string wait_;
  bool hinted_ = false;

  Mutex mutex_;
  bool printed_ ABSL_GUARDED_BY(mutex_) = false;
  // Whether the last thing on standard error ended its line.
  bool line_open_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace switchyard::yard
