#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "libs/base/strings.h"
#include "services/scheduler/fleet.h"
#include "services/scheduler/requirements.h"
#include "services/scheduler/waiting_task.h"

namespace switchyard::scheduler {

// The tasks that wait, in the order in which they go: by lane, fresh before tried, projects in turn, oldest first.
// Holds the front of what the ledger holds: a bucket (one lane, project and class) keeps its oldest tasks, remembers
// behind which one it left some out, and has them read once it runs low. So tasks that nobody can do cost a few
// entries, however many there are, and never stand before others. Not thread-safe.
class WaitingLine {
 public:
  static constexpr std::uint32_t kNone = ~0u;

  struct Entry {
    TaskId id;
    std::int64_t generation = 0;
    std::int64_t pass = 0;
    absl::Time since;
    std::uint64_t repository = 0;
    TaskId continues;
    std::shared_ptr<const RouteTicket> ticket;
    std::uint32_t bucket = kNone;
    std::uint32_t stamp = 0;
    std::int16_t shard = 0;
    bool live = false;
    // Taken out of the line, and what became of it is not known yet.
    bool assigning = false;
  };
  struct Bucket {
    int lane = 0;
    bool retried = false;
    ClassIndex cls{};
    std::uint32_t project = 0;
    // Oldest first; what was taken out from the middle stays until it comes to the front.
    struct Item {
      TaskId id;
      std::uint32_t slot;
      std::uint32_t stamp;
    };
    std::deque<Item> queue;
    int count = 0;
    int assigning = 0;
    // Behind this one some were left out.
    std::optional<TaskId> cut;
    bool refilling = false;
    bool live = false;
    std::uint32_t stamp = 0;
  };

  // Borrows the fleet.
  WaitingLine(const LineLimits& limits, Fleet& fleet) : limits_(limits), fleet_(fleet) {}

  // False when it was not taken: known, or no room. A newer generation replaces an older one.
  bool Add(const ReadyTask& task, absl::Time now);
  const Entry* Find(const TaskId& id) const;
  // The next task of the lane whose class `can_take` allows, as a slot; kNone if there is none. Within one run what is
  // not allowed once never is again.
  template <class CanTake>
  std::uint32_t First(int lane, std::uint64_t run, CanTake can_take);
  const Entry& entry(std::uint32_t slot) const { return entries_[slot]; }
  const Bucket& bucket(std::uint32_t index) const { return buckets_[index]; }
  // Out of the line and charged to its project; answered by Settle.
  void Take(std::uint32_t slot);
  // What became of a task that was taken: back into its place, or gone. Nothing when it is not this generation.
  void Settle(const TaskId& id, std::int64_t generation, bool back);
  void Forget(const TaskId& id);

  // Shards that are not ours any more take their tasks with them.
  void SetShards(const std::array<bool, kShards>& held);
  void SetPauses(const std::array<bool, kLanes>& lanes, StringSet projects);
  bool LanePaused(int lane) const { return lane_paused_[lane]; }
  bool ProjectPaused(std::string_view project) const { return paused_projects_.contains(project); }

  // Reads everything anew from the front; at its end, tasks that were not met again are gone.
  void StartPass();
  // What to read next; `idle`: agents have credits left over. One page at a time.
  std::optional<Page> NextPage(bool idle);
  // The page's tasks were added; `last` of each lane is the last one read, absent when the end was reached.
  void PageRead(const Page& page, const std::array<std::optional<Cursor>, kLanes>& last);
  void PageFailed(const Page& page);

  int waiting() const { return waiting_; }
  int waiting(int lane) const { return lane_count_[lane]; }
  int assigning() const { return assigning_; }
  std::array<int, kShards> waiting_by_shard() const;
  // Whether everything stored was looked at.
  bool walked() const;
  // How many of its lane are before this one.
  std::int64_t Ahead(const Entry& entry) const;
  // Whether tasks of that kind beyond those in line are known to be left out.
  bool LeftOut(int lane, bool retried, ClassIndex cls, std::string_view project) const;

