#include "services/executor/external/mailbox.h"

#include <utility>

namespace switchyard::executor::external {

bool Mailbox::Add(Event event, bool bulk) {
  MutexLock lock(mutex_);
  if (bulk && bulk_ >= kMostBulk) return false;
  if (bulk) ++bulk_;
  letters_.push_back({.event = std::move(event), .bulk = bulk});
  changed_.NotifyOne();
  return true;
}

void Mailbox::Take(absl::Duration patience) {
  std::deque<Letter> letters;
  {
    MutexLock lock(mutex_);
    if (letters_.empty()) changed_.WaitFor(mutex_, patience);
    letters.swap(letters_);
    bulk_ = 0;
  }
  for (Letter& letter : letters) letter.event();
}

}  // namespace switchyard::executor::external
