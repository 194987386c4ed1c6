#include "services/executor/external/agents_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace switchyard::executor::external {
namespace {

using ::switchyard::testing::IsError;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kLeast =
    "agents:\n"
    "- name: a\n"
    "  program: /opt/a/agent\n"
    "  prompt: stdin\n"
    "  names_model: {from: output, pattern: 'model: (\\S+)'}\n";

std::vector<std::string> Faults(const std::string& yaml) {
  const absl::StatusOr<std::vector<AgentSpec>> agents = ParseAgents(yaml);
  std::vector<std::string> faults;
  if (agents.ok()) return faults;
  for (const FieldViolation& one : DetailsOf(agents.status()).violations) {
    faults.push_back(absl::StrCat(one.field, " ", one.description));
  }
  return faults;
}
// A faulty line more in an agent that is otherwise right.
std::vector<std::string> With(const std::string& line) { return Faults(absl::StrCat(kLeast, "  ", line, "\n")); }

TEST(AgentsFileTest, ReadsAllThatAnAgentMayHave) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<AgentSpec> agents, ParseAgents(R"(agents:
- name: one
  program: /opt/one/bin/one
  arguments: [--model, "{model}", "{prompt_file}"]
  environment: {KEY: "{credential}", PLAIN: text, API_KEY: none}
  files: {config.json: '{"m": "{model}"}'}
  network: true
  sandbox: optional
  read_only: [/opt/one]
  writable: [/srv/cache]
  limits: {time: 10m, memory: 1GiB, processes: 50}
  model: {name: m, aliases: [n, o], url: "https://h/v1", credential: "env:K", provider: p, local: true, routed: true}
  wake: {within: 5s, probe: [--version], file: ready, output: '(ready)'}
  names_model: {from: file, file: out.json, json: /model, within: 1m}
  result:
    file: out.json
    summary: {json: /text}
    input_tokens: {pattern: 'in=(\d+)', sum: true}
    output_tokens: {json: /usage/out}
    cost: {json: /cost}
    cached_apart: true
  success_exit_codes: [0, 3]
  inactivity: 2m
- name: two
  program: /opt/two
  prompt: stdin
  names_model: {from: probe, probe: [--which], pattern: '(.+)'}
)"));
  ASSERT_EQ(agents.size(), 2u);
  const AgentSpec& one = agents[0];
  EXPECT_EQ(one.name(), "one");
  EXPECT_THAT(one.arguments, ElementsAre("--model", "{model}", "{prompt_file}"));
  EXPECT_EQ(one.environment.at("KEY"), "{credential}");
  EXPECT_EQ(one.files.at("config.json"), "{\"m\": \"{model}\"}");
  EXPECT_TRUE(one.rule.network);
  EXPECT_TRUE(one.rule.sandbox_optional);
  EXPECT_THAT(one.rule.writable, ElementsAre("/srv/cache"));
  EXPECT_EQ(one.rule.limits.time, absl::Minutes(10));
  EXPECT_EQ(one.rule.limits.processes, 50u);
  EXPECT_EQ(one.model.name, "m");
  EXPECT_THAT(one.model.aliases, ElementsAre("n", "o"));
  EXPECT_TRUE(one.routed);
  EXPECT_TRUE(one.model.local);
  EXPECT_EQ(one.waking.within, absl::Seconds(5));
  EXPECT_EQ(one.waking.file, "ready");
  EXPECT_TRUE(one.waking.output.set());
  EXPECT_EQ(one.naming.by, NamedBy::kFile);
  EXPECT_EQ(one.naming.extract.pointer, "/model");
  EXPECT_TRUE(one.declared.input_tokens.sum);
  EXPECT_TRUE(one.declared.cached_apart);
  EXPECT_THAT(one.success_exit_codes, ElementsAre(0, 3));
  EXPECT_EQ(one.inactivity, absl::Minutes(2));
  EXPECT_EQ(agents[1].naming.by, NamedBy::kProbe);
  EXPECT_THAT(agents[1].success_exit_codes, ElementsAre(0));
  EXPECT_TRUE(agents[1].prompt_by_stdin);
}

TEST(AgentsFileTest, NothingAndAnEmptyListAreNoAgents) {
  SY_ASSERT_OK_AND_ASSIGN(const std::vector<AgentSpec> none, ParseAgents("agents:\n"));
  EXPECT_THAT(none, IsEmpty());
  EXPECT_THAT(Faults(""), Contains(HasSubstr("not a mapping")));
}

TEST(AgentsFileTest, UnknownKeysNameTheLikelyOne) {
  EXPECT_THAT(With("arguments_: []"), Contains(AllOf(HasSubstr("agents[0].arguments_"), HasSubstr("did you mean"))));
  EXPECT_THAT(With("model: {nmae: x}"), Contains(HasSubstr("did you mean \"name\"?")));
  EXPECT_THAT(With("wake: {prob: []}"), Contains(HasSubstr("did you mean \"probe\"?")));
  EXPECT_THAT(With("arguments: ['{promptfile}']"), Contains(HasSubstr("did you mean {prompt_file}?")));
}

TEST(AgentsFileTest, AllFaultsComeAtOnce) {
  EXPECT_GE(Faults("agents:\n- name: 'a b'\n  program: sh\n  netork: true\n").size(), 4u);
}

