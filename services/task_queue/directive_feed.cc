#include "services/task_queue/directive_feed.h"

#include <algorithm>
#include <utility>

#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/task_convert.h"

namespace switchyard::task_queue {
absl::Status DirectiveFeed::Open(const v1::WatchDirectivesRequest& request, std::shared_ptr<Stream> stream) {
  auto reader = std::make_shared<Reader>();
  reader->stream = stream;
  reader->agents.insert(request.agent_ids().begin(), request.agent_ids().end());
  stream->OnClosed([this, reader] {
    MutexLock lock(mutex_);
    std::erase(readers_, reader);
  });
  MutexLock lock(mutex_);
  readers_.push_back(std::move(reader));
  return absl::OkStatus();
}

absl::Status DirectiveFeed::Tick() {
  {
    MutexLock lock(mutex_);
    if (readers_.empty()) return absl::OkStatus();
  }
  SY_ASSIGN_OR_RETURN(const std::vector<TaskRecord> records, store_.WithDirectives(last_, per_tick_));
  last_ = static_cast<int>(records.size()) < per_tick_ ? TaskId() : records.back().id;
  std::vector<v1::Directive> directives;
  for (const TaskRecord& record : records) {
    v1::Directive directive;
    if (ToProto(record, &directive)) directives.push_back(std::move(directive));
  }
  MutexLock lock(mutex_);
  SendLocked(directives);
  return absl::OkStatus();
}

void DirectiveFeed::Withdraw(const TaskId& task, Generation generation, const std::string& agent,
                             const std::string& cause) {
  v1::Directive directive;
  directive.set_task_id(task.ToString());
  directive.set_generation(ToInt(generation));
  directive.set_agent_id(agent);
  directive.mutable_withdraw()->set_reason(cause);
  MutexLock lock(mutex_);
  SendLocked({std::move(directive)});
}

void DirectiveFeed::SendLocked(const std::vector<v1::Directive>& directives) {
  for (const auto& reader : readers_) {
    v1::WatchDirectivesResponse message;
    for (const v1::Directive& directive : directives) {
      if (reader->agents.empty() || reader->agents.contains(directive.agent_id()))
        *message.add_directives() = directive;
    }
    if (message.directives().empty()) continue;
    if (!reader->stream->Offer(std::move(message))) {
      reader->stream->CloseWith(MakeError(absl::StatusCode::kResourceExhausted, "DIRECTIVE_FEED_OVERRUN",
                                          "the reader is too slow; open the feed again"));
    }
  }
}

std::size_t DirectiveFeed::readers() const {
  MutexLock lock(mutex_);
  return readers_.size();
}

}  // namespace switchyard::task_queue
