// Agents that work, and what is asked of them before.
#include "services/executor/external/external_backend.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "services/executor/external/external_fixture.h"
#include "services/executor/models/json_reader.h"
#include "services/executor/models/testing_sink.h"
#include "switchyard/router/v1/routing.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"
#include "switchyard/verification/v1/checks.pb.h"

namespace switchyard::executor::external {
namespace {

using ::switchyard::testing::IsError;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr const char* kResult =
    "  result: {summary: {json: /result}, input_tokens: {json: /usage/in}, cached_input_tokens: {json: "
    "/usage/cached},\n"
    "           output_tokens: {json: /usage/out}, cost: {json: /cost}}\n";

class ExternalBackendTest : public ExternalFixture {
 protected:
  // What the agent said it saw.
  models::Json Seen(const std::string& text) {
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = std::min(text.find('\n', from), text.size());
      if (auto json = models::ParseJson(text.substr(from, end - from)); json.has_value() && json->contains("argv")) {
        return *json;
      }
      from = end + 1;
    }
    ADD_FAILURE() << text;
    return models::Json::object();
  }
  static task_queue::v1::Usage UsageOf(const Evidence& evidence) {
    task_queue::v1::Usage usage;
    EXPECT_TRUE(usage.ParseFromString(evidence.usage));
    return usage;
  }
};

TEST_F(ExternalBackendTest, AnAgentWorksAndItsTokensAndCostAreCollected) {
  Use(Entry("[work]", kResult));
  CollectingSink sink;
  const Evidence evidence = Run(Task(), sink);
  ASSERT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_EQ(evidence.summary, "made a file");
  EXPECT_EQ(evidence.exit_code, 0);
  EXPECT_EQ(evidence.rule, "fake");
  EXPECT_EQ(evidence.sandbox, sandboxed_ ? "bubblewrap" : "none");
  EXPECT_EQ(evidence.outputs.at("agent"), "fake");
  EXPECT_EQ(evidence.outputs.at("model"), "m:7b");
  EXPECT_EQ(evidence.outputs.at("model_confirmed"), "yes");
  EXPECT_EQ(evidence.checks, "") << "none were asked for";
  const task_queue::v1::Usage usage = UsageOf(evidence);
  EXPECT_EQ(usage.model(), "m:7b");
  EXPECT_EQ(usage.input_tokens(), 1200);
  EXPECT_EQ(usage.cached_input_tokens(), 200);
  EXPECT_EQ(usage.output_tokens(), 34);
  EXPECT_EQ(usage.cost_micros(), 12'500);
  EXPECT_FALSE(usage.cost_unknown());
  EXPECT_THAT(evidence.output, HasSubstr("made a file"));
  EXPECT_THAT(sink.text(), HasSubstr("model: m:7b"));
  EXPECT_THAT(sink.phases(), ElementsAre(WorkPhase::kWorkspace, WorkPhase::kLoading, WorkPhase::kGenerating));
  EXPECT_THAT(sink.chunks().front().sequence, 0u);
  EXPECT_TRUE(std::filesystem::is_empty(work_)) << "workspace and scratch folder are gone";
}

TEST_F(ExternalBackendTest, ItSeesExactlyTheEnvironmentThatWasBuiltForIt) {
  setenv("INHERITED_SECRET", "not for agents", 1);
  credentials_ = Policy({"env:KEY https://api.example/v1"});
  Use(Entry("[work]",
            "  environment: {SCRATCH: '{scratch}', AGENT_KEY: '{credential}', AGENT_URL: '{url}', MODEL: '{model}',"
            " HERE: '{workspace}', TASK: '{task_id}', FIXED: value}\n"
            "  model: {name: own-model, url: 'https://api.example/v1', credential: 'env:KEY'}\n"));
  CollectingSink sink;
  const Work work = Task();
  const Evidence evidence = Run(work, sink);
  unsetenv("INHERITED_SECRET");
  ASSERT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  const models::Json seen = Seen(sink.text());
  const models::Json& environment = seen["environment"];
  EXPECT_EQ(environment.value("AGENT_KEY", ""), "[redacted]") << "it was there, and is not shown";
  EXPECT_EQ(environment.value("AGENT_URL", ""), "https://api.example/v1");
  EXPECT_EQ(environment.value("MODEL", ""), "own-model");
  EXPECT_EQ(environment.value("TASK", ""), work.task_id);
  EXPECT_EQ(environment.value("FIXED", ""), "value");
  EXPECT_EQ(environment.value("HERE", ""), seen["folder"]) << "the workspace is where it runs";
  std::vector<std::string> names;
  for (const auto& [name, value] : environment.items()) {
    // Set by the sandbox itself, and by Python for itself.
    if (name != "PWD" && name != "LC_CTYPE") names.push_back(name);
  }
  EXPECT_THAT(names, UnorderedElementsAre("SCRATCH", "AGENT_KEY", "AGENT_URL", "MODEL", "HERE", "TASK", "FIXED", "PATH",
                                          "HOME", "TMPDIR", "LANG", "USER", "LOGNAME", "TZ"));
}

TEST_F(ExternalBackendTest, ThePromptHoldsWhatIsAskedAndKeepsDataApart) {
  Use(Entry("[work, '{prompt_file}']", "  files: {config.json: '{\"id\": \"{task_id}\", \"x\": {}}'}\n"));
  Work work = Task();
  work.prompt.success_criteria = {"the tests pass"};
  work.state_summary = "half of it is done";
  CollectingSink sink;
  ASSERT_EQ(Run(work, sink).outcome, Outcome::kSucceeded);
  const models::Json seen = Seen(sink.text());
  const std::string prompt = seen["prompt"];
  EXPECT_THAT(prompt, AllOf(HasSubstr("make a file"), HasSubstr("- the tests pass"), HasSubstr("half of it is done"),
                            HasSubstr("is not an instruction")));
  EXPECT_THAT(seen["scratch"].get<std::vector<std::string>>(), UnorderedElementsAre("config.json", "prompt.md"));
  EXPECT_EQ(seen["argv"].size(), 3u);
}

TEST_F(ExternalBackendTest, AFileTellsModelAndResult) {
  const Evidence evidence =
      Try("[file]",
          "  names_model: {from: file, file: out.json, json: /model}\n"
          "  wake: {probe: [exit, '0']}\n"
          "  result: {file: out.json, summary: {json: /result}, input_tokens: {json: /usage/in},\n"
          "           output_tokens: {json: /usage/out}}\n");
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  EXPECT_EQ(evidence.summary, "done");
  EXPECT_EQ(UsageOf(evidence).input_tokens(), 10);
  EXPECT_TRUE(UsageOf(evidence).cost_unknown()) << "nobody told it";
}

TEST_F(ExternalBackendTest, AProbeTellsTheModelBeforeTheWork) {
  EXPECT_EQ(
      Try("[work]", "  model: {name: 'm:7b'}\n  names_model: {from: probe, probe: [name], pattern: 'use (\\S+)'}\n")
          .outcome,
      Outcome::kSucceeded);
  const Evidence wrong =
      Try("[work]", "  model: {name: other}\n  names_model: {from: probe, probe: [name], pattern: 'use (\\S+)'}\n");
  EXPECT_EQ(wrong.reason, "MODEL_NOT_CONFIRMED");
  EXPECT_EQ(wrong.usage, "") << "it did not begin";
}

TEST_F(ExternalBackendTest, ARouteTellsModelPlaceAndCredential) {
  credentials_ = Policy({"env:ROUTED http://127.0.0.1:9/v1"});
  Use(Entry("[work]",
            "  environment: {SCRATCH: '{scratch}', AGENT_KEY: '{credential}', AGENT_URL: '{url}', MODEL: '{model}'}\n"
            "  model: {name: own, routed: true}\n" +
                std::string(kResult)));
  Work work = Task();
  router::v1::Routing routing = models::TestRouting("http://127.0.0.1:9/v1", "box");
  routing.mutable_endpoint()->set_credential("env:ROUTED");
  work.routing = routing.SerializeAsString();
  SY_ASSERT_OK(external_->Check(work));
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  ASSERT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  const models::Json environment = Seen(sink.text())["environment"];
  EXPECT_EQ(environment.value("MODEL", ""), "m:7b");
  EXPECT_EQ(environment.value("AGENT_URL", ""), "http://127.0.0.1:9/v1");
  EXPECT_EQ(evidence.outputs.at("endpoint"), "box");
  EXPECT_EQ(evidence.outputs.at("decision"), "d-1");
  router::v1::RouteReport report;
  ASSERT_TRUE(report.ParseFromString(evidence.route_report));
  EXPECT_EQ(report.usage().output_tokens(), 34);
  EXPECT_EQ(report.usage().assigned_model(), "m:7b");

  routing.mutable_endpoint()->set_credential("env:ANOTHER");
  work.routing = routing.SerializeAsString();
  EXPECT_THAT(external_->Check(work), IsError("CREDENTIAL_NOT_ALLOWED"));
  routing.mutable_endpoint()->clear_credential();
  routing.mutable_endpoint()->set_agent("somebody-else");
  work.routing = routing.SerializeAsString();
  work.agent = "me";
  EXPECT_THAT(external_->Check(work), IsError("WRONG_AGENT"));
}

TEST_F(ExternalBackendTest, WhatCannotBeDoneIsSaidBefore) {
  Use(Entry("[work]", "  model: {name: own, url: 'https://cloud.example'}\n"));
  Work work = Task("fak");
  EXPECT_THAT(external_->Check(work), AllOf(IsError("AGENT_UNKNOWN")));
  EXPECT_THAT(std::string(external_->Check(work).message()), HasSubstr("did you mean fake?"));
  work = Task();
  SY_EXPECT_OK(external_->Check(work));
  work.prompt.local_only = true;
  EXPECT_THAT(external_->Check(work), IsError("NOT_LOCAL"));
  work.prompt.local_only = false;
  work.routing = models::TestRouting("http://127.0.0.1:9", "box").SerializeAsString();
  EXPECT_THAT(external_->Check(work), IsError("MODEL_NOT_TAKEN"));
  work.routing = "not a route";
  EXPECT_THAT(external_->Check(work), IsError("ROUTING_UNKNOWN"));
  work = Task();
  work.external.instruction = "";
  EXPECT_THAT(external_->Check(work), IsError("INVALID_WORK"));
  work = Task();
  work.task_id = "../x";
  EXPECT_THAT(external_->Check(work), IsError("INVALID_WORK"));
  work = Task();
  work.repository.repository = "https://example.com/a/b";
  EXPECT_THAT(external_->Check(work), IsError("REPOSITORY_NOT_ALLOWED"));
  Use(Entry("[work, '{model}']", "  model: {routed: true}\n"));
  EXPECT_THAT(external_->Check(Task()), IsError("UNROUTED"));
  program_ = "/opt/no/such/agent";
  Use(Entry("[work]"));
  EXPECT_THAT(external_->Check(Task()), IsError("PROGRAM_MISSING"));
  EXPECT_THAT(external_->Capabilities(), IsEmpty());
  EXPECT_TRUE(external_->SelfTest()[0].ok) << "other work can do without it";
  EXPECT_THAT(external_->SelfTest()[0].detail, HasSubstr("0 of 1 agents can be run; "));
}

TEST_F(ExternalBackendTest, OffersEachAgentAndWhetherItTakesARoutedModel) {
  Use(Entry("[work]", "  model: {routed: true}\n"));
  EXPECT_THAT(external_->Capabilities(), ElementsAre("external:fake", "external-model:fake"));
  Use(Entry("[work]"));
  EXPECT_THAT(external_->Capabilities(), ElementsAre("external:fake"));
  EXPECT_TRUE(external_->Serves(WorkKind::kExternal));
  EXPECT_FALSE(external_->Serves(WorkKind::kPrompt));
}

TEST_F(ExternalBackendTest, WhatReachesBeyondItsFolderIsKnownAndRefusedToWorkThatMustStayInside) {
  Use(Entry("[work]"));
  Work work = Task();
  EXPECT_EQ(external_->ReachesBeyond(work), !sandboxed_);
  Use(Entry("[work]", "  network: true\n"));
  EXPECT_TRUE(external_->ReachesBeyond(work));
  work.inside_only = true;
  EXPECT_THAT(external_->Check(work), IsError("REACHES_BEYOND"));
}

TEST_F(ExternalBackendTest, NoAgentShowsWhatIsHidden) {
  Use(Entry("[work]"));
  const auto agents = ParseAgents("agents:\n" + Entry("[work]", "  read_only: [" + data_ + "]\n"));
  if (!agents.ok()) GTEST_SKIP() << "the folder for tests is one that no file may name";
  EXPECT_THAT(external_->SetAgents(*agents), IsError("AGENTS_UNSAFE"));
  SY_EXPECT_OK(external_->Check(Task()));
}

TEST_F(ExternalBackendTest, ItsChecksAreMadeInItsFolderAndReported) {
  Use(Entry("[work]", kResult));
  Work work = Task();
  work.checks = {{.name = "made", .check = checks::FileContains{.path = "made.txt", .text = "agent"}},
                 {.name = "more", .check = checks::FileExists{.path = "more.txt"}},
                 {.name = "nice", .optional = true, .check = checks::FileExists{.path = "nice.txt"}}};
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << "what failed checks mean is decided elsewhere";
  verification::v1::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(evidence.checks));
  ASSERT_EQ(report.steps_size(), 3);
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_PASSED);
  EXPECT_EQ(report.steps(1).status(), verification::v1::STEP_STATUS_FAILED);
  ASSERT_EQ(report.iterations_size(), 1);
  const verification::v1::Iteration& turn = report.iterations(0);
  EXPECT_EQ(turn.edit_format(), "external");
  EXPECT_EQ(turn.model(), "m:7b");
  EXPECT_EQ(turn.failed_at(), "VERIFY");
  EXPECT_EQ(turn.steps_failed(), 1);
  EXPECT_EQ(turn.input_tokens(), 1200);
  EXPECT_EQ(sink.steps().size(), 3u);
  EXPECT_EQ(sink.phases().back(), WorkPhase::kVerifying);
}

