// What goes into the line of waiting tasks, and how more of it is read.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/lanes/weighted_lanes.h"
#include "services/scheduler/requirements.h"
#include "services/scheduler/route_source.h"

namespace switchyard::scheduler {

inline constexpr int kLanes = lanes::kLanes;
inline constexpr int kShards = 16;

// A task that can be assigned, as the ready feed tells it, with its route.
struct ReadyTask {
  TaskId id;
  std::int64_t generation = 0;
  int shard = 0;
  // From the most urgent, 0.
  int lane = 0;
  bool retried = false;
  std::string_view project;
  const Requirements* requirements = nullptr;
  // 0: none. Tasks of one repository go to an agent that worked on it before, if one is free.
  std::uint64_t repository = 0;
  // Nil: none. Goes to the agent that had this one, if it is free.
  TaskId continues;
  // Null: it takes nothing along.
  std::shared_ptr<const RouteTicket> ticket;
};

struct LineLimits {
  // Read ahead of each lane.
  int window = 4'000;
  // Of tasks of one lane, project and class.
  int bucket = 1'000;
  // The same while no agent serves the class.
  int parked = 8;
  int max_buckets = 10'000;
};

// Where reading a lane goes on: after this task, fresh ones before those tried before. Nil and not retried: at the
// front.
struct Cursor {
  bool retried = false;
  TaskId after;

  friend auto operator<=>(const Cursor&, const Cursor&) = default;
};

// A page to be read from the ledger.
struct Page {
  // Absent: this lane is not read.
  std::array<std::optional<Cursor>, kLanes> cursors;
  // Somebody could work at once on what it may hold.
  bool urgent = false;
  // Of the line; a page of another one is of no use.
  std::uint64_t epoch = 0;
  // kNone: the lanes are walked; otherwise this bucket is filled.
  std::uint32_t bucket = ~0u;
  std::uint32_t bucket_stamp = 0;
};

}  // namespace switchyard::scheduler
