// Collects what is wrong with a request. Nothing is allocated until something is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"

namespace switchyard::task_queue {

// Where a field stands: a chain of steps on the stack. Each step borrows the one before and its text, so that a chain
// of temporaries is good for the expression it stands in and no longer.
class FieldPath {
 public:
  // `root` may be empty.
  explicit FieldPath(std::string_view root) : FieldPath(nullptr, Kind::kField, root, 0) {}

  FieldPath Field(std::string_view name) const { return FieldPath(this, Kind::kField, name, 0); }
  FieldPath At(int index) const { return FieldPath(this, Kind::kIndex, {}, index); }
  FieldPath Key(std::string_view key) const { return FieldPath(this, Kind::kKey, key, 0); }

  // "tasks[3].spec.metadata["team"]". Keys are cut and shown in plain ASCII.
  std::string ToString() const;

 private:
  enum class Kind : std::uint8_t { kField, kIndex, kKey };

  FieldPath(const FieldPath* before, Kind kind, std::string_view text, int index)
      : before_(before), kind_(kind), index_(index), text_(text) {}
  void AppendTo(std::string& out) const;

  const FieldPath* before_;
  Kind kind_;
  int index_;
  std::string_view text_;
};

// Not thread-safe.
class FaultList {
 public:
  // More are counted, not kept: an answer stays small whatever was sent.
  static constexpr int kBound = 100;

  // The pieces are joined as absl::StrCat does.
  template <class... Pieces>
  void Add(const FieldPath& path, const Pieces&... pieces) {
    if (static_cast<int>(violations_.size()) < kBound) {
      violations_.push_back({.field = path.ToString(), .description = absl::StrCat(pieces...)});
    } else {
      ++more_;
    }
  }

  bool empty() const { return violations_.empty(); }
  // What was added; one more says how many were not kept.
  std::vector<FieldViolation> Take() &&;

 private:
  std::vector<FieldViolation> violations_;
  std::int64_t more_ = 0;
};

}  // namespace switchyard::task_queue
