// What a run at a model leaves behind, for people and for whoever judges it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/backend.h"
#include "services/executor/models/model_call.h"
#include "services/executor/models/route.h"
#include "services/executor/models/route_convert.h"

namespace switchyard::executor::models {

struct ResultFacts {
  const Route& route;
  const CallResult& last;
  const Spent& spent;
  const std::vector<CallRecord>& records;
  int grants = 0;
  // Of data that the prompt had no room for.
  std::size_t omitted_bytes = 0;
  bool mismatch = false;
};

// Sets summary, output (head and tail, redacted, at most 64 KiB), outputs, usage, route report and facts; the outcome
// is there already.
void FillResult(const ResultFacts& facts, Evidence& evidence);

}  // namespace switchyard::executor::models
