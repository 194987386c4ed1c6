#include "libs/pg/result.h"

#include <libpq-fe.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "absl/strings/numbers.h"
#include "libs/pg/wire.h"

namespace switchyard::pg {
namespace {

[[noreturn]] void Mismatch(const pg_result* result, int column, std::size_t bytes) {
  std::fprintf(stderr, "libs/pg: column %d (%s) of type %u has %zu bytes, which is not what its reader expects\n",
               column, column < PQnfields(result) ? PQfname(result, column) : "?", PQftype(result, column), bytes);
  std::abort();
}

Uuid ToUuid(std::string_view bytes) {
  std::array<std::uint8_t, 16> value;
  std::memcpy(value.data(), bytes.data(), value.size());
  return Uuid(value);
}

template <class T, class Convert>
std::vector<T> Elements(std::string_view wire, Convert convert) {
  std::vector<T> elements;
  if (wire.size() < 20 || wire::Get(wire.data(), 4) != 1) return elements;
  const std::uint64_t count = wire::Get(wire.data() + 12, 4);
  elements.reserve(count);
  std::size_t at = 20;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::int64_t length = wire::GetSigned(wire.data() + at, 4);
    at += 4;
    if (length < 0) {
      elements.push_back(T{});
      continue;
    }
    elements.push_back(convert(wire.substr(at, static_cast<std::size_t>(length))));
    at += static_cast<std::size_t>(length);
  }
  return elements;
}

}  // namespace

bool Row::IsNull(int column) const { return PQgetisnull(result_, index_, column) != 0; }

std::string_view Row::Text(int column) const {
  if (column >= PQnfields(result_)) Mismatch(result_, column, 0);
  return {PQgetvalue(result_, index_, column), static_cast<std::size_t>(PQgetlength(result_, index_, column))};
}

std::string_view Row::Sized(int column, std::size_t bytes) const {
  const std::string_view value = Text(column);
  if (value.size() != bytes) Mismatch(result_, column, value.size());
  return value;
}

std::int64_t Row::Int64(int column) const {
  const std::string_view value = Text(column);
  if (IsNull(column)) return 0;
  if (value.size() != 2 && value.size() != 4 && value.size() != 8) Mismatch(result_, column, value.size());
  return wire::GetSigned(value.data(), static_cast<int>(value.size()));
}

bool Row::Bool(int column) const { return !IsNull(column) && Sized(column, 1)[0] != 0; }

double Row::Double(int column) const {
  return IsNull(column) ? 0 : std::bit_cast<double>(wire::Get(Sized(column, 8).data(), 8));
}

Uuid Row::GetUuid(int column) const { return IsNull(column) ? Uuid() : ToUuid(Sized(column, 16)); }

absl::Time Row::Time(int column) const {
  return IsNull(column) ? absl::Time() : wire::FromPostgres(wire::GetSigned(Sized(column, 8).data(), 8));
}

std::optional<std::int64_t> Row::OptionalInt64(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Int64(column);
}

std::optional<Uuid> Row::OptionalUuid(int column) const {
  if (IsNull(column)) return std::nullopt;
  return GetUuid(column);
}

std::optional<absl::Time> Row::OptionalTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

std::optional<std::string_view> Row::OptionalText(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Text(column);
}

std::vector<std::string_view> Row::TextArray(int column) const {
  return Elements<std::string_view>(Text(column), [](std::string_view bytes) { return bytes; });
}

std::vector<std::int64_t> Row::Int64Array(int column) const {
  return Elements<std::int64_t>(Text(column), [](std::string_view bytes) {
    return wire::GetSigned(bytes.data(), static_cast<int>(bytes.size()));
  });
}

std::vector<Uuid> Row::UuidArray(int column) const { return Elements<Uuid>(Text(column), ToUuid); }

int Result::size() const { return result_ == nullptr ? 0 : PQntuples(result_.get()); }

std::int64_t Result::affected() const {
  std::int64_t count = 0;
  if (result_ != nullptr && !absl::SimpleAtoi(PQcmdTuples(result_.get()), &count)) count = 0;
  return count;
}

void Result::Clear::operator()(pg_result* result) const { PQclear(result); }

}  // namespace switchyard::pg
