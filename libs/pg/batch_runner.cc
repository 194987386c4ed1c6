#include "libs/pg/batch_runner.h"

#include "libs/pg/sqlstate.h"

namespace switchyard::pg {
namespace {

void RunPart(SessionProvider& sessions, const TransactionOptions& options, std::size_t first, std::size_t count,
             absl::FunctionRef<absl::Status(Session&, std::size_t, std::size_t)> flush,
             absl::FunctionRef<void(std::size_t, std::size_t, const absl::Status&)> finish) {
  const absl::Status status =
      RunTransaction(sessions, options, [&](Session& session) { return flush(session, first, count); });
  if (count > 1 && IsBadData(status)) {
    RunPart(sessions, options, first, count / 2, flush, finish);
    RunPart(sessions, options, first + count / 2, count - count / 2, flush, finish);
    return;
  }
  finish(first, count, status);
}

}  // namespace

void RunBatch(SessionProvider& sessions, const TransactionOptions& options, std::size_t count,
              absl::FunctionRef<absl::Status(Session&, std::size_t, std::size_t)> flush,
              absl::FunctionRef<void(std::size_t, std::size_t, const absl::Status&)> finish) {
  if (count > 0) RunPart(sessions, options, 0, count, flush, finish);
}

}  // namespace switchyard::pg