  // How many wait because: nobody fits or is available, their project or lane is paused, all who could are busy.
  struct Tally {
    int unserved = 0;
    int paused = 0;
    int busy = 0;
  };
  Tally CountByReason();

 private:
  struct Key {
    int rank;
    ClassIndex cls;
    std::uint32_t project;
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H h, const Key& k) {
      return H::combine(std::move(h), k.rank, static_cast<std::uint32_t>(k.cls), k.project);
    }
  };
  struct ProjectLine {
    // Grows by one with each task served; the least goes next.
    std::uint64_t served = 0;
    // The run in which nothing of it could be taken.
    std::uint64_t passed_over = 0;
    std::vector<std::uint32_t> buckets;
  };
  struct Rank {
    std::vector<ProjectLine> projects;
    std::set<std::pair<std::uint64_t, std::uint32_t>> turn;
    std::uint64_t now = 0;
  };
  struct Project {
    std::string name;
    int users = 0;
    bool paused = false;
  };
  struct Walk {
    Cursor cursor;
    bool ended = false;
  };

  static int RankOf(int lane, bool retried) { return lane * 2 + (retried ? 1 : 0); }
  int LimitOf(const Bucket& bucket) const { return fleet_.Served(bucket.cls) ? limits_.bucket : limits_.parked; }
  std::uint32_t BucketFor(const ReadyTask& task);
  std::uint32_t ProjectFor(std::string_view name);
  void DropBucket(std::uint32_t index);
  void DropEmptyBuckets();
  void Insert(std::uint32_t slot);
  void Remove(std::uint32_t slot);
  void Erase(std::uint32_t slot);
  void Cut(Bucket& bucket);
  void Shown(std::uint32_t index);
  void Hidden(std::uint32_t index);
  // Drops what was taken out from both ends.
  void Trim(Bucket& bucket);
  bool Stale(const Bucket::Item& item) const;
  bool WantsRefill(const Bucket& bucket);

  const LineLimits limits_;
  Fleet& fleet_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> unused_entries_;
  absl::flat_hash_map<TaskId, std::uint32_t> by_id_;
  std::vector<Bucket> buckets_;
  std::vector<std::uint32_t> unused_buckets_;
  absl::flat_hash_map<Key, std::uint32_t> by_key_;
  std::vector<Project> projects_;
  std::vector<std::uint32_t> unused_projects_;
  StringMap<std::uint32_t> by_name_;
  std::array<Rank, kLanes * 2> ranks_;
  std::array<Walk, kLanes> walks_;
  std::array<int, kLanes> lane_count_ = {};
  std::array<bool, kLanes> lane_paused_ = {};
  std::array<bool, kShards> held_ = {};
  StringSet paused_projects_;
  int waiting_ = 0;
  int assigning_ = 0;
  std::int64_t pass_ = 0;
  std::uint64_t epoch_ = 0;
  bool page_out_ = false;
  // Whether a look for buckets that run low could find one.
  bool refill_likely_ = false;
  std::uint64_t fleet_seen_ = 0;
};

template <class CanTake>
std::uint32_t WaitingLine::First(int lane, std::uint64_t run, CanTake can_take) {
  if (lane_paused_[lane]) return kNone;
  for (const int rank : {lane * 2, lane * 2 + 1}) {
    for (const auto& [served, project] : ranks_[rank].turn) {
      ProjectLine& line = ranks_[rank].projects[project];
      if (projects_[project].paused || line.passed_over == run) continue;
      std::uint32_t best = kNone;
      for (const std::uint32_t index : line.buckets) {
        Bucket& bucket = buckets_[index];
        if (best != kNone && !(bucket.queue.front().id < entries_[best].id)) continue;
        if (can_take(bucket.cls)) best = bucket.queue.front().slot;
      }
      if (best != kNone) return best;
      line.passed_over = run;
    }
  }
  return kNone;
}

}  // namespace switchyard::scheduler
