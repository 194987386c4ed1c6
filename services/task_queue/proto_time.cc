#include "services/task_queue/proto_time.h"

#include <algorithm>
#include <cstdint>

namespace switchyard::task_queue {
namespace {

constexpr std::int64_t kFirstSecond = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLastSecond = 253402300799;   // 9999-12-31T23:59:59Z
constexpr std::int64_t kMostSeconds = 315576000000;
constexpr std::int32_t kMostNanos = 999999999;

}  // namespace

bool IsNormalised(const google::protobuf::Timestamp& time) {
  return time.seconds() >= kFirstSecond && time.seconds() <= kLastSecond && time.nanos() >= 0 &&
         time.nanos() <= kMostNanos;
}

bool IsNormalised(const google::protobuf::Duration& span) {
  if (span.seconds() < -kMostSeconds || span.seconds() > kMostSeconds) return false;
  if (span.nanos() < -kMostNanos || span.nanos() > kMostNanos) return false;
  return (span.seconds() >= 0 || span.nanos() <= 0) && (span.seconds() <= 0 || span.nanos() >= 0);
}

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration ToDuration(const google::protobuf::Duration& span) {
  return absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos());
}

void Set(absl::Time time, google::protobuf::Timestamp* out) {
  time = std::clamp(time, absl::FromUnixSeconds(kFirstSecond), absl::FromUnixSeconds(kLastSecond));
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void Set(absl::Duration span, google::protobuf::Duration* out) {
  span = std::clamp(span, absl::Seconds(-kMostSeconds), absl::Seconds(kMostSeconds));
  const std::int64_t seconds = absl::IDivDuration(span, absl::Seconds(1), &span);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(span)));
}

}  // namespace switchyard::task_queue
