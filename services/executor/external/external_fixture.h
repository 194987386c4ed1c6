// An agent that does what its first argument says, and the back end that runs it.
#pragma once

#include <sys/stat.h>

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/random.h"
#include "services/executor/executor_fixture.h"
#include "services/executor/external/agents_file.h"
#include "services/executor/external/external_backend.h"

namespace switchyard::executor::external {

inline constexpr const char* kFakeAgent = R"py(#!/usr/bin/python3 -I
import json, os, signal, subprocess, sys

def say(text, stream=sys.stdout):
    stream.write(text + "\n")
    stream.flush()

mode = sys.argv[1]
scratch = os.environ.get("SCRATCH", "")
model = os.environ.get("MODEL", "m:7b")
if mode == "work":
    say("model: " + model)
    with open("made.txt", "w") as file:
        file.write("by the agent")
    prompt = sys.stdin.read() or open(sys.argv[2]).read()
    json.dump({"prompt": prompt, "argv": sys.argv, "environment": dict(os.environ), "folder": os.getcwd(),
               "scratch": sorted(os.listdir(scratch))}, open(scratch + "/seen.json", "w"))
    say(open(scratch + "/seen.json").read())
    say(json.dumps({"result": "made a file", "usage": {"in": 1200, "cached": 200, "out": 34}, "cost": 0.0125}))
elif mode == "file":
    json.dump({"model": model, "result": "done", "usage": {"in": 10, "out": 5}}, open(scratch + "/out.json", "w"))
elif mode == "silent":
    signal.pause()
elif mode == "hang":
    say("model: " + model)
    signal.pause()
elif mode == "ready":
    open(scratch + "/ready", "w").close()
    say("model: " + model)
elif mode == "unnamed":
    say("working")
elif mode == "exit":
    say("model: " + model)
    sys.exit(int(sys.argv[2]))
elif mode == "die":
    sys.exit(3)
elif mode == "flood":
    say("model: " + model)
    while True:
        say("x" * 1000)
elif mode == "forks":
    say("model: " + model)
    for _ in range(3):
        subprocess.Popen([sys.executable, "-I", sys.argv[0], "child", sys.argv[2]], start_new_session=True)
    say("forked")
    if len(sys.argv) > 3:
        signal.pause()
elif mode == "child":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pause()
elif mode == "link":
    say("model: " + model)
    os.symlink(sys.argv[2], scratch + "/out.json")
elif mode == "leak":
    say("model: " + model)
    say("the key is " + os.environ["AGENT_KEY"])
    say("and again " + os.environ["AGENT_KEY"], sys.stderr)
    say(json.dumps({"result": "key " + os.environ["AGENT_KEY"]}))
elif mode == "spill":
    say("model: " + model)
    with open("made.txt", "w") as file:
        file.write("x" * (1 << 20) + os.environ["AGENT_KEY"])
elif mode == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("model: " + model)
    say("stubborn")
    signal.pause()
elif mode == "fill":
    say("model: " + model)
    for i in range(64):
        open(scratch + "/f%d" % i, "wb").write(b"x" * 100000)
    say("filled")
    signal.pause()
elif mode == "mend":
    say("model: " + model)
    prompt = sys.stdin.read()
    turn = len(os.listdir(".")) + 1
    open("turn%d.txt" % turn, "w").write(prompt)
    say(json.dumps({"result": "turn %d" % turn, "usage": {"in": 100, "out": 10}, "cost": 0.01}))
elif mode == "name":
    say("I use " + model + " today")
)py";

class ExternalFixture : public ExecutorFixture {
 protected:
  void SetUp() override {
    ExecutorFixture::SetUp();
    program_ = folder_.Write("fake-agent", kFakeAgent);
    chmod(program_.c_str(), 0755);
    sandboxed_ = programs_->TestSandbox().ok;
    credentials_ = Policy({});
  }
  void TearDown() override {
    if (external_ != nullptr) external_->Stop();
    ExecutorFixture::TearDown();
  }

  static models::CredentialPolicy Policy(const std::vector<std::string>& lines) {
    return *models::CredentialPolicy::Make(lines, false, [](const std::string& reference) {
      return absl::StatusOr<std::string>("value-of-" + reference.substr(reference.find(':') + 1));
    });
  }

  // An agent "fake" with these arguments, and lines besides.
  std::string Entry(const std::string& arguments, const std::string& more = "") {
    return absl::StrCat(
        "- name: fake\n  program: ", program_, "\n  sandbox: optional\n  prompt: stdin\n", "  arguments: ", arguments,
        "\n",
        more.find("names_model") != std::string::npos ? ""
                                                      : "  names_model: {from: output, pattern: '^model: (\\S+)$'}\n",
        more.find("environment") != std::string::npos ? "" : "  environment: {SCRATCH: '{scratch}'}\n", more);
  }
  void Use(const std::string& entry) {
    if (external_ != nullptr) external_->Stop();
    external_ = std::make_unique<ExternalBackend>(4, ExternalDeps{.programs = *programs_,
                                                                  .credentials = credentials_,
                                                                  .clock = clock_,
                                                                  .rng = *rng_,
                                                                  .checker = checker_.get(),
                                                                  .worktrees = worktrees_,
                                                                  .forges = forges_});
    external_->StartThreads();
    const absl::StatusOr<std::vector<AgentSpec>> agents = ParseAgents("agents:\n" + entry);
    SY_ASSERT_OK(agents.status());
    SY_ASSERT_OK(external_->SetAgents(*agents));
  }

  Work Task(const std::string& agent = "fake") {
    Work work;
    work.task_id = "task-" + std::to_string(++count_);
    work.generation = 1;
    work.kind = WorkKind::kExternal;
    work.external = {.agent = agent, .instruction = "make a file"};
    return work;
  }
  Evidence Run(const Work& work, CollectingSink& sink) {
    const auto run = external_->Start(work, sink);
    EXPECT_TRUE(run.ok()) << run.status();
    return run.ok() ? sink.Wait() : Evidence();
  }
  Evidence Try(const std::string& arguments, const std::string& more = "") {
    Use(Entry(arguments, more));
    CollectingSink sink;
    Evidence evidence = Run(Task(), sink);
    text_ = sink.text();
    return evidence;
  }

  std::string program_;
  bool sandboxed_ = false;
  const std::unique_ptr<Rng> rng_ = MakeSystemRng();
  models::CredentialPolicy credentials_;
  repository::Worktrees* worktrees_ = nullptr;
  forge::ForgeDirectory* forges_ = nullptr;
  std::unique_ptr<ExternalBackend> external_;
  // Of the last Try.
  std::string text_;
};

}  // namespace switchyard::executor::external
