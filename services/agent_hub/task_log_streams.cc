#include "services/agent_hub/task_log_streams.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/agent_hub/agent_errors.h"

namespace switchyard::agent_hub {
namespace {

constexpr absl::Duration kTryAgain = absl::Milliseconds(100);

}  // namespace

std::string ToResumeToken(const LogPosition& position) {
  return absl::StrCat(position.generation, "-", position.sequence);
}

absl::StatusOr<LogPosition> ParseResumeToken(std::string_view token) {
  LogPosition position;
  const std::size_t cut = token.find('-');
  if (cut == std::string_view::npos || !absl::SimpleAtoi(ToAbsl(token.substr(0, cut)), &position.generation) ||
      !absl::SimpleAtoi(ToAbsl(token.substr(cut + 1)), &position.sequence) || position.generation < 0 ||
      position.sequence < 0) {
    return InvalidFields({{.field = "resume_token", .description = "is not one of ours"}});
  }
  return position;
}

TaskLogStreams::TaskLogStreams(LogStore& store, const Clock& clock, const LogStreamOptions& options)
    : store_(store), clock_(clock), options_(options) {}

absl::Status TaskLogStreams::Add(const LogRequest& request, std::shared_ptr<LogSink> sink) {
  {
    MutexLock lock(mutex_);
    if (readers_.size() >= options_.max_streams) return TooManyLogStreams(options_.max_streams);
    auto reader = std::make_shared<Reader>();
    reader->request = request;
    reader->sink = std::move(sink);
    reader->due = reader->took = clock_.Now();
    readers_.push_back(std::move(reader));
  }
  if (news_ != nullptr) news_();
  return absl::OkStatus();
}

void TaskLogStreams::Note(const TaskId& task) {
  bool any = false;
  {
    MutexLock lock(mutex_);
    for (const std::shared_ptr<Reader>& reader : readers_) {
      if (reader->request.task != task || reader->full) continue;
      reader->due = absl::InfinitePast();
      any = true;
    }
  }
  if (any && news_ != nullptr) news_();
}

void TaskLogStreams::Tick() {
  std::vector<std::pair<std::shared_ptr<Reader>, Reader>> due;
  {
    MutexLock lock(mutex_);
    const absl::Time now = clock_.Now();
    for (const std::shared_ptr<Reader>& reader : readers_) {
      if (reader->due > now) continue;
      // A Note while it is served makes it due again.
      reader->due = absl::InfiniteFuture();
      due.emplace_back(reader, *reader);
    }
  }
  for (auto& [reader, served] : due) {
    const bool stays = Serve(served);
    MutexLock lock(mutex_);
    if (!stays) {
      std::erase(readers_, reader);
      continue;
    }
    served.due = std::min(served.due, reader->due);
    *reader = std::move(served);
  }
}

bool TaskLogStreams::Serve(Reader& reader) {
  if (!reader.sink->open()) return false;
  const absl::Time now = clock_.Now();
  LogRequest& request = reader.request;
  if (request.tail_bytes > 0) {
    const absl::StatusOr<LogPosition> tail = store_.FindTail(request.task, request.generation, request.tail_bytes);
    if (!tail.ok()) {
      reader.sink->Close(tail.status());
      return false;
    }
    request.after = *tail;
    request.tail_bytes = 0;
  }
  absl::StatusOr<std::vector<LogChunk>> page = store_.Read({.task = request.task,
                                                            .generation = request.generation,
                                                            .after = request.after,
                                                            .max_bytes = options_.page_bytes});
  if (!page.ok()) {
    reader.sink->Close(page.status());
    return false;
  }
  const bool caught_up = page->empty();
  LogPosition through = request.after;
  if (!page->empty()) through = {page->back().generation, page->back().sequence};
  if (!request.streams.empty()) {
    std::erase_if(*page, [&](const LogChunk& chunk) {
      return std::find(request.streams.begin(), request.streams.end(), chunk.stream) == request.streams.end();
    });
  }
  const bool silent = caught_up && reader.caught_up;
  if (!silent && !reader.sink->Offer(*page, through, caught_up)) {
    if (now - reader.took > options_.patience) {
      reader.sink->Close(SlowLogReader());
      return false;
    }
    reader.full = true;
    reader.due = now + kTryAgain;
    return true;
  }
  reader.full = false;
  reader.took = now;
  reader.caught_up = caught_up;
  request.after = through;
  if (caught_up && !request.follow) {
    reader.sink->Close(absl::OkStatus());
    return false;
  }
  reader.due = caught_up ? now + options_.poll : now;
  return true;
}

absl::Duration TaskLogStreams::Rest() const {
  MutexLock lock(mutex_);
  absl::Duration rest = options_.poll;
  const absl::Time now = clock_.Now();
  for (const std::shared_ptr<Reader>& reader : readers_) rest = std::min(rest, reader->due - now);
  return std::max(rest, absl::ZeroDuration());
}

std::size_t TaskLogStreams::size() const {
  MutexLock lock(mutex_);
  return readers_.size();
}

}  // namespace switchyard::agent_hub
