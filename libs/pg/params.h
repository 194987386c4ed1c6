// Parameters in Postgres' binary form: nothing is quoted, and an array costs one copy of its elements. See
// docs/adr/0002-postgres-access.md for why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::pg {

// Raw octets, as opposed to text: bytea. Borrows.
struct Bytes {
  std::string_view data;
};

// Grows the wire form of a one-dimensional array in place. Not thread-safe. Reuse one across batches with Clear(),
// which keeps its memory.
class ArrayParam {
 public:
  // Room for `elements`, of `bytes_each` on average.
  void Reserve(std::size_t elements, std::size_t bytes_each);
  void Clear();
  void AppendNull();
  std::size_t size() const { return count_; }

 protected:
  ArrayParam(std::uint32_t element_oid, std::uint32_t array_oid);
  void AppendElement(std::string_view bytes);
  void AppendInteger(std::uint64_t value, int bytes);
  bool has_nul_ = false;

 private:
  friend class Params;
  // Valid until the next change.
  std::string_view Finish() const;

  const std::uint32_t element_oid_;
  const std::uint32_t array_oid_;
  std::uint32_t count_ = 0;
  bool has_null_ = false;
  mutable std::string wire_;
};

struct UuidArray final : ArrayParam {
  UuidArray();
  void Append(const Uuid& value);
  template <class Tag>
  void Append(const Id<Tag>& value) {
    Append(value.uuid());
  }
};
struct BytesArray final : ArrayParam {
  BytesArray();
  void Append(std::string_view value);
};
// Text with a NUL byte makes Params refuse the array with INVALID_ARGUMENT, as the server would (SQLSTATE 22021).
struct TextArray final : ArrayParam {
  TextArray();
  void Append(std::string_view value);
};
struct Int64Array final : ArrayParam {
  Int64Array();
  void Append(std::int64_t value);
};
struct Int32Array final : ArrayParam {
  Int32Array();
  void Append(std::int32_t value);
};
struct Int16Array final : ArrayParam {
  Int16Array();
  void Append(std::int16_t value);
};
struct BoolArray final : ArrayParam {
  BoolArray();
  void Append(bool value);
};
struct DoubleArray final : ArrayParam {
  DoubleArray();
  void Append(double value);
};
// timestamptz, to the microsecond; infinite times stay infinite.
struct TimeArray final : ArrayParam {
  TimeArray();
  void Append(absl::Time value);
};

// The arguments of one execution, $1 first. Types are declared to the server: `$1` has the type of what was added, so
// a column of another type wants a cast in the statement ($3::jsonb for text). Scalars are copied, arrays borrowed: an
// array must be complete when added and live until the execution. Not thread-safe.
class Params {
 public:
  Params& Add(std::int64_t value);
  Params& Add(std::int32_t value);
  Params& Add(bool value);
  Params& Add(double value);
  Params& Add(std::string_view text);
  Params& Add(const std::string& text) { return Add(std::string_view(text)); }
  Params& Add(const char* text) { return Add(std::string_view(text)); }
  Params& Add(Bytes bytes);
  Params& Add(const Uuid& value);
  Params& Add(absl::Time value);
  template <class Tag>
  Params& Add(const Id<Tag>& value) {
    return Add(value.uuid());
  }
  // NULL of that type when empty.
  template <class T>
  Params& Add(const std::optional<T>& value) {
    if (value.has_value()) return Add(*value);
    Add(T{});
    slots_.back().null = true;
    return *this;
  }
  Params& Add(const ArrayParam& array);
  Params& Add(const ArrayParam&& array) = delete;
  // NULL whose type the server infers; prefer an empty optional, which keeps the plan shared.
  Params& AddNull();
  void Clear();

  std::size_t size() const { return slots_.size(); }
  // INVALID_ARGUMENT with SQLSTATE 22021 when some text had a NUL byte; executions refuse it before sending.
  const absl::Status& status() const { return status_; }

 private:
  friend class Session;
  struct Slot {
    std::uint32_t oid;
    bool null = false;
    const char* borrowed = nullptr;
    std::size_t offset = 0;
    std::size_t length = 0;
  };
  Params& AddCopy(std::uint32_t oid, std::string_view bytes);
  void RefuseNul();

  std::vector<Slot> slots_;
  std::string copied_;
  absl::Status status_;
};

}  // namespace switchyard::pg
