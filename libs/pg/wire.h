// Postgres' binary representations, for the sources of libs/pg only.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::pg::wire {

// From pg_type.dat; fixed for all versions.
inline constexpr std::uint32_t kBool = 16, kBoolArray = 1000;
inline constexpr std::uint32_t kBytea = 17, kByteaArray = 1001;
inline constexpr std::uint32_t kInt8 = 20, kInt8Array = 1016;
inline constexpr std::uint32_t kInt2 = 21, kInt2Array = 1005;
inline constexpr std::uint32_t kInt4 = 23, kInt4Array = 1007;
inline constexpr std::uint32_t kText = 25, kTextArray = 1009;
inline constexpr std::uint32_t kFloat8 = 701, kFloat8Array = 1022;
inline constexpr std::uint32_t kTimestamptz = 1184, kTimestamptzArray = 1185;
inline constexpr std::uint32_t kUuid = 2950, kUuidArray = 2951;

// Big-endian, the lowest `bytes` of `value`.
inline void Put(char* out, std::uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    out[i] = static_cast<char>(value & 0xff);
    value >>= 8;
  }
}

inline std::uint64_t Get(const char* in, int bytes) {
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = (value << 8) | static_cast<unsigned char>(in[i]);
  return value;
}

// Sign-extended, of 2, 4 or 8 bytes.
inline std::int64_t GetSigned(const char* in, int bytes) {
  const int shift = 64 - 8 * bytes;
  return static_cast<std::int64_t>(Get(in, bytes) << shift) >> shift;
}

inline std::string_view View(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.bytes().data()), id.bytes().size()};
}

inline bool HasNul(std::string_view text) {
  return !text.empty() && std::memchr(text.data(), 0, text.size()) != nullptr;
}

// Microseconds from the Unix epoch to Postgres' one, 2000-01-01.
inline constexpr std::int64_t kEpochMicros = 946684800000000;

inline std::int64_t ToPostgres(absl::Time time) {
  if (time == absl::InfiniteFuture()) return std::numeric_limits<std::int64_t>::max();
  if (time == absl::InfinitePast()) return std::numeric_limits<std::int64_t>::min();
  return absl::ToUnixMicros(time) - kEpochMicros;
}

inline absl::Time FromPostgres(std::int64_t micros) {
  if (micros == std::numeric_limits<std::int64_t>::max()) return absl::InfiniteFuture();
  if (micros == std::numeric_limits<std::int64_t>::min()) return absl::InfinitePast();
  return absl::FromUnixMicros(micros + kEpochMicros);
}

}  // namespace switchyard::pg::wire
