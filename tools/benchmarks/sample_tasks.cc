#include "tools/benchmarks/sample_tasks.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "services/task_queue/decide.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "switchyard/task_queue/v1/task_ledger_service.pb.h"

namespace switchyard::bench {

namespace v1 = task_queue::v1;

void FillSpec(v1::TaskSpec& spec) {
  spec.set_title("Regenerate the index of the manual");
  spec.mutable_command()->add_argv("/usr/bin/make");
  spec.mutable_command()->add_argv("-C");
  spec.mutable_command()->add_argv("docs");
  spec.mutable_command()->add_argv("index");
  spec.set_project("docs/manual");
  spec.set_task_type("docs");
}

SampleLife MakeSampleLife(const task_queue::TaskId& id, task_queue::Lane lane, absl::Time now) {
  SampleLife life;
  v1::ReadyTask matching;
  matching.set_task_type("docs");
  matching.set_kind("command");
  v1::TaskResult result;
  result.set_summary(kSummary);
  task_queue::TaskRecord record;
  record.id = id;
  record.lane = lane;
  record.project = "docs/manual";
  record.principal = kPrincipal;
  record.create_time = now;
  record.matching = matching.SerializeAsString();
  task_queue::Begin(absl::InfinitePast(), now, record);
  life.queued = record;
  const task_queue::Rules rules;
  const std::string agent = absl::StrCat(kAgentPrefix, 1);
  const bool assigned =
      task_queue::Decide(rules,
                         {id, task_queue::Assign{.agent = agent, .session_epoch = 1, .shard_epoch = 1, .routing = {}}},
                         now, record)
          .ok();
  life.running = record;
  task_queue::Report report{
      .generation = record.generation, .agent = agent, .session_epoch = 1, .what = task_queue::Accepted{}};
  report.what = task_queue::Finished{.result = result.SerializeAsString(), .usage = {}, .model = {}};
  const bool finished = task_queue::Decide(rules, {id, std::move(report)}, now, record).ok();
  if (!assigned || !finished) std::abort();
  life.done = record;
  return life;
}

}  // namespace switchyard::bench
