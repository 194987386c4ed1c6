#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status_convert.h"
#include "tools/benchmarks/sample_tasks.h"
#include "tools/benchmarks/scenarios.h"
#include "tools/benchmarks/watch_load.h"

namespace switchyard::bench {
namespace {

constexpr double kWatchSeconds = 10;
// Ten commits a second, of ten tasks each.
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr int kTasksPerCall = 10;
constexpr int kWatchersPerConnection = 100;
constexpr absl::Duration kWatchPatience = absl::Seconds(60);

// Submits a few tasks; their ids are appended to `ids`.
absl::Status SubmitSome(Client& client, std::vector<std::string>& ids) {
  v1::SubmitTasksRequest request;
  for (int i = 0; i < kTasksPerCall; ++i) {
    v1::SubmitTaskRequest& task = *request.add_tasks();
    task.set_request_id(client.NewRequestId());
    FillSpec(*task.mutable_spec());
  }
  grpc::ClientContext context;
  client.Prepare(context);
  v1::SubmitTasksResponse response;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client.queue(0).SubmitTasks(&context, request, &response)));
  for (const v1::SubmitTasksResult& result : response.results()) {
    if (!result.has_task()) return absl::InternalError(result.error().message());
    ids.push_back(result.task().task_id());
  }
  return absl::OkStatus();
}

absl::StatusOr<int> EventsOf(Client& client, const std::string& id) {
  grpc::ClientContext context;
  client.Prepare(context);
  v1::ListTaskEventsRequest request;
  request.set_task_id(id);
  v1::ListTaskEventsResponse response;
  SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(client.queue(0).ListTaskEvents(&context, request, &response)));
  return response.events_size();
}

// Until every watcher has got something and then nothing for a second.
absl::Status AwaitWatchers(Client& client, const WatchLoad& load) {
  const absl::Time deadline = absl::Now() + kWatchPatience;
  std::vector<std::string> ids;
  for (;;) {
    const auto seen = load.seen();
    if (std::all_of(seen.begin(), seen.end(), [](const auto& one) { return one.events > 0; })) break;
    if (absl::Now() > deadline) return absl::DeadlineExceededError("some watchers hear nothing");
    SY_RETURN_IF_ERROR(SubmitSome(client, ids));
    absl::SleepFor(absl::Milliseconds(500));
  }
  for (auto before = load.seen();;) {
    absl::SleepFor(absl::Seconds(1));
    auto after = load.seen();
    if (after == before) return absl::OkStatus();
    before = std::move(after);
  }
}

}  // namespace

absl::StatusOr<Report> QueueWatch(const Options& options) {
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Installation> installation, Installation::Create());
  const int connections = std::max(options.connections, options.watchers / kWatchersPerConnection);
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> client, Client::Connect(*installation, connections));
  SY_ASSIGN_OR_RETURN(const std::unique_ptr<Client> submitter, Client::Connect(*installation, 1));
  WatchLoad load(*client, options.watchers);
  SY_RETURN_IF_ERROR(load.Start());
  SY_RETURN_IF_ERROR(AwaitWatchers(*submitter, load));
  load.ForgetSeen();

  std::atomic<bool> stop{false};
  std::vector<std::string> ids;
  absl::Status submitted;
  std::thread source([&] {
    absl::Time next = absl::Now();
    while (!stop && submitted.ok()) {
      submitted = SubmitSome(*submitter, ids);
      next += kPause;
      absl::SleepFor(next - absl::Now());
    }
  });
  WarmUp(options);
  const double seconds = options.SecondsOr(kWatchSeconds);
  const absl::StatusOr<Window> window = MeasureWindow(*installation, load, seconds, options.profile);
  stop = true;
  source.join();
  SY_RETURN_IF_ERROR(window.status());
  SY_RETURN_IF_ERROR(submitted);

  SY_ASSIGN_OR_RETURN(const int events_each, EventsOf(*submitter, ids.front()));
  WatchLoad::Seen expected;
  for (const std::string& id : ids) {
    for (int ordinal = 1; ordinal <= events_each; ++ordinal) expected.Add(id, ordinal);
  }
  const auto wrong = [&] {
    const auto seen = load.seen();
    return std::count_if(seen.begin(), seen.end(), [&](const auto& one) { return one != expected; });
  };
  const absl::Time deadline = absl::Now() + kWatchPatience;
  while (wrong() > 0 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(100));
  const auto lossy = wrong();
  load.Stop();

  Report report;
  Describe(*window, report);
  Describe(load, report);
  report.details.emplace_back("watchers", options.watchers);
  report.details.emplace_back("events_per_watcher", static_cast<double>(expected.events));
  report.details.emplace_back("streams_resumed", static_cast<double>(load.resumed()));
  report.targets.push_back(
      {.name = "watchers_with_loss", .wanted = 0, .measured = static_cast<double>(lossy), .at_most = true});
  report.targets.push_back({.name = "p99_ms", .wanted = 100, .measured = window->p99_ms, .at_most = true});
  return report;
}

}  // namespace switchyard::bench
