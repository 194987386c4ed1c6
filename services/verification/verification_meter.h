#pragma once

#include <cstddef>
#include <string_view>

#include "absl/time/time.h"
#include "libs/telemetry/metrics.h"
#include "services/verification/verification_store.h"

namespace switchyard::verification {

// What the service counts, and what it logs because people should know. Thread-safe.
class VerificationMeter {
 public:
  explicit VerificationMeter(telemetry::Metrics& metrics);

  // A verdict stands; by this process.
  void Decided(const Record& record);
  // The task queue took it, or had moved on.
  void Ended(RecordState state);
  // From reading a batch of reports until their verdicts were told.
  void Batch(std::size_t reports, absl::Duration took);
  void JudgeSubmitted();
  // Reports heard of and not taken up yet.
  void Pending(std::size_t reports);
  void Unfinished(const Backlog& backlog);
  // Reports that were not taken up for lack of room; they are heard of again.
  void Dropped(std::size_t reports);

 private:
  telemetry::Family<telemetry::Counter>& verdicts_;
  telemetry::Family<telemetry::Counter>& judges_;
  telemetry::Family<telemetry::Counter>& ended_;
  telemetry::Family<telemetry::Gauge>& unfinished_;
  telemetry::Counter& same_family_;
  telemetry::Counter& submitted_;
  telemetry::Counter& dropped_;
  telemetry::Gauge& pending_;
  telemetry::Histogram& batch_time_;
  telemetry::Histogram& batch_size_;
};

}  // namespace switchyard::verification
