#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/id.h"

struct pg_result;

namespace switchyard::pg {

// One row of a Result, by column index from 0. Views live as long as the Result. A getter whose type does not fit the
// column's width stops the process: the statement and its reader disagree. A NULL reads as the zero value.
class Row {
 public:
  bool IsNull(int column) const;
  // Of smallint, integer, bigint, oid and xid8.
  std::int64_t Int64(int column) const;
  bool Bool(int column) const;
  double Double(int column) const;
  Uuid GetUuid(int column) const;
  template <class SomeId>
  SomeId GetId(int column) const {
    return SomeId(GetUuid(column));
  }
  // timestamptz.
  absl::Time Time(int column) const;
  // Text, bytea, enums and json alike, without a copy (jsonb and numeric want a cast to text in the statement).
  std::string_view Text(int column) const;
  std::string_view Bytes(int column) const { return Text(column); }

  std::optional<std::int64_t> OptionalInt64(int column) const;
  std::optional<Uuid> OptionalUuid(int column) const;
  std::optional<absl::Time> OptionalTime(int column) const;
  std::optional<std::string_view> OptionalText(int column) const;

  // One-dimensional arrays; a NULL element reads as the zero value.
  std::vector<std::string_view> TextArray(int column) const;
  std::vector<std::int64_t> Int64Array(int column) const;
  std::vector<Uuid> UuidArray(int column) const;

 private:
  friend class Result;
  Row(const pg_result* result, int index) : result_(result), index_(index) {}
  std::string_view Sized(int column, std::size_t bytes) const;

  const pg_result* result_;
  int index_;
};

// Owns what a statement returned. Thread-safe for reading.
class Result {
 public:
  class Iterator {
   public:
    Row operator*() const { return Row(result_, index_); }
    Iterator& operator++() {
      ++index_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class Result;
    Iterator(const pg_result* result, int index) : result_(result), index_(index) {}
    const pg_result* result_;
    int index_;
  };

  Result() = default;
  // Takes over.
  explicit Result(pg_result* result) : result_(result) {}

  int size() const;
  bool empty() const { return size() == 0; }
  Row operator[](int index) const { return Row(result_.get(), index); }
  Iterator begin() const { return Iterator(result_.get(), 0); }
  Iterator end() const { return Iterator(result_.get(), size()); }
  // Rows inserted, updated, deleted or selected.
  std::int64_t affected() const;

 private:
  struct Clear {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

}  // namespace switchyard::pg
