#include "services/scheduler/waiting_line.h"

#include <algorithm>

namespace switchyard::scheduler {

bool WaitingLine::Stale(const Bucket::Item& item) const {
  const Entry& entry = entries_[item.slot];
  return !entry.live || entry.stamp != item.stamp || entry.assigning;
}

void WaitingLine::Trim(Bucket& bucket) {
  while (!bucket.queue.empty() && Stale(bucket.queue.front())) bucket.queue.pop_front();
  while (!bucket.queue.empty() && Stale(bucket.queue.back())) bucket.queue.pop_back();
}

const WaitingLine::Entry* WaitingLine::Find(const TaskId& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &entries_[found->second];
}

std::uint32_t WaitingLine::ProjectFor(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
  std::uint32_t index = static_cast<std::uint32_t>(projects_.size());
  if (unused_projects_.empty()) {
    projects_.emplace_back();
    for (Rank& rank : ranks_) rank.projects.emplace_back();
  } else {
    index = unused_projects_.back();
    unused_projects_.pop_back();
  }
  projects_[index] = {.name = std::string(name), .users = 0, .paused = paused_projects_.contains(name)};
  by_name_.emplace(std::string(name), index);
  return index;
}

std::uint32_t WaitingLine::BucketFor(const ReadyTask& task) {
  const ClassIndex cls = fleet_.Intern(*task.requirements);
  const std::uint32_t project = ProjectFor(task.project);
  const Key key{RankOf(task.lane, task.retried), cls, project};
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    fleet_.Release(cls);
    return found->second;
  }
  std::uint32_t index = static_cast<std::uint32_t>(buckets_.size());
  if (unused_buckets_.empty()) {
    buckets_.emplace_back();
  } else {
    index = unused_buckets_.back();
    unused_buckets_.pop_back();
  }
  Bucket& bucket = buckets_[index];
  const std::uint32_t stamp = bucket.stamp + 1;
  bucket = Bucket();
  bucket.stamp = stamp;
  bucket.lane = task.lane;
  bucket.retried = task.retried;
  bucket.cls = cls;
  bucket.project = project;
  bucket.live = true;
  ++projects_[project].users;
  by_key_.emplace(key, index);
  return index;
}

void WaitingLine::DropBucket(std::uint32_t index) {
  Bucket& bucket = buckets_[index];
  by_key_.erase({RankOf(bucket.lane, bucket.retried), bucket.cls, bucket.project});
  fleet_.Release(bucket.cls);
  if (--projects_[bucket.project].users == 0) {
    by_name_.erase(by_name_.find(projects_[bucket.project].name));
    for (Rank& rank : ranks_) rank.projects[bucket.project].served = 0;
    unused_projects_.push_back(bucket.project);
  }
  bucket.live = false;
  bucket.queue.clear();
  unused_buckets_.push_back(index);
}

// Empty ones are kept for the next task of their kind, until there are many.
void WaitingLine::DropEmptyBuckets() {
  for (std::uint32_t index = 0; index < buckets_.size(); ++index) {
    const Bucket& bucket = buckets_[index];
    const bool empty = bucket.live && bucket.count == 0 && bucket.assigning == 0 && !bucket.cut && !bucket.refilling;
    if (empty) DropBucket(index);
  }
}

void WaitingLine::Shown(std::uint32_t index) {
  const Bucket& bucket = buckets_[index];
  Rank& rank = ranks_[RankOf(bucket.lane, bucket.retried)];
  ProjectLine& line = rank.projects[bucket.project];
  if (line.buckets.empty()) {
    // Who was away saves up nothing.
    line.served = std::max(line.served, rank.now);
    rank.turn.emplace(line.served, bucket.project);
  }
  line.buckets.push_back(index);
}

void WaitingLine::Hidden(std::uint32_t index) {
  const Bucket& bucket = buckets_[index];
  Rank& rank = ranks_[RankOf(bucket.lane, bucket.retried)];
  ProjectLine& line = rank.projects[bucket.project];
  std::erase(line.buckets, index);
  if (line.buckets.empty()) rank.turn.erase({line.served, bucket.project});
}

void WaitingLine::Insert(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  Bucket& bucket = buckets_[entry.bucket];
  const Bucket::Item item{entry.id, slot, entry.stamp};
  if (bucket.queue.empty() || bucket.queue.back().id < entry.id) {
    bucket.queue.push_back(item);
  } else {
    const auto place = std::lower_bound(bucket.queue.begin(), bucket.queue.end(), entry.id,
                                        [](const Bucket::Item& a, const TaskId& id) { return a.id < id; });
    bucket.queue.insert(place, item);
  }
  ++waiting_;
  ++lane_count_[bucket.lane];
  if (++bucket.count == 1) Shown(entry.bucket);
}

