// `yard run` and `yard ps` against services in memory.
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/output.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_hub.h"
#include "tools/yard/testing/fake_scheduler.h"
#include "tools/yard/testing/fake_services.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;
namespace tq = task_queue::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class RunTest : public CommandTest {
 protected:
  RunTest() {
    server_.Register(queue_, tq::TaskQueueService::service_full_name());
    server_.Register(hub_, ag::AgentAdminService::service_full_name());
    server_.Register(scheduler_, scheduler::v1::SchedulerAdminService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
    hub_.Add("alpha", ag::AGENT_STATE_IDLE);
  }
  ~RunTest() override { server_.Stop(); }

  // Something that happens to task-1 once somebody follows it.
  template <class What>
  std::thread Meanwhile(What what) {
    return std::thread([this, what] {
      while (queue_.watches() == 0) std::this_thread::yield();
      what();
    });
  }
  static tq::TaskEvent Event(tq::EventKind kind, tq::TaskState state) {
    tq::TaskEvent event;
    event.set_task_id("task-1");
    event.set_kind(kind);
    event.set_state(state);
    event.set_agent_id("alpha");
    event.set_generation(3);
    return event;
  }

  FakeTaskQueue queue_{server_.gate()};
  FakeHub hub_{server_.gate()};
  FakeScheduler scheduler_{server_.gate()};
};

TEST_F(RunTest, OutputComesOutWhereTheTaskPrintedIt) {
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  hub_.Print("to out\n");
  hub_.Print("to err\n", ag::LOG_STREAM_STDERR, true);
  const Result result = Run({"run", "--lane", "high", "--", "make", "test"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "to out\n");
  EXPECT_THAT(result.err, AllOf(HasSubstr("yard: task task-1 submitted\n"), HasSubstr("to err\n"),
                                HasSubstr("yard: task task-1 succeeded")));
  EXPECT_EQ(queue_.submissions()[0].spec().lane(), tq::LANE_HIGH);
  EXPECT_EQ(queue_.submissions()[0].spec().command().argv(1), "test");
}

TEST_F(RunTest, QuietLeavesTheOutputOnly) {
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  hub_.Print("to out\n", ag::LOG_STREAM_STDOUT, true);
  const Result result = Run({"run", "-q", "--", "make"});
  EXPECT_EQ(result.out, "to out\n");
  EXPECT_THAT(result.err, IsEmpty());
}

TEST_F(RunTest, AFailedTaskIsCodeTenAndNotAnErrorOfOurs) {
  queue_.SetFate(tq::TASK_STATE_DEAD_LETTER);
  const Result result = Run({"run", "--", "false"});
  EXPECT_EQ(result.code, 10);
  EXPECT_THAT(result.err, AllOf(HasSubstr("task-1 is dead-letter (EXIT_STATUS) (task.failed)"),
                                HasSubstr("next: yard task show task-1")));
  EXPECT_EQ(Run({"run", "--", "invalid"}).code, 2);
  variables_["YARD_TOKEN"] = "wrong";
  EXPECT_EQ(Run({"run", "--", "true"}).code, 4);
}

TEST_F(RunTest, EachEventIsToldOnceWithTheNameOfTheAgent) {
  hub_.Edit("alpha", [](ag::Agent& agent) { agent.set_name("first machine"); });
  std::thread life = Meanwhile([this] {
    queue_.Happen(Event(tq::EVENT_KIND_ASSIGNED, tq::TASK_STATE_ASSIGNED));
    queue_.Happen(Event(tq::EVENT_KIND_ACCEPTED, tq::TASK_STATE_RUNNING));
    tq::TaskEvent question = Event(tq::EVENT_KIND_BLOCKED, tq::TASK_STATE_RUNNING);
    question.set_message("which\x1b[2J branch?");
    queue_.Happen(question);
    tq::TaskEvent back = Event(tq::EVENT_KIND_RETURNED, tq::TASK_STATE_QUEUED);
    back.set_cause("FAILED");
    back.set_message("exit status 3");
    queue_.Happen(back);
    queue_.Happen("task-1", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
  });
  const Result result = Run({"run", "--", "make"});
  life.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, StartsWith("yard: task task-1 submitted\n"
                                     "yard: assigned to first machine, generation 3\n"
                                     "yard: running on first machine\n"
                                     "yard: the task asks: which\\x1b[2J branch?\n"
                                     "yard:   answer it: yard task answer task-1 TEXT\n"
                                     "yard: back in the queue, FAILED: exit status 3\n"
                                     "yard: task task-1 succeeded"));
}

TEST_F(RunTest, AResultReplacesALogThatCannotBeRead) {
  variables_["YARD_HUB_ADDRESS"] = "unix:" + dir_.File("nobody.sock");
  std::thread life = Meanwhile([this] {
    queue_.Edit("task-1", [](tq::Task& task) { task.mutable_result()->set_output("kept\n"); });
    queue_.Happen("task-1", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
  });
  const Result result = Run({"run", "--", "make"});
  life.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "kept\n");
}

TEST_F(RunTest, DetachedItPrintsTheIdAndFollowsNothing) {
  EXPECT_EQ(Run({"run", "-d", "--", "make"}).out, "task-1\n");
  EXPECT_EQ(Run({"run", "--detach", "-o", "name", "--", "make"}).out, "task-2\n");
  EXPECT_EQ(Json::parse(Run({"run", "-d", "-o", "json", "--", "make"}).out)["task_id"], "task-3");
  EXPECT_EQ(queue_.watches(), 0);
}

TEST_F(RunTest, APromptIsTheArgumentAFileOrStandardInput) {
  EXPECT_EQ(Run({"run", "-d", "Explain the test", "--repo", "git@host:app.git"}).code, 0);
  EXPECT_EQ(Run({"run", "-d", "@" + dir_.Write("p.md", "from file")}).code, 0);
  EXPECT_EQ(Run({"run", "-d", "-"}, "from input").code, 0);
  const auto submitted = queue_.submissions();
  EXPECT_EQ(submitted[0].spec().prompt().instruction(), "Explain the test");
  EXPECT_EQ(submitted[0].spec().context().repository(), "git@host:app.git");
  EXPECT_EQ(submitted[1].spec().prompt().instruction(), "from file");
  EXPECT_EQ(submitted[2].spec().prompt().instruction(), "from input");
}

TEST_F(RunTest, WhatToRunIsSaidOnceAndOnlyOnce) {
  EXPECT_THAT(Run({"run"}).err, HasSubstr("yard run --help"));
  EXPECT_EQ(Run({"run"}).code, 2);
  EXPECT_EQ(Run({"run", "a prompt", "--", "make"}).code, 2);
  EXPECT_THAT(Run({"run", "make", "test"}).err, HasSubstr("go behind '--'"));
  const std::string file = dir_.Write("t.yaml", "command: {argv: [a]}\n---\ncommand: {argv: [b]}\n");
  EXPECT_EQ(Run({"run", "-f", file}).code, 2);
  EXPECT_THAT(Run({"run", "--dry-run", "--", "make"}).out, HasSubstr("make"));
  EXPECT_THAT(queue_.submissions(), IsEmpty());
}

TEST_F(RunTest, WhileItWaitsItSaysWhatFor) {
  scheduler_.answer.set_reason(scheduler::v1::WAIT_REASON_NO_FITTING_AGENT);
  scheduler_.answer.set_explanation("No connected agent has kind.prompt.");
  scheduler_.answer.add_missing_features("kind.prompt");
  std::thread life = Meanwhile([this] {
    while (scheduler_.questions < 2) std::this_thread::yield();
    queue_.Happen("task-1", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
  });
  const Result result = Run({"run", "Explain the test"});
  life.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(scheduler_.asked.task_id(), "task-1");
  const std::string why = "yard: waits: No connected agent has kind.prompt.\n";
  EXPECT_THAT(result.err, AllOf(HasSubstr(why), HasSubstr("yard task why task-1")));
  EXPECT_EQ(result.err.find(why), result.err.rfind(why)) << "one reason is told once";
}

TEST_F(RunTest, TheReasonIsGuessedWhereNoSchedulerAnswers) {
  scheduler_.status = absl::UnavailableError("stands by");
  std::thread life = Meanwhile([this] {
    while (scheduler_.questions < 2) std::this_thread::yield();
    queue_.Happen("task-1", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
  });
  const Result result = Run({"run", "--", "make"});
  life.join();
  EXPECT_THAT(result.err, AllOf(HasSubstr("waits: ready; waits for a free agent"), HasSubstr("stands by")));
}

TEST_F(RunTest, AnInterruptionLeavesTheTaskAloneAndSaysHowToGoOn) {
  interrupted_ = true;
  const Result result = Run({"run", "--", "sleep"});
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.err, AllOf(HasSubstr("yard logs -f task-1"), HasSubstr("yard task cancel task-1")));
  EXPECT_EQ(queue_.task("task-1").state(), tq::TASK_STATE_QUEUED);
}

TEST_F(RunTest, AnInterruptionCancelsTheTaskWhereThatWasAskedFor) {
  interrupted_ = true;
  const Result result = Run({"run", "--cancel-on-interrupt", "--", "sleep"});
  EXPECT_EQ(result.code, 130);
  EXPECT_THAT(result.err, HasSubstr("task task-1 was cancelled"));
  EXPECT_EQ(queue_.task("task-1").state(), tq::TASK_STATE_CANCELLED);
}

TEST_F(RunTest, ATimeoutEndsTheWatchingOnly) {
  const Result result = Run({"run", "--timeout", "300ms", "--", "sleep"});
  EXPECT_EQ(result.code, 9);
  EXPECT_EQ(queue_.task("task-1").state(), tq::TASK_STATE_QUEUED);
}

TEST_F(RunTest, AProgramGetsOneDocumentOrOneLineForEachThing) {
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  hub_.Print("to out\n", ag::LOG_STREAM_STDOUT, true);
  const Result json = Run({"run", "-o", "json", "--", "make"});
  EXPECT_EQ(Json::parse(json.out)["state"], "TASK_STATE_SUCCEEDED") << json.out;
  EXPECT_THAT(json.err, IsEmpty());
  const Result lines = Run({"run", "-o", "jsonl", "--", "make"});
  std::istringstream in(lines.out);
  std::string line;
  std::map<std::string, int> counts;
  Json last;
  while (std::getline(in, line)) {
    last = Json::parse(line);
    ++counts[last.begin().key()];
  }
  EXPECT_EQ(counts, (std::map<std::string, int>{{"event", 4}, {"output", 1}, {"task", 1}}));
  EXPECT_EQ(last["task"]["id"], "task-2");
}

TEST_F(RunTest, ATerminalSeesHarmlessTextOnly) {
  terminal_ = true;
  variables_["NO_COLOR"] = "1";
  queue_.SetFate(tq::TASK_STATE_SUCCEEDED);
  hub_.Print("no end\x1b[2J", ag::LOG_STREAM_STDOUT, true);
  const Result result = Run({"run", "--", "make"});
  EXPECT_EQ(result.out, "no end\\x1b[2J");
  EXPECT_THAT(result.err, HasSubstr("\nyard: task task-1 succeeded"));
}

TEST_F(RunTest, PsShowsWhatRunsWhereAndForHowLong) {
  const Result nothing = Run({"ps", "-o", "table"});
  EXPECT_EQ(nothing.code, 0) << nothing.err;
  EXPECT_THAT(nothing.err, HasSubstr("Nothing runs"));
  queue_.Add("a", tq::TASK_STATE_RUNNING, "Build it");
  queue_.Add("b", tq::TASK_STATE_QUEUED, "Later");
  queue_.Add("c", tq::TASK_STATE_SUCCEEDED, "Before");
  hub_.Edit("alpha", [](ag::Agent& agent) { agent.set_name("first machine"); });
  queue_.Edit("a", [](tq::Task& task) {
    task.set_agent_id("alpha");
    task.set_generation(7);
    task.set_attempts(2);
    task.set_phase(tq::PHASE_EXECUTING);
    task.mutable_accept_time()->set_seconds(100);
    task.mutable_finish_time()->set_seconds(190);
  });
  const Result running = Run({"ps", "-o", "table"});
  EXPECT_THAT(running.out, AllOf(HasSubstr("ATTEMPT"), HasSubstr("running (executing)"), HasSubstr("first machine"),
                                 HasSubstr("1m30s"), HasSubstr("Build it"), Not(HasSubstr("Later"))));
  EXPECT_THAT(Run({"ps"}).out, StartsWith("a\trunning (executing)\tfirst machine\t3\t7\tnormal\t1m30s\t"));
  EXPECT_EQ(Run({"ps", "-a", "-o", "name"}).out, "a\nb\nc\n");
  EXPECT_EQ(Json::parse(Run({"ps", "-o", "json"}).out)["tasks"].size(), 1u);
  pauses_ = 2;
  EXPECT_EQ(Run({"ps", "-w", "-o", "name"}).out, "a\na\n");
}

}  // namespace
}  // namespace switchyard::yard