TEST(AgentsFileTest, ACredentialStandsInTheEnvironmentOnly) {
  EXPECT_THAT(With("arguments: ['--key={credential}']"), Contains(HasSubstr("environment only")));
  EXPECT_THAT(With("files: {c.json: '{credential}'}"), Contains(HasSubstr("environment only")));
  EXPECT_THAT(With("wake: {probe: ['{credential}']}"), Contains(HasSubstr("environment only")));
  EXPECT_THAT(With("environment: {API_KEY: sk-verysecret}"),
              Contains(AllOf(HasSubstr("looks like a secret"), ::testing::Not(HasSubstr("sk-verysecret")))));
  EXPECT_THAT(With("environment: {API_KEY: '{credential}', OTHER_KEY: unused}"), IsEmpty());
  EXPECT_THAT(With("model: {name: m, url: 'https://h', credential: sk-literal}"),
              Contains(AllOf(HasSubstr("env:NAME or file:PATH"), ::testing::Not(HasSubstr("sk-literal")))));
  EXPECT_THAT(With("model: {name: m, credential: 'env:K'}"), Contains(HasSubstr("only given out for a URL")));
}

TEST(AgentsFileTest, WhatCannotWorkIsRefused) {
  EXPECT_THAT(Faults("agents:\n- name: a\n  program: /opt/a\n  prompt: stdin\n"), Contains(HasSubstr("names_model")));
  EXPECT_THAT(Faults("agents:\n- name: a\n  program: /opt/a\n  names_model: {from: output, pattern: '(x)'}\n"),
              Contains(HasSubstr("nothing tells the agent its prompt")));
  EXPECT_THAT(With("arguments: ['{model}']"), Contains(HasSubstr("needs a name or routed: true")));
  EXPECT_THAT(Faults("agents:\n- name: a\n  program: /usr/bin/bash\n  prompt: stdin\n"
                     "  names_model: {from: output, pattern: '(x)'}\n"),
              Contains(HasSubstr("is a shell")));
  EXPECT_THAT(Faults(absl::StrCat(kLeast,
                                  "- name: a\n  program: /opt/a\n  prompt: stdin\n"
                                  "  names_model: {from: output, pattern: '(x)'}\n")),
              Contains(HasSubstr("name of another agent")));
  EXPECT_THAT(With("writable: [/etc]"), Contains(HasSubstr("cannot be shown to tasks")));
  EXPECT_THAT(With("success_exit_codes: [256]"), Contains(HasSubstr("from 0 to 125")));
  EXPECT_THAT(With("success_exit_codes: []"), Contains(HasSubstr("is empty")));
  EXPECT_THAT(With("files: {a/b: x}"), Contains(HasSubstr("without a folder")));
  EXPECT_THAT(With("files: {prompt.md: x}"), Contains(HasSubstr("file of the prompt")));
  EXPECT_THAT(With("result: {file: r, summary: {json: text}}"), Contains(HasSubstr("JSON pointer")));
  EXPECT_THAT(With("result: {summary: {pattern: 'no group'}}"), Contains(HasSubstr("has no group")));
  EXPECT_THAT(With("result: {summary: {pattern: '('}}"), Contains(HasSubstr("no RE2 expression")));
  EXPECT_THAT(With("result: {summary: {json: /a, pattern: '(a)'}}"), Contains(HasSubstr("both")));
  EXPECT_THAT(With("result: {file: r}\n  files: {r: x}"), Contains(HasSubstr("agent is to write")));
}

TEST(AgentsFileTest, NamingTheModelNeedsWhatItNames) {
  const auto naming = [](const std::string& text) {
    return Faults("agents:\n- name: a\n  program: /opt/a\n  prompt: stdin\n  names_model: " + text + "\n");
  };
  EXPECT_THAT(naming("{from: output}"), Contains(HasSubstr("needs json or pattern")));
  EXPECT_THAT(naming("{from: file, json: /m}"), Contains(HasSubstr("belongs to from: file")));
  EXPECT_THAT(naming("{from: probe, json: /m}"), Contains(HasSubstr("belongs to from: probe")));
  EXPECT_THAT(naming("{from: output, file: f, json: /m}"), Contains(HasSubstr("only there")));
  EXPECT_THAT(naming("{from: guess, json: /m}"), Contains(HasSubstr("must be output, file or probe")));
}

TEST(AgentsFileTest, OthersMayNotWriteTheFile) {
  testing::TempDir folder;
  const std::string path = folder.Write("agents.yaml", kLeast);
  chmod(path.c_str(), 0644);
  SY_EXPECT_OK(LoadAgents(path));
  chmod(path.c_str(), 0664);
  EXPECT_THAT(LoadAgents(path), IsError("AGENTS_UNSAFE"));
  chmod(path.c_str(), 0646);
  EXPECT_THAT(LoadAgents(path), IsError("AGENTS_UNSAFE"));
  EXPECT_THAT(LoadAgents(folder.File("missing")), IsError("AGENTS_UNREADABLE"));
}

TEST(AgentsFileTest, EveryExampleCanBeRead) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(EXAMPLES)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path());
    std::stringstream text;
    text << file.rdbuf();
    const absl::StatusOr<std::vector<AgentSpec>> agents = ParseAgents(text.str());
    SY_EXPECT_OK(agents.status()) << entry.path();
    if (!agents.ok()) continue;
    ASSERT_EQ(agents->size(), 1u) << entry.path();
    EXPECT_EQ(agents->front().name(), entry.path().stem()) << "named as its file";
    EXPECT_TRUE(agents->front().waking.probe.size() == 1) << entry.path();
    names.push_back(agents->front().name());
  }
  std::sort(names.begin(), names.end());
  EXPECT_THAT(names, ElementsAre("aider", "claude-code", "codex", "gemini", "goose", "opencode"));
}

TEST(AgentsFileTest, TheFuzzTargetTakesWhatIsKnown) {
  for (std::string text : {std::string(kLeast), std::string(), std::string("agents: [{"), std::string("\xff\xfe")}) {
    text += std::string("\0model: x\n", 10);
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  }
}

}  // namespace
}  // namespace switchyard::executor::external