void WaitingLine::Remove(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  Bucket& bucket = buckets_[entry.bucket];
  // What lies in the queue under this stamp is of no use any more.
  ++entry.stamp;
  --waiting_;
  --lane_count_[bucket.lane];
  if (--bucket.count == 0) Hidden(entry.bucket);
  if (bucket.cut.has_value()) refill_likely_ = true;
  Trim(bucket);
}

void WaitingLine::Erase(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  if (entry.assigning) {
    --buckets_[entry.bucket].assigning;
    --assigning_;
  } else {
    Remove(slot);
  }
  by_id_.erase(entry.id);
  entry.live = entry.assigning = false;
  entry.ticket.reset();
  unused_entries_.push_back(slot);
}

void WaitingLine::Cut(Bucket& bucket) {
  const TaskId after = bucket.queue.empty() ? TaskId() : bucket.queue.back().id;
  if (!bucket.cut.has_value() || after < *bucket.cut) bucket.cut = after;
  refill_likely_ = true;
}

bool WaitingLine::Add(const ReadyTask& task, absl::Time now) {
  if (!held_[task.shard]) return false;
  if (const auto known = by_id_.find(task.id); known != by_id_.end()) {
    Entry& entry = entries_[known->second];
    entry.pass = pass_;
    if (entry.generation > task.generation) return false;
    if (entry.generation == task.generation) {
      // A person had it asked again of the agents that refused it; nothing else changes within a generation.
      const Requirements& known_needs = fleet_.requirements(buckets_[entry.bucket].cls);
      if (entry.assigning || task.requirements->refuse.size() >= known_needs.refuse.size()) return false;
    }
    Erase(known->second);
  }
  if (by_key_.size() >= static_cast<std::size_t>(limits_.max_buckets)) DropEmptyBuckets();
  if (by_key_.size() >= static_cast<std::size_t>(limits_.max_buckets)) return false;
  const std::uint32_t index = BucketFor(task);
  Bucket& bucket = buckets_[index];
  if (bucket.cut.has_value() && task.id > *bucket.cut) return false;
  if (bucket.count >= LimitOf(bucket)) {
    if (task.id > bucket.queue.back().id) {
      Cut(bucket);
      return false;
    }
    Erase(bucket.queue.back().slot);
    Cut(bucket);
  }
  std::uint32_t slot = static_cast<std::uint32_t>(entries_.size());
  if (unused_entries_.empty()) {
    entries_.emplace_back();
  } else {
    slot = unused_entries_.back();
    unused_entries_.pop_back();
  }
  Entry& entry = entries_[slot];
  entry.id = task.id;
  entry.generation = task.generation;
  entry.pass = pass_;
  entry.since = now;
  entry.repository = task.repository;
  entry.continues = task.continues;
  entry.ticket = task.ticket;
  entry.bucket = index;
  entry.shard = static_cast<std::int16_t>(task.shard);
  entry.live = true;
  entry.assigning = false;
  by_id_.emplace(task.id, slot);
  Insert(slot);
  return true;
}

void WaitingLine::Take(std::uint32_t slot) {
  Entry& entry = entries_[slot];
  Bucket& bucket = buckets_[entry.bucket];
  Rank& rank = ranks_[RankOf(bucket.lane, bucket.retried)];
  ProjectLine& line = rank.projects[bucket.project];
  if (rank.turn.size() > 1) {
    rank.now = line.served;
    auto node = rank.turn.extract({line.served, bucket.project});
    node.value().first = ++line.served;
    rank.turn.insert(std::move(node));
  }
  entry.assigning = true;
  ++bucket.assigning;
  ++assigning_;
  Remove(slot);
}

void WaitingLine::Settle(const TaskId& id, std::int64_t generation, bool back) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  const std::uint32_t slot = found->second;
  Entry& entry = entries_[slot];
  if (entry.generation != generation || !entry.assigning) return;
  if (!back) return Erase(slot);
  entry.assigning = false;
  --buckets_[entry.bucket].assigning;
  --assigning_;
  Insert(slot);
}

void WaitingLine::Forget(const TaskId& id) {
  if (const auto found = by_id_.find(id); found != by_id_.end()) Erase(found->second);
}

void WaitingLine::SetShards(const std::array<bool, kShards>& held) {
  held_ = held;
  for (std::uint32_t slot = 0; slot < entries_.size(); ++slot) {
    if (entries_[slot].live && !held_[entries_[slot].shard]) Erase(slot);
  }
  StartPass();
}

void WaitingLine::SetPauses(const std::array<bool, kLanes>& lanes, StringSet projects) {
  lane_paused_ = lanes;
  paused_projects_ = std::move(projects);
  for (Project& project : projects_) project.paused = paused_projects_.contains(project.name);
}

void WaitingLine::StartPass() {
  ++pass_;
  ++epoch_;
  page_out_ = false;
  walks_ = {};
  for (Bucket& bucket : buckets_) {
    // What was left out is met again.
    bucket.cut.reset();
    bucket.refilling = false;
  }
  DropEmptyBuckets();
}

