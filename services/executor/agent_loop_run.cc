// The loop itself, the host, and the way out.
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/log.h"
#include "libs/base/status_macros.h"
#include "services/executor/agent_convert.h"
#include "services/executor/agent_loop_state.h"

namespace switchyard::executor {
namespace {

// Beyond a task's own grace, for the back end to say that it is over.
constexpr absl::Duration kLastBreath = absl::Seconds(10);
constexpr absl::Duration kPublishEvery = absl::Seconds(1);

}  // namespace

AgentLoop::State::State(AgentLoopOptions given, Deps handed)
    : options(std::move(given)),
      deps(std::move(handed)),
      checker(deps.backends),
      core(deps.journal, checker, deps.clock, {.slots = options.slots, .kill_grace = options.kill_grace}),
      reconnect(deps.dialer.addresses(), deps.rng),
      logs(options.log_buffer_bytes),
      address(reconnect.first_address()) {}

absl::Status AgentLoop::State::Start() {
  SY_RETURN_IF_ERROR(core.Open());
  if (core.held() > 0) {
    LogInfo("the journal holds undelivered ends", {{"count", core.unacknowledged()}, {"tasks", core.held()}});
  }
  thread = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void AgentLoop::State::Post(std::function<void()> event) {
  MutexLock lock(mutex);
  events.push_back(std::move(event));
  changed.NotifyOne();
}

void AgentLoop::State::Run() {
  while (Step()) {
  }
  LogInfo("the agent loop has ended", {{"undelivered", core.unacknowledged()}});
  MutexLock lock(mutex);
  exit = refused ? LoopExit::kRefused : LoopExit::kDrained;
  over = true;
  ended.NotifyAll();
}

bool AgentLoop::State::Step() {
  std::deque<std::function<void()>> batch;
  {
    const absl::Time wake = NextWake();
    MutexLock lock(mutex);
    while (events.empty()) {
      const absl::Duration wait = wake - deps.clock.Now();
      if (wait <= absl::ZeroDuration()) break;
      if (!changed.WaitFor(mutex, std::min(wait, absl::Minutes(1)))) break;
    }
    batch.swap(events);
  }
  for (const std::function<void()>& event : batch) event();
  core.Tick();
  LookAtHost();
  TestBackends();
  const absl::Time now = deps.clock.Now();
  if (now >= release_at) {
    release_at = absl::InfiniteFuture();
    core.ReleaseAll("the executor stops");
  }
  Perform(core.Commit());
  if (stream == nullptr && tests_known && !refused && !stop_now && now >= dial_at) Dial();
  if (stream != nullptr && !stream->welcomed && now >= stream->since + options.welcome_timeout) {
    LogWarning("the hub did not welcome us in time", {{"address", deps.dialer.address(address)}});
    stream->since = absl::InfiniteFuture();
    stream->stream->Cancel();
  }
  Pump();
  Publish();
  return !ReadyToLeave();
}

absl::Time AgentLoop::State::NextWake() const {
  absl::Time wake = std::min({core.NextWake(), release_at, leave_at, publish_at});
  if (!testing) wake = std::min(wake, test_at);
  if (!looking && deps.resources != nullptr) wake = std::min(wake, look_at);
  if (stream == nullptr && tests_known && !refused) wake = std::min(wake, dial_at);
  if (stream != nullptr && !stream->welcomed) wake = std::min(wake, stream->since + options.welcome_timeout);
  return wake;
}

void AgentLoop::State::BeginDrain() {
  if (std::exchange(draining, true)) return;
  LogInfo("draining", {{"running", core.running()}, {"timeout", options.drain_timeout}});
  core.Drain();
  const absl::Time now = deps.clock.Now();
  release_at = now + options.drain_timeout;
  leave_at = release_at + kLastBreath + options.farewell;
}

bool AgentLoop::State::ReadyToLeave() {
  const absl::Time now = deps.clock.Now();
  if (stop_now || refused) {
    if (stream != nullptr) stream->stream->Cancel();
    const bool runs_over = stop_now || runs.empty() || now >= leave_at;
    return stream == nullptr && runs_over;
  }
  if (!draining) return false;
  if (core.running() == 0 && core.held() <= core.unacknowledged()) {
    leave_at = std::min(leave_at, now + options.farewell);
  }
  if (!core.drained() && now < leave_at) return false;
  if (stream == nullptr) return true;
  if (!stream->closing) {
    stream->closing = true;
    leave_at = now + absl::Seconds(2);
    return false;
  }
  if (now >= leave_at) stop_now = true;
  return false;
}

// ---- The host.

void AgentLoop::State::LookAtHost() {
  const absl::Time now = deps.clock.Now();
  if (deps.resources == nullptr || looking || now < look_at) return;
  looking = true;
  look_at = now + options.resources_every;
  const absl::Status queued = deps.slow.Run([this] {
    const Resources read = deps.resources->Read();
    Post([this, read] {
      resources = ToResources(read);
      resources_news = true;
      looking = false;
    });
  });
  if (!queued.ok()) looking = false;
}

std::vector<agent::v1::SelfTest> AgentLoop::State::RunTests() {
  std::vector<agent::v1::SelfTest> tests;
  for (Backend* backend : deps.backends) {
    tests.push_back(ToSelfTest(backend->name(), backend->SelfTest(), deps.clock.Now()));
  }
  return tests;
}

std::vector<std::string> AgentLoop::State::FindCapabilities() {
  std::vector<std::string> all = options.capabilities;
  if (!options.find_capabilities) return all;
  for (std::string& found : options.find_capabilities()) all.push_back(std::move(found));
  return all;
}

void AgentLoop::State::TestBackends() {
  const absl::Time now = deps.clock.Now();
  if (testing || now < test_at) return;
  testing = true;
  test_at = now + options.self_test_every;
  const absl::Status queued = deps.slow.Run([this] {
    std::vector<agent::v1::SelfTest> tests = RunTests();
    std::vector<std::string> offered = FindCapabilities();
    Post([this, tests = std::move(tests), offered = std::move(offered)]() mutable {
      if (offered != capabilities) {
        capabilities = std::move(offered);
        // The first ones go with the hello.
        capabilities_news = tests_known;
      }
      for (const agent::v1::SelfTest& test : tests) {
        if (!test.passed())
          LogWarning("a back end fails its test", {{"backend", test.name()}, {"detail", test.message()}});
      }
      self_tests = std::move(tests);
      tests_known = tests_news = true;
      testing = false;
    });
  });
  if (!queued.ok()) {
    testing = false;
    test_at = now + absl::Seconds(1);
  }
}

void AgentLoop::State::Publish() {
  const absl::Time now = deps.clock.Now();
  if (now >= publish_at) {
    publish_at = now + kPublishEvery;
    struct statvfs disk {};
    if (options.min_free_disk > 0 && !options.data_dir.empty() && statvfs(options.data_dir.c_str(), &disk) == 0) {
      const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
      const bool little = free < options.min_free_disk || (disk.f_files > 0 && disk.f_favail < 64);
      if (little && core.refusing().empty()) LogWarning("little room on the disk: no new work", {{"free", free}});
      core.SetDiskFull(little ? absl::StrCat("disk full: only ", free >> 20, " MiB are free") : "");
    }
  }
  seen.running = core.running();
  seen.unacknowledged = core.unacknowledged();
  seen.refusing = core.refusing();
  seen.draining = draining;
  seen.connected = core.connected();
  seen.log_buffer_bytes = logs.bytes();
  seen.log_dropped_bytes = logs.dropped();
  {
    MutexLock lock(mutex);
    status = seen;
  }
  if (observer) observer(seen);
}

}  // namespace switchyard::executor
