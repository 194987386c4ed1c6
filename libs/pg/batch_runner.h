#pragma once

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "libs/pg/transaction.h"

namespace switchyard::pg {

// Runs a batch of `count` operations in one transaction; when the data of some is at fault (SQLSTATE class 22 or 23),
// in two halves, and so on, until only the faulty ones fail. `finish` is called once for every part, in order, after
// its transaction ended. `flush` handles the operations [first, first + count), possibly several times.
void RunBatch(SessionProvider& sessions, const TransactionOptions& options, std::size_t count,
              absl::FunctionRef<absl::Status(Session&, std::size_t first, std::size_t count)> flush,
              absl::FunctionRef<void(std::size_t first, std::size_t count, const absl::Status&)> finish);

}  // namespace switchyard::pg