bool WaitingLine::WantsRefill(const Bucket& bucket) {
  return bucket.live && bucket.cut.has_value() && !bucket.refilling && bucket.count <= LimitOf(bucket) / 4;
}

std::optional<Page> WaitingLine::NextPage(bool idle) {
  if (page_out_ || std::none_of(held_.begin(), held_.end(), [](bool held) { return held; })) return std::nullopt;
  Page page;
  page.epoch = epoch_;
  refill_likely_ = refill_likely_ || fleet_seen_ != fleet_.version();
  fleet_seen_ = fleet_.version();
  for (std::uint32_t index = 0; refill_likely_ && index < buckets_.size(); ++index) {
    Bucket& bucket = buckets_[index];
    if (!WantsRefill(bucket)) continue;
    page.bucket = index;
    page.bucket_stamp = bucket.stamp;
    page.urgent = true;
    page.cursors[bucket.lane] = Cursor{bucket.retried, *bucket.cut};
    bucket.refilling = true;
    bucket.cut.reset();
    page_out_ = true;
    return page;
  }
  refill_likely_ = false;
  bool any = false;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (walks_[lane].ended || (lane_count_[lane] >= limits_.window && !idle)) continue;
    page.cursors[lane] = walks_[lane].cursor;
    page.urgent = page.urgent || idle || lane_count_[lane] < limits_.window / 2;
    any = true;
  }
  if (!any) return std::nullopt;
  page_out_ = true;
  return page;
}

void WaitingLine::PageRead(const Page& page, const std::array<std::optional<Cursor>, kLanes>& last) {
  if (page.epoch != epoch_) return;
  page_out_ = false;
  if (page.bucket != kNone) {
    Bucket& bucket = buckets_[page.bucket];
    if (!bucket.live || bucket.stamp != page.bucket_stamp) return;
    bucket.refilling = false;
    const std::optional<Cursor>& end = last[bucket.lane];
    if (!end.has_value() || (end->retried && !bucket.retried)) return;
    if (!bucket.cut.has_value() || end->after < *bucket.cut) bucket.cut = end->after;
    refill_likely_ = true;
    return;
  }
  for (int lane = 0; lane < kLanes; ++lane) {
    if (!page.cursors[lane].has_value()) continue;
    if (last[lane].has_value()) {
      walks_[lane].cursor = *last[lane];
      continue;
    }
    walks_[lane].ended = true;
    for (std::uint32_t slot = 0; slot < entries_.size(); ++slot) {
      const Entry& entry = entries_[slot];
      if (entry.live && !entry.assigning && entry.pass < pass_ && buckets_[entry.bucket].lane == lane) Erase(slot);
    }
  }
}

void WaitingLine::PageFailed(const Page& page) {
  if (page.epoch != epoch_) return;
  page_out_ = false;
  if (page.bucket == kNone) return;
  Bucket& bucket = buckets_[page.bucket];
  if (!bucket.live || bucket.stamp != page.bucket_stamp) return;
  bucket.refilling = false;
  refill_likely_ = true;
  const TaskId after = page.cursors[bucket.lane]->after;
  if (!bucket.cut.has_value() || after < *bucket.cut) bucket.cut = after;
}

bool WaitingLine::walked() const {
  return std::all_of(walks_.begin(), walks_.end(), [](const Walk& walk) { return walk.ended; });
}

std::array<int, kShards> WaitingLine::waiting_by_shard() const {
  std::array<int, kShards> counts = {};
  for (const Entry& entry : entries_) {
    if (entry.live && !entry.assigning) ++counts[entry.shard];
  }
  return counts;
}

std::int64_t WaitingLine::Ahead(const Entry& entry) const {
  const Bucket& own = buckets_[entry.bucket];
  std::int64_t ahead = 0;
  for (const Entry& other : entries_) {
    if (!other.live || other.assigning) continue;
    const Bucket& bucket = buckets_[other.bucket];
    if (bucket.lane != own.lane) continue;
    if (bucket.retried != own.retried ? own.retried : other.id < entry.id) ++ahead;
  }
  return ahead;
}

bool WaitingLine::LeftOut(int lane, bool retried, ClassIndex cls, std::string_view project) const {
  const auto name = by_name_.find(project);
  if (name == by_name_.end()) return false;
  const auto found = by_key_.find({RankOf(lane, retried), cls, name->second});
  return found != by_key_.end() && (buckets_[found->second].cut.has_value() || buckets_[found->second].refilling);
}

WaitingLine::Tally WaitingLine::CountByReason() {
  Tally tally;
  for (const Bucket& bucket : buckets_) {
    if (!bucket.live || bucket.count == 0) continue;
    if (lane_paused_[bucket.lane] || projects_[bucket.project].paused) {
      tally.paused += bucket.count;
    } else if (!fleet_.Served(bucket.cls)) {
      tally.unserved += bucket.count;
    } else if (!fleet_.CanTake(bucket.cls)) {
      tally.busy += bucket.count;
    }
  }
  return tally;
}

}  // namespace switchyard::scheduler
