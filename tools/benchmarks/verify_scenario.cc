#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "switchyard/verification/v1/checks.pb.h"
#include "tools/benchmarks/executors.h"
#include "tools/benchmarks/measure.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/single_task.h"

namespace switchyard::bench {
namespace {

namespace vv1 = verification::v1;

constexpr double kVerifySeconds = 20;
constexpr double kMostMillis = 20;
constexpr int kSteps = 5;
constexpr std::size_t kLeastPairs = 3;
// Everything comes to rest in between.
constexpr absl::Duration kRest = absl::Milliseconds(10);
// A task takes long enough for many questions, each of which costs the task queue and its database something.
constexpr absl::Duration kPollPause = absl::Milliseconds(2);

constexpr char kFile[] = "result.json";
constexpr char kContent[] = "{\"built\": true, \"warnings\": 0}\n";
constexpr char kAllowlist[] =
    "rules:\n"
    "- name: make-the-file\n"
    "  program: /usr/bin/tee\n"
    "  arguments: [result.json]\n"
    "  stdin: true\n"
    "- name: check\n"
    "  program: /usr/bin/true\n";

v1::TaskSpec MakeSpec(bool checked) {
  v1::TaskSpec spec;
  spec.set_title("Write the summary of the build");
  spec.mutable_command()->add_argv("/usr/bin/tee");
  spec.mutable_command()->add_argv(kFile);
  spec.mutable_command()->set_stdin(kContent);
  if (!checked) return spec;
  const auto add = [&spec](const char* name) -> v1::VerificationStep& {
    v1::VerificationStep& step = *spec.add_verification();
    step.set_name(name);
    return step;
  };
  add("there").mutable_file_exists()->set_path(kFile);
  v1::FileContains& contains = *add("built").mutable_file_contains();
  contains.set_path(kFile);
  contains.set_text("\"built\": true");
  add("runs").mutable_command_succeeds()->add_argv("/usr/bin/true");
  add("json").mutable_json_valid()->set_path(kFile);
  add("secrets").mutable_no_secrets();
  return spec;
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}
absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// Exact, unlike a histogram, since differences of them are of interest; what is left of a difference may be negative.
class Samples {
 public:
  void Add(absl::Duration value) { values_.push_back(absl::ToDoubleMilliseconds(value)); }
  std::size_t size() const { return values_.size(); }
  double Quantile(double quantile) {
    if (values_.empty()) return 0;
    std::sort(values_.begin(), values_.end());
    return values_[std::min(values_.size() - 1,
                            static_cast<std::size_t>(static_cast<double>(values_.size()) * quantile))];
  }

 private:
  std::vector<double> values_;
};

struct Measured {
  // From the call of SubmitTask until GetTask tells the end.
  Samples bare, checked;
  // Less the programs: the work itself, and the one among the steps.
  Samples bare_rest, checked_rest;
  // Less the work alone.
  Samples checked_with_program;
  // As the executor reported them.
  Samples work, program, looks;
  // Between the events EVIDENCE and FINISHED.
  Samples verdict;
  bool sandboxed = true;
};

// How long the work itself ran.
absl::StatusOr<absl::Duration> WorkTime(const v1::Task& task) {
  google::protobuf::Struct evidence;
  absl::Time started, ended;
  const auto read = [&evidence](const char* name, absl::Time& time) {
    const auto field = evidence.fields().find(name);
    return field != evidence.fields().end() &&
           absl::ParseTime(absl::RFC3339_full, field->second.string_value(), &time, nullptr);
  };
  if (google::protobuf::util::JsonStringToMessage(task.result().evidence(), &evidence).ok() &&
      read("started", started) && read("ended", ended)) {
    return ended - started;
  }
  return absl::InternalError(absl::StrCat("task ", task.id(), " does not say how long it ran"));
}

absl::Status ObserveSteps(const v1::Task& task, absl::Duration took, absl::Duration work, Measured& measured) {
  vv1::CheckReport report;
  if (!report.ParseFromString(task.result().checks()) || report.steps_size() != kSteps) {
    return absl::InternalError(absl::StrCat("task ", task.id(), " has no report of ", kSteps, " steps"));
  }
  absl::Duration program, looks;
  for (const vv1::StepReport& step : report.steps()) {
    if (step.status() != vv1::STEP_STATUS_PASSED) return absl::InternalError(step.ShortDebugString());
    const bool is_program = step.check() == "command_succeeds";
    (is_program ? program : looks) += ToDuration(step.duration());
    if (is_program) measured.sandboxed = measured.sandboxed && step.sandboxed();
  }
  measured.checked.Add(took);
  measured.checked_rest.Add(took - work - program);
  measured.checked_with_program.Add(took - work);
  measured.program.Add(program);
  measured.looks.Add(looks);
  return absl::OkStatus();
}

absl::Status ObserveVerdict(Client& client, const std::string& task_id, Measured& measured) {
  grpc::ClientContext context;
  client.Prepare(context);
  v1::ListTaskEventsRequest request;
  request.set_task_id(task_id);
  v1::ListTaskEventsResponse response;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client.queue(0).ListTaskEvents(&context, request, &response)));
  absl::Time evidence = absl::InfiniteFuture();
  for (const v1::TaskEvent& event : response.events()) {
    if (event.kind() == v1::EVENT_KIND_EVIDENCE) evidence = ToTime(event.time());
    if (event.kind() != v1::EVENT_KIND_FINISHED || evidence == absl::InfiniteFuture()) continue;
    measured.verdict.Add(ToTime(event.time()) - evidence);
    return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("task ", task_id, " ended without a verdict"));
}

