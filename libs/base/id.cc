#include "libs/base/id.h"

#include <algorithm>
#include <cstddef>

#include "libs/base/clock.h"
#include "libs/base/hex_digits.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"

namespace switchyard {
namespace {

constexpr std::int64_t kMaxMillis = (std::int64_t{1} << 48) - 1;

// Where the digits of each byte stand in the canonical form.
constexpr std::array<std::uint8_t, 16> kPlaces = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};
constexpr std::array<std::uint8_t, 4> kDashes = {8, 13, 18, 23};

std::int64_t MillisOf(absl::Time time) { return std::clamp<std::int64_t>(absl::ToUnixMillis(time), 0, kMaxMillis); }

// `high` are the 12 bits behind the version, `low` the 62 behind the variant.
Uuid Compose(std::int64_t millis, std::uint64_t high, std::uint64_t low) {
  const std::uint64_t first = (static_cast<std::uint64_t>(millis) << 16) | 0x7000 | (high & 0xFFF);
  const std::uint64_t second = (std::uint64_t{1} << 63) | (low & ((std::uint64_t{1} << 62) - 1));
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<std::uint8_t>(first >> (56 - 8 * i));
    bytes[8 + i] = static_cast<std::uint8_t>(second >> (56 - 8 * i));
  }
  return Uuid(bytes);
}

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != 36) return absl::InvalidArgumentError("an id has 36 characters");
  std::array<std::uint8_t, 16> bytes;
  std::uint8_t bad = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    const std::uint8_t high = internal::kHexValues[static_cast<std::uint8_t>(text[kPlaces[i]])];
    const std::uint8_t low = internal::kHexValues[static_cast<std::uint8_t>(text[kPlaces[i] + 1u])];
    bad |= static_cast<std::uint8_t>((high | low) & 0xF0);
    bytes[i] = static_cast<std::uint8_t>((high << 4) | (low & 15));
  }
  for (const std::uint8_t place : kDashes) bad |= static_cast<std::uint8_t>(text[place] != '-');
  if (bad != 0) return absl::InvalidArgumentError("an id has the form 8-4-4-4-12 hexadecimal digits");
  return Uuid(bytes);
}

Uuid Uuid::LowestAt(absl::Time time) { return Compose(MillisOf(time), 0, 0); }

std::string Uuid::ToString() const {
  std::string out(36, '-');
  for (std::size_t i = 0; i < 16; ++i) {
    const std::size_t at = 2u * bytes_[i];
    out[kPlaces[i]] = internal::kHexPairs[at];
    out[kPlaces[i] + 1u] = internal::kHexPairs[at + 1];
  }
  return out;
}

absl::Time Uuid::time() const {
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i) millis = (millis << 8) | bytes_[i];
  return absl::FromUnixMillis(millis);
}

// 48 bits of milliseconds, 26 of a counter (12 behind the version, 14 behind the variant), 48 of randomness. The
// counter begins at a random place in its lower half each millisecond, so that ids of several processes interleave.
struct TimeOrderedIdSource::State {
  static constexpr std::uint64_t kCounterEnd = std::uint64_t{1} << 26;

  State(const Clock& clock, Rng& rng) : clock(clock), rng(rng) {}

  const Clock& clock;
  Rng& rng;
  Mutex mutex;
  std::int64_t millis ABSL_GUARDED_BY(mutex) = -1;
  std::uint64_t counter ABSL_GUARDED_BY(mutex) = 0;
};

TimeOrderedIdSource::TimeOrderedIdSource(const Clock& clock, Rng& rng) : state_(std::make_unique<State>(clock, rng)) {}
TimeOrderedIdSource::~TimeOrderedIdSource() = default;

Uuid TimeOrderedIdSource::NewUuid() {
  const std::int64_t now = MillisOf(state_->clock.Now());
  const std::uint64_t random = state_->rng.Next();
  std::int64_t millis;
  std::uint64_t counter;
  {
    MutexLock lock(state_->mutex);
    if (now > state_->millis) {
      state_->millis = now;
      state_->counter = state_->rng.Next() % (State::kCounterEnd / 2);
    } else if (++state_->counter == State::kCounterEnd) {
      ++state_->millis;
      state_->counter = 0;
    }
    millis = state_->millis;
    counter = state_->counter;
  }
  return Compose(millis, counter >> 14, ((counter & 0x3FFF) << 48) | (random >> 16));
}

}  // namespace switchyard
