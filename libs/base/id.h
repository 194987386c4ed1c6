#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace switchyard {

class Clock;
class Rng;

// 128 bits in the order in which Postgres compares them.
class Uuid {
 public:
  constexpr Uuid() = default;
  explicit constexpr Uuid(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}

  // Accepts the canonical 36-character form, either case.
  static absl::StatusOr<Uuid> Parse(std::string_view text);
  // The smallest version 7 id of that millisecond: a bound for ranges of ids by time.
  static Uuid LowestAt(absl::Time time);

  std::string ToString() const;
  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  bool is_nil() const { return bytes_ == std::array<std::uint8_t, 16>{}; }
  // When a version 7 id was made, to the millisecond.
  absl::Time time() const;

  friend bool operator==(const Uuid&, const Uuid&) = default;
  friend auto operator<=>(const Uuid&, const Uuid&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Uuid& id) {
    return H::combine_contiguous(std::move(h), id.bytes_.data(), id.bytes_.size());
  }

 private:
  std::array<std::uint8_t, 16> bytes_{};
};

// A Uuid that cannot be mistaken for another kind of id: `using TaskId = Id<struct TaskIdTag>;`.
template <class Tag>
class Id {
 public:
  constexpr Id() = default;
  explicit constexpr Id(const Uuid& value) : value_(value) {}

  static absl::StatusOr<Id> Parse(std::string_view text) {
    absl::StatusOr<Uuid> value = Uuid::Parse(text);
    if (!value.ok()) return value.status();
    return Id(*value);
  }

  std::string ToString() const { return value_.ToString(); }
  const Uuid& uuid() const { return value_; }
  bool is_nil() const { return value_.is_nil(); }

  friend bool operator==(const Id&, const Id&) = default;
  friend auto operator<=>(const Id&, const Id&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Uuid value_;
};

// Makes ids of version 7: ordered by time, so that new rows land at the right edge of their index. Thread-safe.
class IdSource {
 public:
  virtual ~IdSource() = default;
  virtual Uuid NewUuid() = 0;

  template <class SomeId>
  SomeId New() {
    return SomeId(NewUuid());
  }
};

// Strictly increasing within the process, also within one millisecond.
class TimeOrderedIdSource final : public IdSource {
 public:
  // Borrows both for its lifetime.
  TimeOrderedIdSource(const Clock& clock, Rng& rng);
  ~TimeOrderedIdSource() override;
  Uuid NewUuid() override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard
