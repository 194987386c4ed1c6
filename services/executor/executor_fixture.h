// Real processes for tests of the runner and of local_exec.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/executor/allowlist_file.h"
#include "services/executor/limits.h"
#include "services/executor/local_exec.h"
#include "services/executor/programs.h"
#include "services/executor/workspace.h"

namespace switchyard::executor {

// Collects what a back end says.
class CollectingSink final : public BackendSink {
 public:
  void OnPhase(WorkPhase phase) override {
    MutexLock lock(mutex_);
    phases_.push_back(phase);
    changed_.NotifyAll();
  }
  void OnStep(StepNews news) override {
    MutexLock lock(mutex_);
    steps_.push_back(std::move(news));
  }
  void OnLog(LogChunk chunk) override {
    MutexLock lock(mutex_);
    text_ += chunk.text;
    chunks_.push_back(std::move(chunk));
    changed_.NotifyAll();
  }
  void OnFinished(Evidence evidence) override {
    MutexLock lock(mutex_);
    evidence_ = std::move(evidence);
    done_ = true;
    changed_.NotifyAll();
  }

  Evidence Wait() {
    MutexLock lock(mutex_);
    while (!done_) changed_.Wait(mutex_);
    return evidence_;
  }
  // False when it ended first.
  bool WaitForText(const std::string& text) {
    MutexLock lock(mutex_);
    while (!done_ && text_.find(text) == std::string::npos) changed_.Wait(mutex_);
    return text_.find(text) != std::string::npos;
  }
  std::string text() {
    MutexLock lock(mutex_);
    return text_;
  }
  std::vector<WorkPhase> phases() {
    MutexLock lock(mutex_);
    return phases_;
  }
  std::vector<StepNews> steps() {
    MutexLock lock(mutex_);
    return steps_;
  }
  // False when it ended first.
  bool WaitForPhase(WorkPhase phase) {
    MutexLock lock(mutex_);
    const auto there = [&] { return std::find(phases_.begin(), phases_.end(), phase) != phases_.end(); };
    while (!done_ && !there()) changed_.Wait(mutex_);
    return there();
  }
  std::vector<LogChunk> chunks() {
    MutexLock lock(mutex_);
    return chunks_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<WorkPhase> phases_ ABSL_GUARDED_BY(mutex_);
  std::vector<StepNews> steps_ ABSL_GUARDED_BY(mutex_);
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::string text_ ABSL_GUARDED_BY(mutex_);
  std::vector<LogChunk> chunks_ ABSL_GUARDED_BY(mutex_);
  Evidence evidence_ ABSL_GUARDED_BY(mutex_);
};

// An executor's data folder, with the shim and the probe where the task's user reaches them.
class ExecutorFixture : public ::testing::Test {
 protected:
  ExecutorFixture() : slow_("slow", 1, 256), runner_(clock_, slow_, Runner::Options()) {
    chmod(folder_.path().c_str(), 0755);
    shim_ = Copy(SHIM_PATH, "shim");
    probe_ = Copy(PROBE_PATH, "probe");
    data_ = folder_.File("data");
    mkdir(data_.c_str(), 0711);
    token_ = folder_.Write("data/token", "not to be read");
    chmod(token_.c_str(), 0600);
    limits_.time = absl::Seconds(60);
    limits_.kill_grace = absl::Seconds(2);
  }

  void SetUp() override {
    slow_.Start();
    SY_ASSERT_OK(runner_.Start());
    SY_ASSERT_OK_AND_ASSIGN(work_, PrepareWorkFolder(data_));
    host_ = PrepareSandboxHost("/usr/bin/bwrap", shim_, "nobody", data_);
    Rebuild();
  }

  void TearDown() override {
    checker_->Stop();
    runner_.Stop();
    slow_.Stop();
  }

  // With the limits and the host as they are now, and one rule that allows the probe everything `more` grants.
  void Rebuild(const std::string& more = "") {
    backend_ = nullptr;
    checker_ = nullptr;
    programs_ = std::make_unique<Programs>(
        Programs::Options{.host = host_, .hidden = {data_}, .work_folder = work_, .limits = limits_}, runner_);
    checker_ = std::make_unique<checks::Checker>(*programs_, http_, clock_, slow_, check_limits_);
    backend_ = std::make_unique<LocalExec>(*programs_, *checker_, slow_);
    const auto list = ParseAllowlist("rules:\n- name: probe\n  program: " + probe_ + "\n  rest: ['any:']\n" + more);
    SY_ASSERT_OK(list.status());
    SY_ASSERT_OK(programs_->SetAllowlist(*list));
  }

  // Prints why and skips where no sandbox can be had.
  bool HasSandbox() {
    for (const ProbeResult& result : backend_->SelfTest()) {
      if (result.name != "sandbox" || result.ok) continue;
      std::printf("no sandbox on this machine: %s\n", result.detail.c_str());
      return false;
    }
    return true;
  }

  Work Of(std::vector<std::string> arguments) {
    Work work;
    work.task_id = "task-" + std::to_string(++count_);
    work.generation = 1;
    work.argv = std::move(arguments);
    work.argv.insert(work.argv.begin(), "probe");
    return work;
  }

  Evidence Run(const Work& work) {
    CollectingSink sink;
    const auto run = backend_->Start(work, sink);
    EXPECT_TRUE(run.ok()) << run.status();
    return run.ok() ? sink.Wait() : Evidence();
  }
  Evidence Try(std::vector<std::string> arguments) { return Run(Of(std::move(arguments))); }

  std::string Copy(const std::string& from, const std::string& name) {
    const std::string to = folder_.File(name);
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
    chmod(to.c_str(), 0755);
    return to;
  }

  testing::TempDir folder_;
  std::string shim_, probe_, data_, token_, work_;
  Limits limits_ = DefaultLimits();
  DisciplinedClock clock_;
  BoundedExecutor slow_;
  Runner runner_;
  absl::StatusOr<SandboxHost> host_ = absl::UnknownError("not prepared");
  http::HttpTransport* http_ = nullptr;
  checks::Checker::Limits check_limits_;
  std::unique_ptr<Programs> programs_;
  std::unique_ptr<checks::Checker> checker_;
  std::unique_ptr<LocalExec> backend_;
  int count_ = 0;
};

}  // namespace switchyard::executor
