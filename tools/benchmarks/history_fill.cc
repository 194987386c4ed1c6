#include "tools/benchmarks/history_fill.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/random.h"
#include "libs/base/status_macros.h"
#include "services/task_queue/record_codec.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/sql_floor.h"

namespace switchyard::bench {
namespace {

constexpr int kBatch = 2000;

}  // namespace

absl::Status FillHistory(const Installation& installation, task_queue::Lane lane, task_queue::Stage stage, int count) {
  SY_ASSIGN_OR_RETURN(PlainWriter writer, PlainWriter::Make(installation));
  const DisciplinedClock clock;
  const std::unique_ptr<Rng> rng = MakeSystemRng();
  TimeOrderedIdSource source(clock, *rng);
  std::vector<Uuid> ids;
  std::vector<std::string> carries;
  SampleLife life = MakeSampleLife(task_queue::TaskId(), lane, absl::Now());
  task_queue::TaskRecord& record = stage == task_queue::Stage::kReady ? life.queued : life.done;
  for (int left = count; left > 0; left -= kBatch) {
    ids.clear();
    carries.clear();
    for (int i = 0; i < std::min(left, kBatch); ++i) {
      ids.push_back(source.NewUuid());
      record.id = task_queue::TaskId(ids.back());
      carries.push_back(task_queue::EncodeRecord(record));
    }
    SY_RETURN_IF_ERROR(writer.Fill(ids, lane, stage, [&](std::size_t i) { return std::string_view(carries[i]); }));
  }
  return absl::OkStatus();
}

absl::Status Settle(const Installation& installation) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<pg::Session> session, installation.Connect());
  SY_RETURN_IF_ERROR(session->RunScript("VACUUM (ANALYZE)"));
  return session->RunScript("CHECKPOINT");
}

}  // namespace switchyard::bench
