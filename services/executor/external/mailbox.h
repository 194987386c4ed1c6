#pragma once

#include <cstddef>
#include <deque>
#include <functional>

#include "absl/time/time.h"
#include "libs/base/mutex.h"

namespace switchyard::executor::external {

// What happens to an attempt on other threads, to be done on its own. Thread-safe.
class Mailbox {
 public:
  using Event = std::function<void()>;
  // Of bulk that waits, in pieces of at most 16 KiB.
  static constexpr std::size_t kMostBulk = 1024;

  // Never dropped; whoever posts does so a bounded number of times.
  void Post(Event event) { Add(std::move(event), false); }
  // False, and dropped, when kMostBulk are waiting already.
  bool PostBulk(Event event) { return Add(std::move(event), true); }
  // Makes a Take that waits come back.
  void Wake() {
    Add([] {}, false);
  }

  // Runs what waits, on the caller's thread, without a lock; when there is nothing, waits for something up to
  // `patience` of real time first.
  void Take(absl::Duration patience);

 private:
  struct Letter {
    Event event;
    bool bulk = false;
  };
  bool Add(Event event, bool bulk);

  Mutex mutex_;
  CondVar changed_;
  std::deque<Letter> letters_ ABSL_GUARDED_BY(mutex_);
  std::size_t bulk_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace switchyard::executor::external
