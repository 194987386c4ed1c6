#include "services/task_queue/history_keeper.h"

#include <utility>
#include <vector>

#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "libs/pg/params.h"
#include "services/task_queue/sql/statements.h"

namespace switchyard::task_queue {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

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
  SY_RETURN_IF_ERROR(MakePartitions());
  SY_RETURN_IF_ERROR(RotateRequests());
  SY_RETURN_IF_ERROR(DropHistory());
  return DropEvents();
}

absl::Status HistoryKeeper::RotateRequests() {
  const absl::Time now = clock_.Now();
  // Each id stands for at least one whole period: its own slot's, until that is emptied after the other's.
  pg::Params params;
  params.Add(now - retention_.request_ids).Add(now);
  return pool_.Execute(kRotateRequests, params).status();
}

absl::Status HistoryKeeper::DropHistory() {
  const absl::Time cut = clock_.Now() - retention_.finished;
  pg::Params params;
  params.Add("task").Add(DayOf(cut));
  SY_ASSIGN_OR_RETURN(const pg::Result partitions, pool_.Execute(kListPartitions, params));
  for (const pg::Row row : partitions) {
    const std::string child(row.Text(0));
    const std::string day = std::string(row.Text(1));
    if (row.Bool(2)) {
      SY_RETURN_IF_ERROR(pool_.Transact([&](pg::Session& session) -> absl::Status {
        pg::Params pin;
        pin.Add(day).Add(cut);
        SY_RETURN_IF_ERROR(session.Execute(kPinLiveTasks, pin).status());
        return session.Execute(kPinLateOutcomes, pin).status();
      }));
    }
    const std::string outcome = "outcome" + child.substr(4);
    SY_RETURN_IF_ERROR(DropPartition("task", child, row.Bool(2)));
    SY_RETURN_IF_ERROR(DropPartition("outcome", outcome, row.Bool(2)));
  }
  // Outcomes whose specifications went in a run that was interrupted between the two.
  pg::Params left;
  left.Add("outcome").Add(DayOf(cut));
  SY_ASSIGN_OR_RETURN(const pg::Result outcomes, pool_.Execute(kListPartitions, left));
  for (const pg::Row row : outcomes) {
    SY_RETURN_IF_ERROR(DropPartition("outcome", std::string(row.Text(0)), row.Bool(2)));
  }
  pg::Params pinned;
  pinned.Add(cut);
  return pool_.Execute(kDropPinned, pinned).status();
}

absl::Status HistoryKeeper::DropEvents() {
  pg::Params params;
  params.Add("event_log").Add(DayOf(clock_.Now() - retention_.events));
  SY_ASSIGN_OR_RETURN(const pg::Result partitions, pool_.Execute(kListPartitions, params));
  for (const pg::Row row : partitions) {
    if (row.Bool(2)) {
      // First the word that these are gone, then the deed: a reader must never skip them unknowingly.
      pg::Params horizon;
      horizon.Add(std::string(row.Text(1)));
      SY_RETURN_IF_ERROR(pool_.Execute(kRaiseEventHorizon, horizon).status());
    }
    SY_RETURN_IF_ERROR(DropPartition("event_log", std::string(row.Text(0)), row.Bool(2)));
  }
  return absl::OkStatus();
}

absl::Status HistoryKeeper::DropPartition(const std::string& parent, const std::string& child, bool attached) {
  SY_ASSIGN_OR_RETURN(pg::Pool::Lease session, pool_.Acquire());
  pg::Params names, name;
  names.Add(parent).Add(child);
  name.Add(child);
  if (attached) {
    SY_ASSIGN_OR_RETURN(const pg::Result detach, session->Execute(kDetachPartitionText, names));
    if (absl::Status status = session->RunScript(detach[0].Text(0)); !status.ok()) {
      // A run that was interrupted left it half detached.
      SY_ASSIGN_OR_RETURN(const pg::Result finalize, session->Execute(kFinalizePartitionText, names));
      if (!session->RunScript(finalize[0].Text(0)).ok()) return status;
    }
  }
  SY_ASSIGN_OR_RETURN(const pg::Result drop, session->Execute(kDropPartitionText, name));
  SY_RETURN_IF_ERROR(session->RunScript(drop[0].Text(0)));
  ++dropped_;
  LogInfo("history was dropped after its retention", {{"partition", child}});
  return absl::OkStatus();
}

}  // namespace switchyard::task_queue
