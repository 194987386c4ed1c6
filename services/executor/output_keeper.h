#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/text/redact.h"
#include "services/executor/backend.h"

namespace switchyard::executor {

// Turns what a program writes into redacted, well-formed log chunks of bounded size and sum, and keeps head and tail
// for the evidence. Every byte passes the redactor, also those that are left out, so that a secret is recognised
// wherever chunks are cut. Memory: at most the log limit's quarter plus 128 KiB. Not thread-safe.
class OutputKeeper {
 public:
  static constexpr std::size_t kChunkBytes = 16 * 1024;
  // Head and tail of the evidence, each.
  static constexpr std::size_t kEvidenceHalf = 30 * 1024;
  // How long text may wait for more before it is passed on.
  static constexpr absl::Duration kFlushAfter = absl::Milliseconds(200);

  using Emit = std::function<void(LogChunk)>;
  OutputKeeper(std::uint64_t log_bytes, Emit emit);

  void Append(LogStream stream, std::string_view bytes, absl::Time now);
  // Passes on what waited long enough. InfiniteFuture when nothing waits, otherwise when to call again.
  absl::Time Flush(absl::Time now);
  // The rest, then the tail of what was left out. Once.
  void Finish(absl::Time now);

  // As written.
  std::uint64_t written() const { return written_; }
  // Not passed on, in bytes after redaction. Final after Finish.
  std::uint64_t dropped() const { return dropped_; }
  // Head and tail of both streams together, at most 64 KiB with a line that says how much is missing between them.
  std::string Summary() const;

 private:
  struct Stream {
    text::StreamingRedactor redactor;
    std::string pending;
    absl::Time since = absl::InfiniteFuture();
  };

  Stream& Of(LogStream stream) { return streams_[stream == LogStream::kOutput ? 0 : 1]; }
  // Cuts chunks off `pending`; with `all`, to its end.
  void Cut(LogStream name, bool all, absl::Time now);
  void Pass(LogStream name, std::string text, absl::Time now);
  void Summarise(std::string_view text);
  void EmitChunk(LogStream name, std::string text, absl::Time time, std::uint64_t dropped_before);

  const std::uint64_t head_limit_;
  const std::uint64_t tail_limit_;
  const Emit emit_;
  Stream streams_[2];
  std::uint64_t sequence_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t passed_ = 0;
  std::uint64_t dropped_ = 0;
  bool over_ = false;
  std::deque<LogChunk> tail_;
  std::uint64_t tail_bytes_ = 0;
  std::string head_text_;
  std::string tail_text_;
  std::uint64_t summarised_ = 0;
};

}  // namespace switchyard::executor
