#pragma once

#include "libs/text/json_reader.h"

namespace switchyard::executor::models {

using text::CountOf;
using text::DumpJson;
using text::IsJsonObject;
using text::IsTrue;
using text::Json;
using text::kMaxJsonDepth;
using text::Member;
using text::ParseJson;
using text::TextOf;

}  // namespace switchyard::executor::models
