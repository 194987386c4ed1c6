// The commands about agents, logs and answers against services in memory, over a real socket.
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <thread>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/yard/output.h"
#include "tools/yard/testing/command_test.h"
#include "tools/yard/testing/fake_hub.h"
#include "tools/yard/testing/fake_services.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;
namespace tq = task_queue::v1;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class AgentCommandsTest : public CommandTest {
 protected:
  AgentCommandsTest() {
    server_.Register(queue_, tq::TaskQueueService::service_full_name());
    server_.Register(hub_, ag::AgentAdminService::service_full_name());
    server_.Start();
    variables_["YARD_ADDRESS"] = server_.server().address();
    variables_["YARD_TOKEN"] = "admin-token";
    columns_ = 120;
    pauses_ = 1'000;
  }
  ~AgentCommandsTest() override { server_.Stop(); }

  FakeTaskQueue queue_{server_.gate()};
  FakeHub hub_{server_.gate()};
};

TEST_F(AgentCommandsTest, ListShowsWhoIsOldAndWhyThereIsNoWork) {
  hub_.Add("alpha", ag::AGENT_STATE_IDLE);
  hub_.Add("beta", ag::AGENT_STATE_DEGRADED);
  hub_.Edit("beta", [](ag::Agent& agent) {
    agent.set_version("0.1");
    agent.add_missing_features("blocked");
    agent.set_unavailable_reason("its breaker is open");
  });
  const Result all = Run({"agent", "list"});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, AllOf(HasSubstr("alpha\tidle"), HasSubstr("0.1 (old)\tits breaker is open")));
  EXPECT_EQ(Run({"agent", "list", "--state", "degraded", "-o", "name"}).out, "beta\n");
  EXPECT_EQ(Json::parse(Run({"agent", "list", "-o", "json"}).out)["agents"].size(), 2u);
  EXPECT_EQ(Run({"agent", "list", "--state", "odd"}).code, 2);
}

TEST_F(AgentCommandsTest, ShowTellsStateCausesAndTransitions) {
  hub_.Add("alpha", ag::AGENT_STATE_IDLE);
  hub_.Edit("alpha", [](ag::Agent& agent) {
    agent.mutable_resources()->set_cpus(8);
    agent.mutable_resources()->set_memory_bytes(16LL << 30);
    agent.mutable_resources()->set_memory_free_bytes(3LL << 29);
    agent.set_state_cause("odd\x1b[31m");
    agent.mutable_breaker()->set_failures_in_row(2);
    agent.mutable_breaker()->set_last_failure("no disk");
    ag::SelfTest& test = *agent.add_self_tests();
    test.set_name("local_exec");
    test.set_message("no bubblewrap");
  });
  const Result shown = Run({"agent", "show", "alpha"});
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_THAT(shown.out, AllOf(HasSubstr("8, 0 % in use"), HasSubstr("1.5 GiB of 16 GiB free"),
                               HasSubstr("its probe passed"), HasSubstr("2 failures in a row, last: no disk"),
                               HasSubstr("local_exec failed: no bubblewrap"), Not(HasSubstr("\x1b"))));
  const Result nobody = Run({"agent", "show", "nobody"});
  EXPECT_EQ(nobody.code, 3);
  EXPECT_THAT(nobody.err, HasSubstr("nobody"));
}

TEST_F(AgentCommandsTest, PeopleSteerAgents) {
  hub_.Add("alpha", ag::AGENT_STATE_IDLE);
  hub_.Add("beta", ag::AGENT_STATE_WORKING);
  hub_.Edit("beta", [](ag::Agent& agent) { agent.set_held_tasks(2); });
  EXPECT_THAT(Run({"agent", "drain", "alpha", "beta", "--reason", "upgrade"}).out,
              AllOf(HasSubstr("alpha\tdraining"), HasSubstr("beta\tdraining")));
  EXPECT_THAT(Run({"agent", "resume", "alpha"}).out, HasSubstr("alpha\tidle"));
  EXPECT_THAT(Run({"agent", "quarantine", "alpha"}).out, HasSubstr("quarantined"));
  EXPECT_EQ(Run({"agent", "reset-breaker", "alpha"}).code, 0);
  EXPECT_EQ(Run({"agent", "remove", "beta"}).code, 5);
  EXPECT_EQ(Run({"agent", "remove", "beta", "--force"}).code, 0);
  EXPECT_EQ(Run({"agent", "revoke", "alpha", "--reason", "lost"}).code, 0);
  const Result half = Run({"agent", "drain", "alpha", "nobody"});
  EXPECT_EQ(half.code, 3);
  EXPECT_THAT(half.out, HasSubstr("alpha"));
  EXPECT_EQ(Run({"agent", "drain"}).code, 2);
}

