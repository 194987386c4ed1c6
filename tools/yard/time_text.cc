#include "tools/yard/time_text.h"

#include <cctype>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::yard {
namespace {

struct Unit {
  std::string_view name;
  absl::Duration length;
};

const Unit* FindUnit(std::string_view name) {
  static const Unit kUnits[] = {{"ms", absl::Milliseconds(1)}, {"s", absl::Seconds(1)}, {"m", absl::Minutes(1)},
                                {"h", absl::Hours(1)},         {"d", absl::Hours(24)},  {"w", absl::Hours(24 * 7)}};
  for (const Unit& unit : kUnits) {
    if (unit.name == name) return &unit;
  }
  return nullptr;
}

absl::Status BadSpan(std::string_view text) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", ToAbsl(text), "' is not a span of time; write 30s, 5m, 1h30m or 2d"));
}

}  // namespace

absl::StatusOr<absl::Duration> ParseSpan(std::string_view text) {
  if (text == "0") return absl::ZeroDuration();
  absl::Duration sum;
  std::size_t at = 0;
  if (text.empty() || text.size() > 32) return BadSpan(text);
  while (at < text.size()) {
    const std::size_t number_at = at;
    while (at < text.size() && (std::isdigit(static_cast<unsigned char>(text[at])) || text[at] == '.')) ++at;
    const std::size_t unit_at = at;
    while (at < text.size() && std::isalpha(static_cast<unsigned char>(text[at]))) ++at;
    const Unit* const unit = FindUnit(text.substr(unit_at, at - unit_at));
    if (unit == nullptr || unit_at == number_at) return BadSpan(text);
    const std::string number(text.substr(number_at, unit_at - number_at));
    char* end = nullptr;
    const double amount = std::strtod(number.c_str(), &end);
    if (end != number.c_str() + number.size()) return BadSpan(text);
    sum += amount * unit->length;
  }
  if (sum > absl::Hours(24 * 365 * 100)) return BadSpan(text);
  return sum;
}

absl::StatusOr<absl::Time> ParseMoment(std::string_view text, absl::Time now) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) return time;
  const absl::StatusOr<absl::Duration> ago = ParseSpan(text);
  if (ago.ok()) return now - *ago;
  return absl::InvalidArgumentError(
      absl::StrCat("'", ToAbsl(text), "' is not a time; write 2026-01-31T12:00:00Z, or 2h for two hours ago"));
}

std::string SpanText(absl::Duration span) {
  if (span < absl::ZeroDuration()) return absl::StrCat("-", SpanText(-span));
  if (span == absl::InfiniteDuration()) return "forever";
  if (span < absl::Seconds(1)) return absl::StrCat(absl::ToInt64Milliseconds(span), "ms");
  const std::int64_t seconds = absl::ToInt64Seconds(span);
  const auto two = [](std::int64_t large, const char* first, std::int64_t small, const char* second) {
    return small == 0 ? absl::StrCat(large, first) : absl::StrCat(large, first, small, second);
  };
  if (seconds < 10) {
    const std::int64_t tenths = absl::ToInt64Milliseconds(span) / 100;
    return tenths % 10 == 0 ? absl::StrCat(seconds, "s") : absl::StrCat(seconds, ".", tenths % 10, "s");
  }
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return two(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds % 3600 / 60, "m");
  if (seconds < 10 * 86400) return two(seconds / 86400, "d", seconds % 86400 / 3600, "h");
  return absl::StrCat(seconds / 86400, "d");
}

std::string IsoText(absl::Time time) {
  if (time == absl::InfinitePast() || time == absl::InfiniteFuture()) return "";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

std::string TimeText(absl::Time time, absl::Time now, TimeForm form) {
  if (time == absl::InfinitePast()) return "";
  if (form == TimeForm::kIso) return IsoText(time);
  const absl::Duration ago = now - time;
  if (ago >= absl::ZeroDuration()) return ago < absl::Seconds(1) ? "now" : absl::StrCat(SpanText(ago), " ago");
  return absl::StrCat("in ", SpanText(-ago));
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return absl::InfinitePast();
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration FromProto(const google::protobuf::Duration& span) {
  return absl::Seconds(span.seconds()) + absl::Nanoseconds(span.nanos());
}

void ToProto(absl::Time time, google::protobuf::Timestamp* out) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

void ToProto(absl::Duration span, google::protobuf::Duration* out) {
  const std::int64_t seconds = absl::ToInt64Seconds(span);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(span - absl::Seconds(seconds))));
}

}  // namespace switchyard::yard