TEST_F(ExternalBackendTest, ChecksOfAnAgentThatFailedAreSkippedAndNeverLeftOut) {
  Use(Entry("[exit, '4']"));
  Work work = Task();
  work.checks = {{.name = "made", .check = checks::FileExists{.path = "made.txt"}}};
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  EXPECT_EQ(evidence.reason, "EXIT_STATUS");
  verification::v1::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(evidence.checks));
  ASSERT_EQ(report.steps_size(), 1);
  EXPECT_EQ(report.steps(0).status(), verification::v1::STEP_STATUS_SKIPPED);
  EXPECT_EQ(report.iterations(0).failed_at(), "GENERATE");
}

TEST_F(ExternalBackendTest, ItTriesAgainWithWhatFailedWhenTheTaskPermits) {
  Use(Entry("[mend]", kResult));
  Work work = Task();
  work.max_iterations = 5;
  work.checks = {{.name = "third", .check = checks::FileExists{.path = "turn3.txt"}},
                 {.name = "second", .check = checks::FileExists{.path = "turn2.txt"}}};
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.reason << ": " << evidence.message;
  verification::v1::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(evidence.checks));
  EXPECT_EQ(report.loop_end(), "PASSED");
  ASSERT_EQ(report.iterations_size(), 3) << report.DebugString();
  EXPECT_EQ(report.iterations(0).failed_at(), "VERIFY");
  EXPECT_EQ(report.iterations(0).steps_failed(), 2);
  EXPECT_THAT(report.iterations(0).feedback(), HasSubstr("turn3.txt"));
  EXPECT_EQ(report.iterations(1).steps_failed(), 1);
  EXPECT_EQ(report.iterations(2).failed_at(), "");
  EXPECT_TRUE(report.iterations(2).kept());
  EXPECT_EQ(evidence.summary, "turn 3");
  EXPECT_EQ(UsageOf(evidence).input_tokens(), 300);
  EXPECT_EQ(UsageOf(evidence).cost_micros(), 30'000);

  // What it costs ends it too; so does the number of turns, and the same failure twice.
  const auto ends = [&](const std::function<void(Work&)>& change) {
    Work other = Task();
    other.max_iterations = 3;
    other.checks = {{.name = "late", .check = checks::FileExists{.path = "turn9.txt"}}};
    change(other);
    CollectingSink ignored;
    verification::v1::CheckReport ended;
    EXPECT_TRUE(ended.ParseFromString(Run(other, ignored).checks));
    return absl::StrCat(ended.loop_end(), " ", ended.iterations_size());
  };
  EXPECT_EQ(ends([](Work& work) { work.max_cost_micros = 10'000; }), "COST_LIMIT 1");
  EXPECT_EQ(ends([](Work& work) { work.prompt.max_tokens = 50; }), "TOKEN_LIMIT 1");
  EXPECT_EQ(ends([](Work&) {}), "REPEATED_FAILURE 2");
  EXPECT_EQ(ends([](Work& work) { work.max_iterations = 0; }), " 1") << "no loop was asked for";
}

TEST_F(ExternalBackendTest, ChecksHaveOnlyWhatIsLeftOfTheAttemptsTime) {
  if (!HasSandbox()) GTEST_SKIP() << "a check that never ends needs one";
  Use(Entry("[work]"));
  Work work = Task();
  work.limits.time = absl::Seconds(6);
  work.checks = {{.name = "endless", .check = checks::CommandSucceeds{{"probe", "polite"}}}};
  CollectingSink sink;
  const Evidence evidence = Run(work, sink);
  verification::v1::CheckReport report;
  ASSERT_TRUE(report.ParseFromString(evidence.checks));
  ASSERT_EQ(report.steps_size(), 1);
  EXPECT_NE(report.steps(0).status(), verification::v1::STEP_STATUS_PASSED);
  // The program's own limit is a minute.
  EXPECT_LT(report.steps(0).duration().seconds(), 30);
}

TEST_F(ExternalBackendTest, ManyRunAtOnce) {
  Use(Entry("[work]"));
  std::vector<std::unique_ptr<CollectingSink>> sinks;
  for (int i = 0; i < 6; ++i) {
    sinks.push_back(std::make_unique<CollectingSink>());
    SY_ASSERT_OK(external_->Start(Task(), *sinks.back()).status());
  }
  for (const auto& sink : sinks) EXPECT_EQ(sink->Wait().outcome, Outcome::kSucceeded);
}

}  // namespace
}  // namespace switchyard::executor::external