TEST_F(AgentCommandsTest, EnrollPrintsOneLineToRunElsewhere) {
  const Result result = Run({"agent", "enroll", "alpha", "--label", "rack=a=1", "--expires-in", "10m",
                             "--agent-address", "hub.example:7403"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "yard-agent enroll sye1_abc\n");
  EXPECT_EQ(hub_.enrolled().name(), "alpha");
  EXPECT_EQ(hub_.enrolled().labels().at("rack"), "a=1");
  EXPECT_EQ(hub_.enrolled().lifetime().seconds(), 600);
  EXPECT_EQ(hub_.enrolled().addresses(0), "hub.example:7403");
  EXPECT_EQ(Json::parse(Run({"agent", "enroll", "alpha", "-o", "json"}).out)["enrollment"], "sye1_abc");
  EXPECT_EQ(Run({"agent", "enroll", "alpha", "-o", "name"}).out, "sye1_abc\n") << "for a script";
}

TEST_F(AgentCommandsTest, EnrollWaitsUntilTheProbePassed) {
  hub_.SetEnrollmentStates({ag::ENROLLMENT_STATE_OPEN, ag::ENROLLMENT_STATE_REDEEMED, ag::ENROLLMENT_STATE_COMPLETED});
  const Result joined = Run({"agent", "enroll", "alpha", "--wait"});
  EXPECT_EQ(joined.code, 0);
  EXPECT_THAT(joined.err, AllOf(HasSubstr("its probe is running"), HasSubstr("has joined")));
  hub_.SetEnrollmentStates({ag::ENROLLMENT_STATE_EXPIRED});
  EXPECT_EQ(Run({"agent", "enroll", "alpha", "--wait"}).code, 5);
  hub_.SetEnrollmentStates({ag::ENROLLMENT_STATE_OPEN});
  EXPECT_EQ(Run({"agent", "enroll", "alpha", "--wait", "--timeout", "50ms"}).code, 9);
}

TEST_F(AgentCommandsTest, RotatePrintsTheTokenOrWritesItToAPrivateFile) {
  EXPECT_EQ(Run({"agent", "rotate", "alpha", "--grace", "5m"}).out, "sy_new\n");
  const std::string path = dir_.File("alpha.token");
  const Result written = Run({"agent", "rotate", "alpha", "--write-to", path});
  EXPECT_EQ(written.code, 0) << written.err;
  EXPECT_THAT(written.out, Not(HasSubstr("sy_new")));
  struct stat facts = {};
  ASSERT_EQ(stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_NE(Run({"agent", "rotate", "alpha", "--write-to", path}).code, 0);
}

TEST_F(AgentCommandsTest, LogsPrintWhatIsStored) {
  queue_.Add("a", tq::TASK_STATE_RUNNING);
  hub_.Print("one\n");
  hub_.Print("two\x1b[31m\n", ag::LOG_STREAM_STDERR);
  const Result piped = Run({"logs", "a"});
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_EQ(piped.out, "one\ntwo\x1b[31m\n") << "another program gets the bytes as they are";
  terminal_ = true;
  EXPECT_EQ(Run({"logs", "a"}).out, "one\ntwo\\x1b[31m\n");
  terminal_ = false;
  const Result json = Run({"logs", "a", "-o", "jsonl"});
  EXPECT_EQ(Json::parse(json.out.substr(0, json.out.find('\n')))["stream"], "LOG_STREAM_STDOUT");
  EXPECT_EQ(Run({"logs", "nobody"}).code, 3);
  hub_.DropNextStreams(2);
  EXPECT_EQ(Run({"logs", "a"}).out, "one\ntwo\x1b[31m\n");
  hub_.DropNextStreams(100);
  EXPECT_EQ(Run({"logs", "a"}).code, 11);
}

TEST_F(AgentCommandsTest, LogsFollowUntilTheTaskIsFinal) {
  queue_.Add("a", tq::TASK_STATE_RUNNING);
  hub_.Print("one\n");
  std::thread work([this] {
    while (hub_.streams() == 0) std::this_thread::yield();
    hub_.Print("two\n");
    queue_.Happen("a", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
    hub_.Print("three\n", ag::LOG_STREAM_STDOUT, true);
  });
  const Result result = Run({"logs", "-f", "a"});
  work.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "one\ntwo\nthree\n");
}

TEST_F(AgentCommandsTest, LogsFollowThroughADrop) {
  queue_.Add("a", tq::TASK_STATE_RUNNING);
  hub_.Print("one\n");
  hub_.DropNextStreams(1);
  std::thread work([this] {
    while (hub_.streams() < 2) std::this_thread::yield();
    hub_.Print("two\n", ag::LOG_STREAM_STDOUT, true);
    queue_.Happen("a", tq::EVENT_KIND_FINISHED, tq::TASK_STATE_SUCCEEDED);
  });
  const Result result = Run({"logs", "-f", "a"});
  work.join();
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "one\ntwo\n");
  const Result over = Run({"logs", "-f", "a", "--timeout", "5s"});
  EXPECT_EQ(over.code, 0) << over.err;
  EXPECT_EQ(over.out, "one\ntwo\n");
}

TEST_F(AgentCommandsTest, AnswersComeFromTheLineAFileOrStandardInput) {
  queue_.Add("a", tq::TASK_STATE_RUNNING);
  EXPECT_THAT(Run({"task", "answer", "a", "yes"}).out, HasSubstr("answered; running"));
  EXPECT_EQ(queue_.answer("a"), "yes");
  EXPECT_EQ(Run({"task", "answer", "a", "-"}, "secret\n").code, 0);
  EXPECT_EQ(queue_.answer("a"), "secret");
  EXPECT_EQ(Run({"task", "answer", "a", "@" + dir_.Write("f", "from file")}).code, 0);
  EXPECT_EQ(queue_.answer("a"), "from file");
  EXPECT_EQ(Run({"task", "answer", "a", "@" + dir_.File("none")}).code, 3);
  EXPECT_EQ(Run({"task", "answer", "nobody", "x"}).code, 3);
  EXPECT_EQ(Run({"task", "answer", "a"}).code, 2);
}

}  // namespace
}  // namespace switchyard::yard
