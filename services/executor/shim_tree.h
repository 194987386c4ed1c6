// Who descends from whom, out of what /proc says of all processes of a host. For the shim: no C++ runtime is needed,
// and memory is asked for only while it is filled.
#pragma once

#include <stdlib.h>
#include <sys/types.h>

#include <cstddef>

namespace switchyard::executor {

class ShimTree {
 public:
  ShimTree() = default;
  ~ShimTree() { free(entries_); }
  ShimTree(const ShimTree&) = delete;
  ShimTree& operator=(const ShimTree&) = delete;

  void Clear() { count_ = 0; }
  // False when there is no memory for one more.
  bool Add(pid_t pid, pid_t parent) {
    if (count_ == room_) {
      const std::size_t room = room_ == 0 ? 1024 : room_ * 2;
      void* const more = realloc(entries_, room * sizeof(Entry));
      if (more == nullptr) return false;
      entries_ = static_cast<Entry*>(more);
      room_ = room;
    }
    entries_[count_++] = {pid, parent, false};
    return true;
  }
  std::size_t size() const { return count_; }

  // Each process below `root`, which itself is none of them.
  template <class Visit>
  void ForEachBelow(pid_t root, Visit visit) {
    if (count_ == 0) return;
    qsort(entries_, count_, sizeof(Entry), &Compare);
    // Children mostly have the larger number, so that a pass or two find all.
    for (bool grew = true; grew;) {
      grew = false;
      for (std::size_t i = 0; i < count_; ++i) {
        Entry& entry = entries_[i];
        if (entry.below || entry.pid == root) continue;
        const Entry wanted = {entry.parent, 0, false};
        const auto* const parent =
            static_cast<const Entry*>(bsearch(&wanted, entries_, count_, sizeof(Entry), &Compare));
        entry.below = entry.parent == root || (parent != nullptr && parent->below);
        grew = grew || entry.below;
      }
    }
    for (std::size_t i = 0; i < count_; ++i) {
      if (entries_[i].below) visit(entries_[i].pid);
    }
  }

 private:
  struct Entry {
    pid_t pid;
    pid_t parent;
    bool below;
  };
  static int Compare(const void* a, const void* b) {
    const pid_t one = static_cast<const Entry*>(a)->pid;
    const pid_t other = static_cast<const Entry*>(b)->pid;
    return one < other ? -1 : one > other ? 1 : 0;
  }

  Entry* entries_ = nullptr;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
};

}  // namespace switchyard::executor
