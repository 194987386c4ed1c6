#include "services/task_queue/history_keeper.h"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/pg/params.h"
#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
// A look through a day that has no index of its ends, since it is older than that index.
constexpr absl::Duration kScanTimeout = absl::Minutes(1);
constexpr std::int64_t kIdsPerScan = 100'000;
// Specifications are up to 1 MiB each.
constexpr int kPinsPerBatch = 200;
constexpr std::int64_t kDropsPerBatch = 2'000;

std::string DayOf(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

}  // namespace

absl::Status HistoryKeeper::MakePartitions() {
  const absl::Time now = clock_.Now();
  // From yesterday on: ids and events are stamped a little before they are stored.
  for (absl::Time day = now - kDay; day <= now + retention_.ahead; day += kDay) {
    for (const char* parent : {"task", "outcome", "event_log"}) {
      pg::Params params;
      params.Add(parent).Add(DayOf(day));
      SY_RETURN_IF_ERROR(pool_.Execute(kMakePartition, params).status());
    }
  }
  partitions_made_ = true;
  return absl::OkStatus();
}

absl::Status HistoryKeeper::Compact() { return pool_.Execute(kCompactStageDeltas).status(); }

absl::Status HistoryKeeper::Tick() {
  absl::Status first = MakePartitions();
  first.Update(RotateRequests());
  first.Update(DropHistory());
  first.Update(DropEvents());
  return first;
}

absl::Status HistoryKeeper::RotateRequests() {
  const absl::Time now = clock_.Now();
  // Each id stands for at least one whole period: its own slot's, until that is emptied after the other's.
  pg::Params params;
  params.Add(now - retention_.request_ids).Add(now);
  return pool_.Execute(kRotateRequests, params).status();
}

absl::StatusOr<std::vector<HistoryKeeper::Partition>> HistoryKeeper::PartitionsBefore(const char* parent,
                                                                                      absl::Time cut) {
  pg::Params params;
  params.Add(parent).Add(DayOf(cut));
  SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(kListPartitions, params));
  std::vector<Partition> partitions;
  for (const pg::Row row : rows) {
    partitions.push_back({std::string(row.Text(0)), std::string(row.Text(1)), row.Bool(2)});
  }
  return partitions;
}

absl::Status HistoryKeeper::DropHistory() {
  const absl::Time cut = clock_.Now() - retention_.finished;
  SY_ASSIGN_OR_RETURN(const std::vector<Partition> tasks, PartitionsBefore("task", cut));
  for (const Partition& task : tasks) {
    if (task.attached) SY_RETURN_IF_ERROR(Pin(task.day, cut));
    SY_RETURN_IF_ERROR(DropPartition("task", task));
  }
  // Always after the specifications of their day, also in a run that follows an interrupted one.
  SY_ASSIGN_OR_RETURN(const std::vector<Partition> outcomes, PartitionsBefore("outcome", cut));
  for (const Partition& outcome : outcomes) SY_RETURN_IF_ERROR(DropPartition("outcome", outcome));
  return DropOutlivedPins(cut);
}

absl::Status HistoryKeeper::Pin(const std::string& day, absl::Time cut) {
  for (;;) {
    pg::Params wanted;
    wanted.Add(day).Add(cut).Add(kIdsPerScan);
    SY_ASSIGN_OR_RETURN(const pg::Result ids, pool_.Execute(kListUnpinned, wanted, {.timeout = kScanTimeout}));
    std::int64_t pinned = 0;
    for (int begin = 0; begin < ids.size(); begin += kPinsPerBatch) {
      if (cancelled_) return absl::CancelledError("the process stops");
      pg::UuidArray some;
      for (int i = begin; i < std::min(begin + kPinsPerBatch, ids.size()); ++i) {
        some.Append(ids[i].GetUuid(0));
      }
      pg::Params params;
      params.Add(some).Add(day);
      std::int64_t in_batch = 0;
      SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
        SY_ASSIGN_OR_RETURN(const pg::Result tasks, session.Execute(kPinTasks, params));
        in_batch = tasks.affected();
        return session.Execute(kPinOutcomes, params).status();
      }));
      pinned += in_batch;
    }
    // What has no specification would be found for ever.
    if (ids.size() < kIdsPerScan || pinned == 0) return absl::OkStatus();
  }
}

absl::Status HistoryKeeper::DropOutlivedPins(absl::Time cut) {
  pg::Params params;
  params.Add(cut).Add(kDropsPerBatch);
  std::int64_t gone = kDropsPerBatch;
  while (gone == kDropsPerBatch) {
    if (cancelled_) return absl::CancelledError("the process stops");
    SY_ASSIGN_OR_RETURN(const pg::Result rows, pool_.Execute(kDropPinned, params));
    gone = rows[0].Int64(0);
  }
  return absl::OkStatus();
}

absl::Status HistoryKeeper::DropEvents() {
  SY_ASSIGN_OR_RETURN(const std::vector<Partition> partitions,
                      PartitionsBefore("event_log", clock_.Now() - retention_.events));
  for (const Partition& partition : partitions) {
    if (partition.attached) {
      // First the word that these are gone, then the deed: a reader must never skip them unknowingly.
      pg::Params horizon;
      horizon.Add(partition.day);
      SY_RETURN_IF_ERROR(pool_.Execute(kRaiseEventHorizon, horizon).status());
    }
    SY_RETURN_IF_ERROR(DropPartition("event_log", partition));
  }
  return absl::OkStatus();
}

absl::Status HistoryKeeper::DropPartition(const std::string& parent, const Partition& partition) {
  SY_ASSIGN_OR_RETURN(pg::Pool::Lease session, pool_.Acquire());
  pg::Params names, name;
  names.Add(parent).Add(partition.name);
  name.Add(partition.name);
  if (partition.attached) {
    SY_ASSIGN_OR_RETURN(const pg::Result detach, session->Execute(kDetachPartitionText, names));
    if (absl::Status status = session->RunScript(detach[0].Text(0)); !status.ok()) {
      // A run that was interrupted left it half detached.
      SY_ASSIGN_OR_RETURN(const pg::Result finalize, session->Execute(kFinalizePartitionText, names));
      if (!session->RunScript(finalize[0].Text(0)).ok()) return status;
    }
  }
  if (parent == "outcome") {
    // Detaching has waited for all who wrote to it: what it holds now is complete.
    pg::Params late;
    late.Add(partition.name).Add(partition.day);
    SY_ASSIGN_OR_RETURN(const pg::Result saved,
                        session->Execute(kPinDetachedOutcomes, late, {.timeout = kScanTimeout}));
    if (saved[0].Int64(0) > 0) {
      LogInfo("ends of pinned tasks were saved from a partition",
              {{"partition", partition.name}, {"tasks", saved[0].Int64(0)}});
    }
  }
  SY_ASSIGN_OR_RETURN(const pg::Result drop, session->Execute(kDropPartitionText, name));
  SY_RETURN_IF_ERROR(session->RunScript(drop[0].Text(0)));
  ++dropped_;
  LogInfo("history was dropped after its retention", {{"partition", partition.name}});
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue
