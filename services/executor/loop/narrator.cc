#include "services/executor/loop/narrator.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::loop {
namespace {

constexpr std::size_t kNoteBytes = 4'000;
constexpr std::size_t kProgressBytes = 1'000;

std::string OneLine(std::string_view text, std::size_t bytes) {
  std::string line = text::Redact(text::ReplaceInvalidUtf8(text));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return std::string(text::TruncateUtf8(line, bytes));
}

}  // namespace

Narrator::Narrator(BackendSink& sink, std::uint64_t log_bytes, const Clock& clock)
    : log_bytes_(log_bytes), clock_(clock), sink_(&sink), said_(clock.Now()) {}

void Narrator::Phase(WorkPhase phase) {
  MutexLock lock(mutex_);
  if (sink_ == nullptr || phase_ == phase) return;
  phase_ = phase;
  sink_->OnPhase(phase);
}

void Narrator::Log(LogChunk chunk) {
  MutexLock lock(mutex_);
  if (sink_ == nullptr) return;
  dropped_before_ += chunk.dropped_before;
  dropped_ += chunk.dropped_before;
  if (passed_ + chunk.text.size() > log_bytes_) {
    dropped_before_ += chunk.text.size();
    dropped_ += chunk.text.size();
    return;
  }
  passed_ += chunk.text.size();
  chunk.sequence = sequence_++;
  chunk.dropped_before = std::exchange(dropped_before_, 0);
  sink_->OnLog(std::move(chunk));
}

void Narrator::Note(std::string_view text) {
  const std::string line = OneLine(text, kNoteBytes);
  MutexLock lock(mutex_);
  if (sink_ == nullptr) return;
  sink_->OnLog({.sequence = sequence_++,
                .stream = LogStream::kError,
                .time = clock_.Now(),
                .text = absl::StrCat("[", line, "]\n"),
                .dropped_before = std::exchange(dropped_before_, 0)});
  Say(line);
}

void Narrator::Progress(std::string_view text) {
  std::string line = OneLine(text, kProgressBytes);
  MutexLock lock(mutex_);
  if (sink_ != nullptr) Say(std::move(line));
}

void Narrator::Say(std::string text) {
  said_ = clock_.Now();
  last_ = std::move(text);
  sink_->OnProgress(std::string(text::TruncateUtf8(last_, kProgressBytes)));
}

void Narrator::Step(StepNews news) {
  MutexLock lock(mutex_);
  if (sink_ != nullptr) sink_->OnStep(std::move(news));
}

void Narrator::Ask(RouteQuestion question) {
  MutexLock lock(mutex_);
  if (sink_ != nullptr) sink_->OnRouteQuestion(std::move(question));
}

void Narrator::AskForConfirmation() {
  MutexLock lock(mutex_);
  if (sink_ != nullptr) sink_->OnConfirmationWanted();
}

void Narrator::Tick() {
  MutexLock lock(mutex_);
  if (sink_ == nullptr || clock_.Now() < said_ + kSignEvery) return;
  Say(last_);
}

void Narrator::Finish(Evidence evidence) {
  BackendSink* sink = nullptr;
  {
    MutexLock lock(mutex_);
    sink = std::exchange(sink_, nullptr);
    evidence.output_bytes = passed_ + dropped_;
    evidence.dropped_bytes = dropped_;
  }
  if (sink != nullptr) sink->OnFinished(std::move(evidence));
}

}  // namespace switchyard::executor::loop
