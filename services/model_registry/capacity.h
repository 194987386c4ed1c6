#pragma once

#include <algorithm>

#include "absl/time/time.h"

namespace switchyard::model_registry {

struct CapacityBounds {
  // What it begins with.
  int start = 1;
  int most = 2;
  // What a person or the server itself says; 0: learnt.
  int fixed = 0;
};

// How many requests at once an endpoint, or one model there, takes well: learnt from what requests met. Pure; not
// thread-safe.
class Capacity {
 public:
  explicit Capacity(CapacityBounds bounds) : bounds_(bounds), learnt_(std::min(bounds.start, bounds.most)) {}

  int value() const { return bounds_.fixed > 0 ? bounds_.fixed : learnt_; }
  bool learning() const { return bounds_.fixed == 0; }
  // The server said how many it has; 0: it does not say.
  void SetServed(int slots);

  // A request ended well while `in_flight`, itself included, were held. Five in a row at the limit, none of which
  // waited for a slot, raise it by one; one that waited lowers it, and it is not tried again for a while.
  void Success(int in_flight, absl::Duration queue_wait, absl::Duration total, absl::Time now);
  // It said that it is full, or that there were too many.
  void Full(int in_flight, absl::Time now);

 private:
  static constexpr int kRaiseAfter = 5;
  inline static const absl::Duration kWait = absl::Seconds(1);
  inline static const absl::Duration kOneStory = absl::Seconds(10);
  inline static const absl::Duration kHoldOff = absl::Minutes(10);
  inline static const absl::Duration kMaxHoldOff = absl::Hours(4);

  void Lower(int to, absl::Time now);

  CapacityBounds bounds_;
  int learnt_;
  int good_at_limit_ = 0;
  absl::Duration hold_off_ = kHoldOff;
  absl::Time not_before_ = absl::InfinitePast();
  absl::Time lowered_ = absl::InfinitePast();
};

// Of so many slots, those that only urgent work gets: one in four, but never the only one.
inline int UrgentSlots(int capacity) { return capacity < 2 ? 0 : (capacity + 3) / 4; }

}  // namespace switchyard::model_registry
