#include "libs/testing/fake_ids.h"

#include <array>
#include <cstddef>

namespace switchyard::testing {

Uuid FakeUuid(absl::Time time, std::uint64_t number) {
  std::array<std::uint8_t, 16> bytes = Uuid::LowestAt(time).bytes();
  // The first two bits of byte 8 are the variant.
  for (std::size_t i = 15; i > 8; --i, number >>= 8) bytes[i] = static_cast<std::uint8_t>(number);
  return Uuid(bytes);
}

Uuid FakeIdSource::NewUuid() {
  MutexLock lock(mutex_);
  return FakeUuid(clock_.Now(), ++made_);
}

}  // namespace switchyard::testing
