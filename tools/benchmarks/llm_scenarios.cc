#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/latency_histogram.h"
#include "tools/benchmarks/llm_stand.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/single_task.h"

namespace switchyard::bench {
namespace {

constexpr absl::Duration kServedPatience = absl::Seconds(60);

void FillPrompt(std::int64_t stamp, v1::TaskSpec& spec) {
  spec.mutable_prompt()->set_instruction(StampedInstruction(stamp));
}

// ---- llm-overhead: one task at a time.

constexpr double kOverheadSeconds = 15;
constexpr double kMostAddedMillis = 3;
// Everything comes to rest in between.
constexpr absl::Duration kRest = absl::Milliseconds(10);
constexpr absl::Duration kPollPause = absl::Microseconds(500);

struct Overhead {
  LatencyHistogram before, after, together;
};

absl::Status OneTask(LlmStand& stand, Overhead& overhead) {
  v1::TaskSpec spec;
  const std::int64_t begin = SteadyNanos();
  FillPrompt(begin, spec);
  SY_ASSIGN_OR_RETURN(const std::string task_id, SubmitSingle(stand.client(), spec));
  const auto served = stand.endpoints().front()->AwaitServed(begin, kServedPatience);
  if (!served.has_value()) {
    return absl::DeadlineExceededError(absl::StrCat("task ", task_id, " never reached the endpoint"));
  }
  SY_RETURN_IF_ERROR(AwaitSucceeded(stand.client(), task_id, kPollPause).status());
  const absl::Duration before = absl::Nanoseconds(served->begun - begin);
  const absl::Duration after = absl::Nanoseconds(SteadyNanos() - served->ended);
  overhead.before.Observe(before);
  overhead.after.Observe(after);
  overhead.together.Observe(before + after);
  return absl::OkStatus();
}

// ---- e2e-llm: more work than the endpoints take.

constexpr double kEndToEndSeconds = 30;
constexpr int kEndpoints = 5;
constexpr int kCapacity = 4;
constexpr absl::Duration kLeastDelay = absl::Milliseconds(500), kMostDelay = absl::Seconds(5);
constexpr double kLeastUsed = 0.95;
// Queued at most.
constexpr int kAhead = 100;

absl::Status SubmitMore(LlmStand& stand, int count, std::int64_t& stamp) {
  v1::SubmitTasksRequest batch;
  for (int i = 0; i < count; ++i) {
    v1::SubmitTaskRequest& request = *batch.add_tasks();
    request.set_request_id(stand.client().NewRequestId());
    FillPrompt(++stamp, *request.mutable_spec());
  }
  grpc::ClientContext context;
  stand.client().Prepare(context);
  v1::SubmitTasksResponse response;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(stand.client().queue(0).SubmitTasks(&context, batch, &response)));
  for (const v1::SubmitTasksResult& result : response.results()) {
    if (result.has_error()) return absl::InternalError(result.error().ShortDebugString());
  }
  return absl::OkStatus();
}

struct Counts {
  std::int64_t waiting = 0, failed = 0;
};

absl::StatusOr<Counts> CountTasks(LlmStand& stand) {
  grpc::ClientContext context;
  stand.client().Prepare(context);
  v1::GetQueueStatsResponse stats;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(stand.client().queue(0).GetQueueStats(&context, {}, &stats)));
  Counts counts;
  for (const v1::LaneStats& lane : stats.lanes()) {
    counts.waiting += lane.ready() + lane.held();
    counts.failed += lane.dead_letter();
  }
  return counts;
}

