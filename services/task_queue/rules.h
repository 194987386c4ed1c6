#pragma once

#include <vector>

#include "absl/time/time.h"

namespace switchyard::task_queue {

// The installation's defaults, used where a task's own policy is silent.
struct Rules {
  // Before the second, third … attempt; the last one repeats.
  std::vector<absl::Duration> backoff = {absl::ZeroDuration(), absl::Seconds(30), absl::Minutes(2)};
  // Losses that charge no attempt, then the dead letter.
  int max_losses = 3;
  // Before a task is offered again after its first, second … loss.
  std::vector<absl::Duration> loss_cooldown = {absl::ZeroDuration(), absl::Seconds(5)};
  int max_releases = 10;
  absl::Duration accept = absl::Seconds(60);
  absl::Duration run = absl::Hours(1);
  absl::Duration stuck_mechanical = absl::Minutes(5);
  absl::Duration stuck_with_model = absl::Minutes(15);
  absl::Duration verification = absl::Minutes(30);
  // How long an agent may take to give up a cancelled task.
  absl::Duration cancel_grace = absl::Seconds(60);
  // Signs of progress closer together than this are not written.
  absl::Duration progress_granularity = absl::Seconds(20);
  // One session lease.
  absl::Duration session_lease = absl::Seconds(30);
  absl::Duration shard_lease = absl::Seconds(3);
};

}  // namespace switchyard::task_queue
