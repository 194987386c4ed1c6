#include "services/scheduler/ready_convert.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace switchyard::scheduler {
namespace {

void SortUnique(std::vector<std::string>& texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
}

// No text of a task holds a NUL.
template <class Texts>
void AppendTexts(const Texts& texts, std::string& key) {
  for (const std::string& text : texts) {
    key += text;
    key += '\0';
  }
  key += '\0';
}

}  // namespace

Requirements RequirementsOf(const task_queue::v1::ReadyTask& message, const std::vector<std::string>& of_route) {
  Requirements requirements;
  requirements.capabilities.assign(message.capabilities().begin(), message.capabilities().end());
  requirements.capabilities.insert(requirements.capabilities.end(), of_route.begin(), of_route.end());
  if (!message.kind().empty()) requirements.features.push_back(absl::StrCat("kind.", message.kind()));
  // What leaves the workspace is confirmed with the ledger first.
  if (message.effects() > task_queue::v1::EFFECTS_WORKSPACE) requirements.features.push_back("confirm");
  requirements.avoid.assign(message.avoid_agent_ids().begin(), message.avoid_agent_ids().end());
  requirements.refuse.assign(message.refusing_agent_ids().begin(), message.refusing_agent_ids().end());
  SortUnique(requirements.capabilities);
  SortUnique(requirements.features);
  SortUnique(requirements.avoid);
  SortUnique(requirements.refuse);
  return requirements;
}

absl::StatusOr<ReadyTask> ReadyConvert::Convert(const task_queue::v1::ReadyTask& message, const Route& route) {
  ReadyTask task;
  SY_ASSIGN_OR_RETURN(task.id, TaskId::Parse(message.task_id()));
  const int lane = message.lane() - task_queue::v1::LANE_URGENT;
  if (lane < 0 || lane >= kLanes || message.shard() < 0 || message.shard() >= kShards) {
    return absl::InvalidArgumentError("a ready task without lane or shard");
  }
  task.generation = message.generation();
  task.shard = message.shard();
  task.lane = lane;
  task.retried = message.retried();
  task.project = message.project();
  if (!message.repository().empty()) {
    task.repository = std::max<std::uint64_t>(1, absl::HashOf(message.repository()));
  }
  if (!message.continues_task_id().empty()) {
    SY_ASSIGN_OR_RETURN(task.continues, TaskId::Parse(message.continues_task_id()));
  }
  task.ticket = route.ticket;

  key_.assign(message.kind());
  key_ += static_cast<char>('0' + message.effects());
  AppendTexts(message.capabilities(), key_);
  AppendTexts(route.capabilities, key_);
  AppendTexts(message.avoid_agent_ids(), key_);
  AppendTexts(message.refusing_agent_ids(), key_);
  auto found = requirements_.find(std::string_view(key_));
  if (found == requirements_.end()) {
    if (requirements_.size() >= kRemembered) requirements_.clear();
    found =
        requirements_.emplace(key_, std::make_unique<Requirements>(RequirementsOf(message, route.capabilities))).first;
  }
  task.requirements = found->second.get();
  return task;
}

}  // namespace switchyard::scheduler
