#include "libs/pg/params.h"

#include <array>
#include <bit>
#include <cstring>

#include "libs/pg/sqlstate.h"
#include "libs/pg/wire.h"

namespace switchyard::pg {
namespace {

// Dimensions, null flag, element type, length, lower bound.
constexpr std::size_t kArrayHeader = 20;
// An empty array has no dimensions, hence no length and lower bound.
constexpr std::size_t kEmptyArrayHeader = 12;

}  // namespace

ArrayParam::ArrayParam(std::uint32_t element_oid, std::uint32_t array_oid)
    : element_oid_(element_oid), array_oid_(array_oid), wire_(kArrayHeader, '\0') {}

void ArrayParam::Reserve(std::size_t elements, std::size_t bytes_each) {
  wire_.reserve(kArrayHeader + elements * (bytes_each + 4));
}

void ArrayParam::Clear() {
  wire_.resize(kArrayHeader);
  count_ = 0;
  has_null_ = false;
  has_nul_ = false;
}

void ArrayParam::AppendNull() {
  char length[4];
  wire::Put(length, 0xffffffffu, 4);
  wire_.append(length, 4);
  has_null_ = true;
  ++count_;
}

void ArrayParam::AppendElement(std::string_view bytes) {
  char length[4];
  wire::Put(length, bytes.size(), 4);
  wire_.append(length, 4);
  wire_.append(bytes);
  ++count_;
}

void ArrayParam::AppendInteger(std::uint64_t value, int bytes) {
  char element[12];
  wire::Put(element, static_cast<std::uint64_t>(bytes), 4);
  wire::Put(element + 4, value, bytes);
  wire_.append(element, 4 + static_cast<std::size_t>(bytes));
  ++count_;
}

std::string_view ArrayParam::Finish() const {
  wire::Put(wire_.data(), count_ == 0 ? 0 : 1, 4);
  wire::Put(wire_.data() + 4, has_null_ ? 1 : 0, 4);
  wire::Put(wire_.data() + 8, element_oid_, 4);
  wire::Put(wire_.data() + 12, count_, 4);
  wire::Put(wire_.data() + 16, 1, 4);
  return std::string_view(wire_).substr(0, count_ == 0 ? kEmptyArrayHeader : wire_.size());
}

UuidArray::UuidArray() : ArrayParam(wire::kUuid, wire::kUuidArray) {}
void UuidArray::Append(const Uuid& value) { AppendElement(wire::View(value)); }

BytesArray::BytesArray() : ArrayParam(wire::kBytea, wire::kByteaArray) {}
void BytesArray::Append(std::string_view value) { AppendElement(value); }

TextArray::TextArray() : ArrayParam(wire::kText, wire::kTextArray) {}
void TextArray::Append(std::string_view value) {
  has_nul_ = has_nul_ || wire::HasNul(value);
  AppendElement(value);
}

Int64Array::Int64Array() : ArrayParam(wire::kInt8, wire::kInt8Array) {}
void Int64Array::Append(std::int64_t value) { AppendInteger(static_cast<std::uint64_t>(value), 8); }

Int32Array::Int32Array() : ArrayParam(wire::kInt4, wire::kInt4Array) {}
void Int32Array::Append(std::int32_t value) { AppendInteger(static_cast<std::uint64_t>(value), 4); }

Int16Array::Int16Array() : ArrayParam(wire::kInt2, wire::kInt2Array) {}
void Int16Array::Append(std::int16_t value) { AppendInteger(static_cast<std::uint64_t>(value), 2); }

BoolArray::BoolArray() : ArrayParam(wire::kBool, wire::kBoolArray) {}
void BoolArray::Append(bool value) { AppendInteger(value ? 1 : 0, 1); }

DoubleArray::DoubleArray() : ArrayParam(wire::kFloat8, wire::kFloat8Array) {}
void DoubleArray::Append(double value) { AppendInteger(std::bit_cast<std::uint64_t>(value), 8); }

TimeArray::TimeArray() : ArrayParam(wire::kTimestamptz, wire::kTimestamptzArray) {}
void TimeArray::Append(absl::Time value) { AppendInteger(static_cast<std::uint64_t>(wire::ToPostgres(value)), 8); }

Params& Params::AddCopy(std::uint32_t oid, std::string_view bytes) {
  slots_.push_back({.oid = oid, .offset = copied_.size(), .length = bytes.size()});
  copied_.append(bytes);
  return *this;
}

void Params::RefuseNul() {
  if (status_.ok()) status_ = FromSqlState("22021", "text must not contain a NUL byte");
}

Params& Params::Add(std::int64_t value) {
  char bytes[8];
  wire::Put(bytes, static_cast<std::uint64_t>(value), 8);
  return AddCopy(wire::kInt8, {bytes, 8});
}

Params& Params::Add(std::int32_t value) {
  char bytes[4];
  wire::Put(bytes, static_cast<std::uint64_t>(value), 4);
  return AddCopy(wire::kInt4, {bytes, 4});
}

Params& Params::Add(bool value) {
  const char byte = value ? 1 : 0;
  return AddCopy(wire::kBool, {&byte, 1});
}

Params& Params::Add(double value) {
  char bytes[8];
  wire::Put(bytes, std::bit_cast<std::uint64_t>(value), 8);
  return AddCopy(wire::kFloat8, {bytes, 8});
}

Params& Params::Add(std::string_view text) {
  if (wire::HasNul(text)) RefuseNul();
  return AddCopy(wire::kText, text);
}

Params& Params::Add(Bytes bytes) { return AddCopy(wire::kBytea, bytes.data); }

Params& Params::Add(const Uuid& value) { return AddCopy(wire::kUuid, wire::View(value)); }

Params& Params::Add(absl::Time value) {
  char bytes[8];
  wire::Put(bytes, static_cast<std::uint64_t>(wire::ToPostgres(value)), 8);
  return AddCopy(wire::kTimestamptz, {bytes, 8});
}

Params& Params::Add(const ArrayParam& array) {
  if (array.has_nul_) RefuseNul();
  const std::string_view wire = array.Finish();
  slots_.push_back({.oid = array.array_oid_, .borrowed = wire.data(), .length = wire.size()});
  return *this;
}

Params& Params::AddNull() {
  slots_.push_back({.oid = 0, .null = true});
  return *this;
}

void Params::Clear() {
  slots_.clear();
  copied_.clear();
  status_ = absl::OkStatus();
}

}  // namespace switchyard::pg
