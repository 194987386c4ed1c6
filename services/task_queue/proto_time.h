// Times and spans of the contract. An absent message is an infinite time or a zero span; the caller asks has_x().
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace switchyard::task_queue {

// As the messages' own documentation demands: within the years 1 to 9999 (±10,000 years for spans), nanos in range and
// of the sign of the seconds.
bool IsNormalised(const google::protobuf::Timestamp& time);
bool IsNormalised(const google::protobuf::Duration& span);

// Expect normalised messages.
absl::Time ToTime(const google::protobuf::Timestamp& time);
absl::Duration ToDuration(const google::protobuf::Duration& span);

// Expects a finite time. What a message cannot hold becomes the nearest that it can.
void Set(absl::Time time, google::protobuf::Timestamp* out);
void Set(absl::Duration span, google::protobuf::Duration* out);

inline bool IsFinite(absl::Time time) { return time != absl::InfiniteFuture() && time != absl::InfinitePast(); }

}  // namespace switchyard::task_queue
