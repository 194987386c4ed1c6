#include "services/executor/output_keeper.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/text/utf8.h"

namespace switchyard::executor {
namespace {

// Bytes at the end of `text` that may be the beginning of a character.
std::size_t OpenCharacter(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) return 0;
    if (byte >= 0xC0) {
      const std::size_t needs = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
      return needs > back ? back : 0;
    }
  }
  return 0;
}

// NUL is well-formed UTF-8, but neither Postgres nor a terminal wants it.
void ReplaceNul(std::string& text) {
  for (std::size_t at = text.find('\0'); at != std::string::npos; at = text.find('\0', at)) {
    text.replace(at, 1, "\xEF\xBF\xBD");
  }
}

}  // namespace

OutputKeeper::OutputKeeper(std::uint64_t log_bytes, Emit emit)
    : head_limit_(log_bytes - log_bytes / 4), tail_limit_(log_bytes / 4), emit_(std::move(emit)) {}

void OutputKeeper::Append(LogStream stream, std::string_view bytes, absl::Time now) {
  written_ += bytes.size();
  Stream& state = Of(stream);
  state.pending += state.redactor.Push(bytes);
  if (!state.pending.empty()) state.since = std::min(state.since, now);
  Cut(stream, /*all=*/false, now);
}

absl::Time OutputKeeper::Flush(absl::Time now) {
  absl::Time next = absl::InfiniteFuture();
  for (const LogStream name : {LogStream::kOutput, LogStream::kError}) {
    Stream& state = Of(name);
    if (state.since + kFlushAfter <= now) {
      const std::size_t open = OpenCharacter(state.pending);
      std::string rest = state.pending.substr(state.pending.size() - open);
      state.pending.resize(state.pending.size() - open);
      Cut(name, /*all=*/true, now);
      state.pending = std::move(rest);
      state.since = state.pending.empty() ? absl::InfiniteFuture() : now;
    }
    next = std::min(next, state.since + kFlushAfter);
  }
  return next;
}

void OutputKeeper::Finish(absl::Time now) {
  for (const LogStream name : {LogStream::kOutput, LogStream::kError}) {
    Stream& state = Of(name);
    state.pending += state.redactor.Finish();
    Cut(name, /*all=*/true, now);
  }
  std::uint64_t before = dropped_;
  for (LogChunk& chunk : tail_) {
    EmitChunk(chunk.stream, std::move(chunk.text), chunk.time, std::exchange(before, 0));
  }
  tail_.clear();
}

void OutputKeeper::Cut(LogStream name, bool all, absl::Time now) {
  Stream& state = Of(name);
  std::size_t from = 0;
  const std::string_view pending = state.pending;
  while (pending.size() - from >= kChunkBytes || (all && from < pending.size())) {
    std::string_view piece = pending.substr(from, kChunkBytes);
    const bool last = from + piece.size() == pending.size();
    if (!last || !all) {
      if (const std::size_t line = piece.rfind('\n'); line != std::string_view::npos && line > 0) {
        piece = piece.substr(0, line + 1);
      } else {
        piece.remove_suffix(OpenCharacter(piece));
      }
    }
    std::string text = text::ReplaceInvalidUtf8(piece);
    ReplaceNul(text);
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view part = text::TruncateUtf8(rest, kChunkBytes);
      Pass(name, std::string(part), now);
      rest.remove_prefix(part.size());
    }
    from += piece.size();
  }
  state.pending.erase(0, from);
  if (from > 0) state.since = state.pending.empty() ? absl::InfiniteFuture() : now;
}

void OutputKeeper::Pass(LogStream name, std::string text, absl::Time now) {
  Summarise(text);
  if (!over_ && passed_ + text.size() <= head_limit_) {
    passed_ += text.size();
    EmitChunk(name, std::move(text), now, 0);
    return;
  }
  over_ = true;
  tail_bytes_ += text.size();
  tail_.push_back({.sequence = 0, .stream = name, .time = now, .text = std::move(text), .dropped_before = 0});
  while (tail_bytes_ > tail_limit_ && tail_.size() > 1) {
    tail_bytes_ -= tail_.front().text.size();
    dropped_ += tail_.front().text.size();
    tail_.pop_front();
  }
}

void OutputKeeper::EmitChunk(LogStream name, std::string text, absl::Time time, std::uint64_t dropped_before) {
  emit_({.sequence = sequence_++,
         .stream = name,
         .time = time,
         .text = std::move(text),
         .dropped_before = dropped_before});
}

void OutputKeeper::Summarise(std::string_view text) {
  summarised_ += text.size();
  if (tail_text_.empty() && head_text_.size() < kEvidenceHalf) {
    const std::string_view part = text::TruncateUtf8(text, kEvidenceHalf - head_text_.size());
    head_text_ += part;
    text.remove_prefix(part.size());
  }
  tail_text_ += text;
  if (tail_text_.size() > 2 * kEvidenceHalf) tail_text_.erase(0, tail_text_.size() - kEvidenceHalf);
}

std::string OutputKeeper::Summary() const {
  std::string_view tail = tail_text_;
  if (tail.size() > kEvidenceHalf) tail.remove_prefix(tail.size() - kEvidenceHalf);
  while (!tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xC0) == 0x80) tail.remove_prefix(1);
  const std::uint64_t missing = summarised_ - head_text_.size() - tail.size();
  if (missing == 0) return absl::StrCat(head_text_, std::string(tail));
  return absl::StrCat(head_text_, "\n[", missing, " bytes left out]\n", std::string(tail));
}

}  // namespace switchyard::executor
