#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace switchyard::agent_hub {

// What a hub is tuned by.
struct HubRules {
  std::size_t max_streams = 10'000;
  // Averages over the time that a full burst of flood_burst takes to refill.
  double messages_per_second = 5'000;
  double bytes_per_second = 16 << 20;
  double flood_burst_seconds = 20;
  std::int64_t max_message_bytes = 4 << 20;
  // Of one agent, before reading from it pauses; and of all together.
  std::size_t pending_reports = 2'000;
  std::size_t pending_report_bytes = 8u << 20;
  std::size_t all_pending_report_bytes = 256u << 20;
  int report_batch = 512;
  int max_reports_per_message = 500;
  // Calls with reports under way at once.
  int report_calls = 2;
  std::int64_t log_bytes_per_task = 8 << 20;

  absl::Duration hello = absl::Seconds(10);
  absl::Duration heartbeat = absl::Seconds(10);
  absl::Duration renew = absl::Seconds(5);
  absl::Duration grace = absl::Seconds(30);
  absl::Duration progress = absl::Seconds(5);
  absl::Duration credit_turn = absl::Milliseconds(500);
  absl::Duration reconnect_spread = absl::Seconds(2);
  absl::Duration probe = absl::Seconds(60);
  // A cancel or an answer that is still outstanding is said again after this long.
  absl::Duration repeat_directive = absl::Seconds(5);
  // What the ledger did not show to be an agent's for this long is asked about: a withdrawal may have been lost.
  absl::Duration audit = absl::Seconds(30);
  // After a scheduler is gone, how long until what it may have assigned is looked for at the ledger.
  absl::Duration undelivered = absl::Seconds(2);
  // How exact the stored time of the last heartbeat is.
  absl::Duration heartbeat_record = absl::Seconds(30);

  int breaker_failures = 3;
  absl::Duration breaker_open = absl::Minutes(5);
  absl::Duration penalty_first = absl::Seconds(5);
  absl::Duration penalty_max = absl::Hours(1);
  absl::Duration penalty_forget = absl::Hours(24);
};

}  // namespace switchyard::agent_hub
