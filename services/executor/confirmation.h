#pragma once

namespace switchyard::executor {

// Whether work still has the right to act on the world.
enum class Confirmation {
  kCurrent,
  // It has not: stop, and leave the world alone.
  kStale,
  // Nobody could be asked in time: ask again, or leave it.
  kUnknown,
};

}  // namespace switchyard::executor