// Keeps work waiting for so long.
absl::Status KeepBusy(LlmStand& stand, absl::Duration time, std::int64_t& stamp) {
  const absl::Time end = absl::Now() + time;
  while (absl::Now() < end) {
    SY_ASSIGN_OR_RETURN(const Counts counts, CountTasks(stand));
    if (counts.waiting < kAhead / 2) SY_RETURN_IF_ERROR(SubmitMore(stand, kAhead, stamp));
    absl::SleepFor(std::min(absl::Milliseconds(200), std::max(end - absl::Now(), absl::ZeroDuration())));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Report> LlmOverhead(const Options& options) {
  LlmStand::Settings settings;
  settings.endpoints.resize(1);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<LlmStand> stand, LlmStand::Create(settings));
  {
    Overhead ignored;
    const absl::Time warm = absl::Now() + absl::Seconds(options.warmup);
    do {
      SY_RETURN_IF_ERROR(OneTask(*stand, ignored));
    } while (absl::Now() < warm);
  }
  Overhead overhead;
  const absl::Time begin = absl::Now();
  const Spent before = stand->installation().SpentSoFar();
  const double seconds = options.SecondsOr(kOverheadSeconds);
  while (absl::Now() < begin + absl::Seconds(seconds)) {
    absl::SleepFor(kRest);
    SY_RETURN_IF_ERROR(OneTask(*stand, overhead));
  }
  const Spent spent = stand->installation().SpentSoFar() - before;
  Report report;
  const double count = static_cast<double>(overhead.together.count());
  report.rate_per_s = count / absl::ToDoubleSeconds(absl::Now() - begin);
  report.p50_ms = overhead.together.QuantileMillis(0.5);
  report.p99_ms = overhead.together.QuantileMillis(0.99);
  report.cpu_us_per_task = {{"service", absl::ToDoubleMicroseconds(spent.service) / count},
                            {"hub", absl::ToDoubleMicroseconds(spent.hub) / count},
                            {"scheduler", absl::ToDoubleMicroseconds(spent.scheduler) / count},
                            {"postgres", absl::ToDoubleMicroseconds(spent.postgres) / count}};
  report.details = {{"tasks", count},
                    {"submit_to_first_byte_p50_ms", overhead.before.QuantileMillis(0.5)},
                    {"submit_to_first_byte_p99_ms", overhead.before.QuantileMillis(0.99)},
                    {"last_byte_to_done_p50_ms", overhead.after.QuantileMillis(0.5)},
                    {"last_byte_to_done_p99_ms", overhead.after.QuantileMillis(0.99)}};
  report.targets.push_back(
      {.name = "added_p50_ms", .wanted = kMostAddedMillis, .measured = *report.p50_ms, .at_most = true});
  return report;
}

absl::StatusOr<Report> EndToEndLlm(const Options& options) {
  LlmStand::Settings settings{.agents = 2, .slots = kEndpoints * kCapacity, .endpoints = {}, .capacity = kCapacity};
  for (int i = 0; i < kEndpoints; ++i) {
    // From quick to slow, each with a spread of its own.
    const absl::Duration middle = kLeastDelay + (kMostDelay - kLeastDelay) * i / (kEndpoints - 1);
    settings.endpoints.push_back({.model = "bench:7b", .least_delay = middle * 0.5, .most_delay = middle * 1.5});
  }
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<LlmStand> stand, LlmStand::Create(settings));
  std::int64_t stamp = 0;
  SY_RETURN_IF_ERROR(SubmitMore(*stand, kAhead, stamp));
  // Until every endpoint had its first ones.
  SY_RETURN_IF_ERROR(KeepBusy(*stand, std::max(absl::Seconds(options.warmup), 2 * kMostDelay), stamp));
  for (const auto& endpoint : stand->endpoints()) endpoint->ResetCounts();
  const absl::Time begin = absl::Now();
  SY_RETURN_IF_ERROR(KeepBusy(*stand, absl::Seconds(options.SecondsOr(kEndToEndSeconds)), stamp));
  const absl::Duration took = absl::Now() - begin;
  Report report;
  double answered = 0, used = 0, over = 0, least = 1;
  for (const auto& endpoint : stand->endpoints()) {
    const double share = absl::FDivDuration(endpoint->busy(), took * kCapacity);
    std::fprintf(stderr, "%s: %.3f of its capacity, at most %d at once, %lld answers\n", endpoint->url().c_str(), share,
                 endpoint->most_in_flight(), static_cast<long long>(endpoint->answered()));
    answered += static_cast<double>(endpoint->answered());
    used += share / kEndpoints;
    least = std::min(least, share);
    over = std::max(over, static_cast<double>(endpoint->most_in_flight() - kCapacity));
  }
  SY_ASSIGN_OR_RETURN(const Counts counts, CountTasks(*stand));
  report.rate_per_s = answered / absl::ToDoubleSeconds(took);
  report.errors = static_cast<double>(counts.failed);
  if (counts.failed > 0) report.first_error = "tasks failed";
  report.details = {
      {"endpoints", kEndpoints}, {"capacity_each", kCapacity}, {"answers", answered}, {"least_used_endpoint", least}};
  report.targets.push_back({.name = "capacity_used", .wanted = kLeastUsed, .measured = used});
  report.targets.push_back({.name = "over_capacity", .wanted = 0, .measured = over, .at_most = true});
  return report;
}

}  // namespace switchyard::bench