absl::Status RunOne(Client& client, const v1::TaskSpec& spec, Measured& measured) {
  absl::SleepFor(kRest);
  const std::int64_t begin = SteadyNanos();
  SY_ASSIGN_OR_RETURN(const std::string task_id, SubmitSingle(client, spec));
  SY_ASSIGN_OR_RETURN(const v1::Task task, AwaitSucceeded(client, task_id, kPollPause));
  const absl::Duration took = absl::Nanoseconds(SteadyNanos() - begin);
  SY_ASSIGN_OR_RETURN(const absl::Duration work, WorkTime(task));
  measured.work.Add(work);
  if (spec.verification().empty()) {
    measured.bare.Add(took);
    measured.bare_rest.Add(took - work);
    return absl::OkStatus();
  }
  SY_RETURN_IF_ERROR(ObserveSteps(task, took, work, measured));
  return ObserveVerdict(client, task_id, measured);
}

// Tasks of both kinds in turn, so that whatever else changes with time meets both.
absl::StatusOr<Measured> RunPairs(Client& client, double seconds) {
  const v1::TaskSpec bare = MakeSpec(false), checked = MakeSpec(true);
  Measured measured;
  const absl::Time end = absl::Now() + absl::Seconds(seconds);
  while (absl::Now() < end || measured.checked.size() < kLeastPairs) {
    SY_RETURN_IF_ERROR(RunOne(client, bare, measured));
    SY_RETURN_IF_ERROR(RunOne(client, checked, measured));
  }
  return measured;
}

}  // namespace

absl::StatusOr<Report> Verify(const Options& options) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation,
                      Installation::Create({.agents = true, .verification = true}));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, 1));
  SY_ASSIGN_OR_RETURN(
      const std::unique_ptr<Executors> executors,
      Executors::Start(*installation, *client,
                       {.prefix = "verify-", .count = 1, .slots = 2, .config = "", .allowlist = kAllowlist}));
  SY_RETURN_IF_ERROR(RunPairs(*client, options.warmup).status());

  const auto spent_so_far = [&] {
    Spent spent = installation->SpentSoFar();
    spent.executors = executors->Spent();
    return spent;
  };
  const Spent before = spent_so_far();
  const std::int64_t begun = SteadyNanos();
  SY_ASSIGN_OR_RETURN(Measured measured, RunPairs(*client, options.SecondsOr(kVerifySeconds)));
  Window window;
  window.seconds = static_cast<double>(SteadyNanos() - begun) / 1e9;
  window.spent = spent_so_far() - before;
  window.done = static_cast<double>(measured.bare.size() + measured.checked.size());
  const double bare_rest = measured.bare_rest.Quantile(0.5);
  // A program among the steps runs as long as the work, about; what it took beyond that went into its start.
  const double with_start = measured.checked_with_program.Quantile(0.5) - bare_rest - measured.work.Quantile(0.5);
  window.p50_ms = measured.checked_rest.Quantile(0.5) - bare_rest;
  window.p99_ms = measured.checked_rest.Quantile(0.99) - bare_rest;

  Report report;
  Describe(window, report);
  report.details.insert(report.details.end(), {{"tasks_of_each_kind", static_cast<double>(measured.checked.size())},
                                               {"steps", kSteps},
                                               {"real_executors", 1},
                                               {"sandboxed", measured.sandboxed ? 1 : 0},
                                               {"without_steps_p50_ms", measured.bare.Quantile(0.5)},
                                               {"without_steps_p99_ms", measured.bare.Quantile(0.99)},
                                               {"with_steps_p50_ms", measured.checked.Quantile(0.5)},
                                               {"with_steps_p99_ms", measured.checked.Quantile(0.99)},
                                               {"work_p50_ms", measured.work.Quantile(0.5)},
                                               {"work_p99_ms", measured.work.Quantile(0.99)},
                                               {"program_step_p50_ms", measured.program.Quantile(0.5)},
                                               {"program_step_p99_ms", measured.program.Quantile(0.99)},
                                               {"other_steps_p50_ms", measured.looks.Quantile(0.5)},
                                               {"other_steps_p99_ms", measured.looks.Quantile(0.99)},
                                               {"p50_with_program_start_ms", with_start},
                                               {"evidence_to_finished_p50_ms", measured.verdict.Quantile(0.5)},
                                               {"evidence_to_finished_p99_ms", measured.verdict.Quantile(0.99)}});
  report.targets.push_back(
      {.name = "overhead_p50_ms", .wanted = kMostMillis, .measured = window.p50_ms, .at_most = true});
  return report;
}

}  // namespace switchyard::bench
