// A loop with a real repository, real checks, and a model that says what the test has written down.
#pragma once

#include <sys/stat.h>

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/bounded_executor.h"
#include "libs/base/mutex.h"
#include "libs/base/random.h"
#include "libs/http/testing/fake_http.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/limits.h"
#include "services/executor/loop/build_loop.h"
#include "services/executor/loop/testing_loop_sink.h"
#include "services/executor/models/json_reader.h"
#include "services/executor/models/testing_sink.h"
#include "services/executor/repository/repository_fixture.h"
#include "services/executor/workspace.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::loop {

// A block as models write it.
inline std::string Block(const std::string& path, const std::string& search, const std::string& replace) {
  return absl::StrCat(path, "\n```\n<<<<<<< SEARCH\n", search, "=======\n", replace, ">>>>>>> REPLACE\n```\n");
}

class LoopFixture : public repository::RepositoryTest {
 protected:
  using FakeHttp = switchyard::testing::FakeHttp;
  using FakeAnswer = switchyard::testing::FakeAnswer;

  LoopFixture() : slow_("slow", 2, 256), runner_(clock_, slow_, Runner::Options()) {}

  void SetUp() override {
    slow_.Start();
    SY_ASSERT_OK(runner_.Start());
    const std::string data = dir_.File("loop");
    mkdir(data.c_str(), 0711);
    SY_ASSERT_OK_AND_ASSIGN(work_folder_, PrepareWorkFolder(data));
    // Where nothing is run, the sandbox is of no matter.
    SandboxHost host;
    host.user = user_;
    programs_ = std::make_unique<Programs>(
        Programs::Options{.host = host, .hidden = {}, .work_folder = work_folder_, .limits = DefaultLimits()}, runner_);
    checker_ = std::make_unique<checks::Checker>(*programs_, &check_http_, clock_, slow_, checks::Checker::Limits{});
    absl::StatusOr<models::CredentialPolicy> credentials = models::CredentialPolicy::Make(
        {}, false, [](const std::string&) -> absl::StatusOr<std::string> { return absl::NotFoundError("none"); });
    SY_ASSERT_OK(credentials);
    models_ =
        std::make_unique<models::ModelsBackend>(models::RunLimits{}, *std::move(credentials), http_, clock_, *rng_);
    worktrees_ = Open();
    ASSERT_NE(worktrees_, nullptr);
    Rebuild();
    routing_ = models::TestRouting("http://one:1", "one");
    http_.WhenAsked(":1/api/chat", [this](const http::HttpRequest&) { return NextAnswer(); });
  }

  void TearDown() override {
    loop_->Stop();
    checker_->Stop();
    models_->Stop();
    runner_.Stop();
    slow_.Stop();
  }

  void Rebuild(repository::Worktrees* worktrees = nullptr) {
    if (loop_ != nullptr) loop_->Stop();
    loop_ = std::make_unique<BuildLoop>(settings_,
                                        LoopDeps{.models = *models_,
                                                 .checker = *checker_,
                                                 .programs = *programs_,
                                                 .clock = clock_,
                                                 .rng = *rng_,
                                                 .worktrees = worktrees == nullptr ? worktrees_.get() : worktrees,
                                                 .forges = nullptr},
                                        4);
    loop_->StartThreads();
  }

  // Of "m:7b", in one piece.
  static FakeAnswer Says(const std::string& text, int input = 100, int output = 10) {
    const models::Json body = {{"model", "m:7b"},
                               {"message", {{"role", "assistant"}, {"content", text}}},
                               {"done", true},
                               {"done_reason", "stop"},
                               {"prompt_eval_count", input},
                               {"eval_count", output}};
    return {.chunks = {body.dump() + "\n"}};
  }
  void Script(std::vector<FakeAnswer> answers) {
    MutexLock lock(script_mutex_);
    script_.assign(answers.begin(), answers.end());
  }
  FakeAnswer NextAnswer() {
    MutexLock lock(script_mutex_);
    if (script_.empty()) return Says("I have nothing more to say.");
    FakeAnswer answer = std::move(script_.front());
    script_.pop_front();
    return answer;
  }

  Work MakeWork(const std::string& task = "t1") {
    Work work{.task_id = task, .generation = 3, .kind = WorkKind::kPrompt};
    work.prompt.instruction = "Make src/a.txt say four.";
    work.repository.repository = "app";
    work.routing = routing_.SerializeAsString();
    work.checks = {Contains("src/a.txt", "four")};
    return work;
  }
  static checks::Step Contains(const std::string& path, const std::string& text, bool optional = false) {
    return {.name = absl::StrCat("has ", text), .optional = optional, .check = checks::FileContains{path, text}};
  }
  // What it is about stays open until the test answers it.
  static checks::Step HangingCheck() { return {.name = "hangs", .check = checks::HttpOk{"http://check:1/", 200}}; }

  void Begin(const Work& work) {
    sink_ = std::make_unique<LoopSink>();
    absl::StatusOr<std::unique_ptr<BackendRun>> run = loop_->Start(work, *sink_);
    SY_ASSERT_OK(run);
    run_ = *std::move(run);
  }
  Evidence Do(const Work& work) {
    Begin(work);
    return run_ == nullptr ? Evidence() : sink_->Wait();
  }

  static verification::v1::CheckReport ReportOf(const Evidence& evidence) {
    verification::v1::CheckReport report;
    EXPECT_TRUE(report.ParseFromString(evidence.checks));
    return report;
  }
  static task_queue::v1::Usage UsageOf(const Evidence& evidence) {
    task_queue::v1::Usage usage;
    EXPECT_TRUE(usage.ParseFromString(evidence.usage));
    return usage;
  }
  // As the branch has it in the executor's clone.
  std::string InBranch(const std::string& task, const std::string& path) {
    std::unique_ptr<repository::Worktree> worktree = RepositoryTest::Prepare(*worktrees_, task);
    return worktree == nullptr ? "" : Read(*worktree, path);
  }

  FakeHttp http_{FakeHttp::Mode::kInline};
  FakeHttp check_http_;
  BoundedExecutor slow_;
  Runner runner_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(5);
  std::string work_folder_;
  std::unique_ptr<Programs> programs_;
  std::unique_ptr<checks::Checker> checker_;
  std::unique_ptr<models::ModelsBackend> models_;
  std::unique_ptr<repository::GitWorktrees> worktrees_;
  LoopSettings settings_;
  std::unique_ptr<BuildLoop> loop_;
  router::v1::Routing routing_;
  std::unique_ptr<LoopSink> sink_;
  std::unique_ptr<BackendRun> run_;
  Mutex script_mutex_;
  std::deque<FakeAnswer> script_ ABSL_GUARDED_BY(script_mutex_);
};

}  // namespace switchyard::executor::loop
