#pragma once

#include "tools/yard/parse.h"

namespace switchyard::yard {

// Flags that mean the same wherever they stand.
inline const Flag kWatch = {.name = "watch",
                            .letter = 'w',
                            .kind = ValueKind::kNone,
                            .help = "List again every two seconds until interrupted."};

}  // namespace switchyard::yard
