// What the runner and its shim say to each other over one SEQPACKET socket, which is descriptor kShimSocket of the
// shim. Both come from one build; nothing here is kept or sent elsewhere.
#pragma once

#include <cstdint>

namespace switchyard::executor {

inline constexpr int kShimSocket = 3;

// Runner to shim: one byte. The end of the socket means kShimKill.
inline constexpr char kShimTerminate = 'T';
inline constexpr char kShimKill = 'K';

inline constexpr std::uint32_t kShimMagic = 0x53597331;

enum class ShimReportKind : std::uint32_t {
  // The shim is in place and starts the program next: what goes wrong from here on is no fault of the sandbox.
  kStarted = 1,
  // Instead of the program's run. `value` is errno; `stage` says of what.
  kFailed = 2,
  // `value` is the wait status. Nothing that the program started is alive any more.
  kEnded = 3,
};

enum class ShimStage : std::uint32_t { kNone = 0, kPrepare = 1, kFork = 2, kLimits = 3, kExec = 4, kDirectory = 5 };

struct ShimReport {
  std::uint32_t magic = kShimMagic;
  ShimReportKind kind = ShimReportKind::kStarted;
  ShimStage stage = ShimStage::kNone;
  std::int32_t value = 0;
  // Of the program and all its descendants that were waited for.
  std::uint64_t user_micros = 0;
  std::uint64_t system_micros = 0;
  std::uint64_t max_rss_bytes = 0;
};

}  // namespace switchyard::executor
