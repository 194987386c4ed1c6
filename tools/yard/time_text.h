// Times and spans as people type and read them.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace switchyard::yard {

// "90s", "1.5h", "1h30m", "2d", "250ms", "1w"; never negative. A bare number is refused: its unit would be a guess.
absl::StatusOr<absl::Duration> ParseSpan(std::string_view text);
// RFC 3339, or a span that means so long before `now`.
absl::StatusOr<absl::Time> ParseMoment(std::string_view text, absl::Time now);

// At most two units: "350ms", "42s", "3m12s", "5h", "12d".
std::string SpanText(absl::Duration span);
// RFC 3339 in UTC, to the millisecond: sorts as text.
std::string IsoText(absl::Time time);

enum class TimeForm { kRelative, kIso };
// "3m ago", "in 5s", or the moment itself; empty for an unset time.
std::string TimeText(absl::Time time, absl::Time now, TimeForm form);

// InfinitePast when the field is absent or zero.
absl::Time FromProto(const google::protobuf::Timestamp& time);
absl::Duration FromProto(const google::protobuf::Duration& span);
void ToProto(absl::Time time, google::protobuf::Timestamp* out);
void ToProto(absl::Duration span, google::protobuf::Duration* out);

}  // namespace switchyard::yard
