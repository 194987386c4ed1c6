#include "services/task_queue/spec_validation.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "libs/base/strings.h"
#include "services/task_queue/request_validation.h"

namespace switchyard::task_queue {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

v1::TaskSpec Spec(const std::string& text) {
  v1::TaskSpec spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}
v1::TaskSpec Minimal() { return Spec(R"pb(command { argv: "true" })pb"); }

auto Fault(const std::string& field, const std::string& words) {
  return AllOf(Field(&FieldViolation::field, field), Field(&FieldViolation::description, HasSubstr(words)));
}
std::vector<FieldViolation> Faults(const v1::TaskSpec& spec) { return ValidateSpec(spec, "spec", kNow); }
std::vector<FieldViolation> FaultsWith(const std::string& text) {
  v1::TaskSpec spec = Minimal();
  spec.MergeFrom(Spec(text));
  return Faults(spec);
}
std::vector<FieldViolation> FaultsAfter(const std::function<void(v1::TaskSpec&)>& change) {
  v1::TaskSpec spec = Minimal();
  change(spec);
  return Faults(spec);
}

TEST(SpecValidationTest, AcceptsTheLeastTask) { EXPECT_THAT(Faults(Minimal()), IsEmpty()); }

TEST(SpecValidationTest, AcceptsATaskThatUsesEverything) {
  EXPECT_THAT(
      Faults(Spec(R"pb(
        schema_version: 1
        title: "größer"
        description: "two\nlines\twith a tab"
        command {
          argv: "make"
          argv: ""
          argv: "a\nb"
          working_directory: "src/..hidden/x"
          environment { key: "PATH_1" value: "" }
          stdin: "\000\377"
        }
        lane: LANE_LOW
        project: "team-a/core_x.1"
        task_type: "docs"
        role: "writer"
        complexity: COMPLEXITY_COMPLEX
        routine: true
        model_pin { model: "qwen2.5-coder:7b" endpoint: "host-a" allow_fallback: true }
        capabilities: "model:qwen2.5-coder:7b@host-a"
        context { repository: "https://example.org/x.git" branch: "a/b" files: "a/b.cc" references: "see there" }
        success_criteria: "It builds."
        verification {
          name: "f"
          timeout { seconds: 5 }
          file_exists { path: "out/a" }
        }
        verification {
          file_contains { path: "a" text: "b" }
          optional: true
        }
        verification { test_passes { argv: "ctest" } }
        verification { command_succeeds { argv: "true" } }
        verification { git_clean {} }
        verification { diff_not_empty {} }
        verification { changed_only { globs: "docs/**" globs: "*.{h,cc}" } }
        verification { max_diff_lines { lines: 500 } }
        verification { json_valid { path: "a.json" schema_json: "{\"type\": [\"object\"]}" } }
        verification { http_ok { url: "HTTPS://example.org:8443/x?y=%20" expected_status: 204 } }
        verification { no_secrets {} }
        verdict_policy: VERDICT_POLICY_REQUIRED
        time_limits {
          accept { seconds: 3600 }
          run { seconds: 604800 }
          stuck { nanos: 1 }
          complete_by { seconds: 1000 }
          time_to_live { seconds: 60 }
        }
        retry_policy {
          max_attempts: 20
          backoff {}
          backoff { seconds: 604800 }
        }
        on_lost: ON_LOST_RETRY
        effects: EFFECTS_HOST
        expected_duration { seconds: 30 }
        start_time { seconds: 1790000600 }
        resource_limits { max_tokens: 1 max_cost_micros: 1 max_iterations: 20 }
        excluded_model_families: "qwen"
        delivery { push: true pull_request: true auto_merge: true }
        dependencies { task_id: "01900000-0000-7000-8000-000000000001" }
        dependencies {
          task_id: "01900000-0000-7000-8000-000000000002"
          optional: true
          deadline { seconds: 1790000600 }
        }
        dependency_rule: DEPENDENCY_RULE_ANY
        on_dependency_failure: ON_DEPENDENCY_FAILURE_RUN
        continues_task_id: "01900000-0000-7000-8000-000000000003"
        metadata { key: "team" value: "a\nb" }
      )pb")),
      IsEmpty());
}

TEST(SpecValidationTest, ReportsAllFaultsAtOnce) {
  const std::vector<FieldViolation> faults = Faults(Spec(R"pb(
    schema_version: 2
    command { working_directory: "/etc" }
    project: "Upper"
    retry_policy { max_attempts: -1 }
    time_limits { run { seconds: -5 } }
    dependencies { task_id: "x" }
  )pb"));
  EXPECT_THAT(
      faults,
      UnorderedElementsAre(
          Fault("spec.schema_version", "SCHEMA_VERSION_UNSUPPORTED: this server understands 0 to 1, got 2"),
          Fault("spec.command.argv", "1 to 256 entries, got none"), Fault("spec.command.working_directory", "absolute"),
          Fault("spec.project", "lower-case"), Fault("spec.retry_policy.max_attempts", "0 to 20, got -1"),
          Fault("spec.time_limits.run", "must not be negative, got -5s"),
          Fault("spec.dependencies[0].task_id", "UUID")));
}

TEST(SpecValidationTest, NeedsSomethingToExecute) {
  EXPECT_THAT(Faults(v1::TaskSpec()), ElementsAre(Fault("spec.executable", "exactly one of")));
}

TEST(SpecValidationTest, ChecksTheExecutablePart) {
  EXPECT_THAT(FaultsWith("command { argv: 'a\\000b' }"), ElementsAre(Fault("spec.command.argv[1]", "NUL byte")));
  EXPECT_THAT(Faults(Spec("command { argv: '' }")), ElementsAre(Fault("spec.command.argv[0]", "must name a program")));
  EXPECT_THAT(FaultsWith("command { working_directory: 'a/../../b' }"),
              ElementsAre(Fault("spec.command.working_directory", "\"..\"")));
  EXPECT_THAT(FaultsWith("command { environment { key: '1A' } }"),
              ElementsAre(Fault("spec.command.environment[\"1A\"]", "letters, digits and '_'")));
  EXPECT_THAT(FaultsWith("command { environment { key: '' } }"), SizeIs(1));
  EXPECT_THAT(Faults(Spec("prompt {}")), ElementsAre(Fault("spec.prompt.instruction", "must not be empty")));
  EXPECT_THAT(Faults(Spec("action { name: 'x' }")), ElementsAre(Fault("spec.action.name", "catalogue/name")));
  EXPECT_THAT(Faults(Spec("action { name: 'a/b/c' }")), SizeIs(1));
  EXPECT_THAT(Faults(Spec("action { name: 'a/b' }")), IsEmpty());
  EXPECT_THAT(Faults(Spec("external { instruction: 'x' }")),
              ElementsAre(Fault("spec.external.agent", "must not be empty")));
}

TEST(SpecValidationTest, ChecksJson) {
  const auto faults = [](const std::string& json) {
    v1::TaskSpec spec = Spec("action { name: 'a/b' }");
    spec.mutable_action()->set_parameters_json(json);
    return Faults(spec);
  };
  EXPECT_THAT(faults(R"({"a": [1, 2.5e3, null, "x"]})"), IsEmpty());
  for (const std::string bad : {"[]", "1", "\"x\"", "null", "{", "{} {}", "{'a': 1}", "{\"a\": \"\\u0000\"}",
                                "{\"a\": \"\xff\"}", "{\"a\": 1e999999}", " "}) {
    EXPECT_THAT(faults(bad), ElementsAre(Fault("spec.action.parameters_json", "must be a JSON object"))) << bad;
  }
  EXPECT_THAT(faults("{\"a\":" + std::string(20000, '[') + std::string(20000, ']') + "}"),
              ElementsAre(Fault("spec.action.parameters_json", "at most 64 levels deep")));
  EXPECT_THAT(faults("{\"a\": \"" + std::string(70000, 'x') + "\"}"),
              ElementsAre(Fault("spec.action.parameters_json", "at most 65536 bytes, got 70009")));
}

TEST(SpecValidationTest, ChecksVerificationSteps) {
  const auto faults = [](const std::string& step) { return FaultsWith("verification { " + step + " }"); };
  EXPECT_THAT(faults(""), ElementsAre(Fault("spec.verification[0].check", "got none")));
  EXPECT_THAT(faults("file_exists {}"),
              ElementsAre(Fault("spec.verification[0].file_exists.path", "must not be empty")));
  EXPECT_THAT(faults("file_exists { path: '..' }"), SizeIs(1));
  EXPECT_THAT(faults("file_exists { path: 'a/..' }"), SizeIs(1));
  EXPECT_THAT(faults("file_contains { path: 'a' }"),
              ElementsAre(Fault("spec.verification[0].file_contains.text", "must not be empty")));
  EXPECT_THAT(faults("test_passes {}"), ElementsAre(Fault("spec.verification[0].test_passes.argv", "got none")));
  EXPECT_THAT(faults("changed_only {}"), ElementsAre(Fault("spec.verification[0].changed_only.globs", "1 to 100")));
  EXPECT_THAT(faults("changed_only { globs: 'a' globs: '[z-a]' globs: '/etc/*' }"),
              ElementsAre(Field(&FieldViolation::field, "spec.verification[0].changed_only.globs[1]"),
                          Field(&FieldViolation::field, "spec.verification[0].changed_only.globs[2]")));
  EXPECT_THAT(faults("max_diff_lines { lines: 0 }"),
              ElementsAre(Fault("spec.verification[0].max_diff_lines.lines", "got 0")));
  EXPECT_THAT(faults("json_valid { path: 'a' schema_json: '[]' }"),
              ElementsAre(Fault("spec.verification[0].json_valid.schema_json", "JSON object")));
  EXPECT_THAT(faults("git_clean {} timeout { seconds: 1 nanos: -1 }"),
              ElementsAre(Fault("spec.verification[0].timeout", "not a valid duration")));
  for (const std::string url :
       {"ftp://x/", "http://", "https:///x", "example.org", "http", "javascript:x", "http://:80/"}) {
    EXPECT_THAT(faults("http_ok { url: '" + url + "' }"),
                ElementsAre(Fault("spec.verification[0].http_ok.url", "http")))
        << url;
  }
  EXPECT_THAT(faults("http_ok { url: 'http://x' expected_status: 99 }"),
              ElementsAre(Fault("spec.verification[0].http_ok.expected_status", "100 to 599, got 99")));
}

TEST(SpecValidationTest, RefusesUnknownEnumerators) {
  EXPECT_THAT(
      FaultsAfter([](auto& spec) {
        spec.set_lane(static_cast<v1::Lane>(99));
        spec.set_complexity(static_cast<v1::Complexity>(-1));
        spec.set_verdict_policy(static_cast<v1::VerdictPolicy>(3));
        spec.set_on_lost(static_cast<v1::OnLost>(3));
        spec.set_effects(static_cast<v1::Effects>(4));
        spec.set_dependency_rule(static_cast<v1::DependencyRule>(3));
        spec.set_on_dependency_failure(static_cast<v1::OnDependencyFailure>(-1));
      }),
      ElementsAre(Fault("spec.lane", "got 99"), Fault("spec.complexity", "got -1"),
                  Fault("spec.verdict_policy", "got 3"), Fault("spec.on_lost", "got 3"), Fault("spec.effects", "got 4"),
                  Fault("spec.dependency_rule", "got 3"), Fault("spec.on_dependency_failure", "got -1")));
}

TEST(SpecValidationTest, ChecksDependencies) {
  const std::string id = "01900000-0000-7000-8000-00000000000a";
  const std::string same = "01900000-0000-7000-8000-00000000000A";
  EXPECT_THAT(FaultsWith("dependencies {}"), ElementsAre(Fault("spec.dependencies[0].task_id", "must be set")));
  EXPECT_THAT(FaultsWith("dependencies { task_id: '" + id + "' } dependencies { task_id: '" + same + "' }"),
              ElementsAre(Fault("spec.dependencies[1].task_id", "named before")));
  EXPECT_THAT(FaultsWith("dependencies { task_id: '" + id + "' } continues_task_id: '" + id + "'"),
              ElementsAre(Fault("spec.continues_task_id", "named before")));
  EXPECT_THAT(FaultsWith("dependencies { task_id: '" + id + "' deadline { seconds: 5 } }"),
              ElementsAre(Fault("spec.dependencies[0].deadline", "goes with optional only")));
  EXPECT_THAT(FaultsWith("dependencies { task_id: '" + id + "' optional: true deadline { seconds: 253402300799 } }"),
              ElementsAre(Fault("spec.dependencies[0].deadline", "at most 20")));
}

TEST(SpecValidationTest, WhoAsksForStepsIsJudged) {
  const std::string steps = "verification { git_clean {} } ";
  EXPECT_THAT(FaultsWith(steps + "verdict_policy: VERDICT_POLICY_NONE"),
              ElementsAre(Fault("spec.verdict_policy", "does not go with verification steps")));
  EXPECT_THAT(FaultsWith(steps + "verdict_policy: VERDICT_POLICY_REQUIRED"), IsEmpty());
  EXPECT_THAT(FaultsWith(steps), IsEmpty());
  EXPECT_THAT(FaultsWith("verdict_policy: VERDICT_POLICY_NONE"), IsEmpty());
}

TEST(SpecValidationTest, EachStepOfADeliveryNeedsTheOneBefore) {
  const auto faults = [](const std::string& delivery) {
    return FaultsWith("context { repository: 'app' } delivery { " + delivery + " }");
  };
  EXPECT_THAT(faults(""), IsEmpty());
  EXPECT_THAT(faults("push: true pull_request: true draft: true"), IsEmpty());
  EXPECT_THAT(faults("pull_request: true"), ElementsAre(Fault("spec.delivery.pull_request", "needs push")));
  EXPECT_THAT(faults("push: true auto_merge: true"),
              ElementsAre(Fault("spec.delivery.auto_merge", "needs pull_request")));
  EXPECT_THAT(faults("push: true draft: true"), ElementsAre(Fault("spec.delivery.draft", "needs pull_request")));
  EXPECT_THAT(faults("push: true pull_request: true auto_merge: true draft: true"),
              ElementsAre(Fault("spec.delivery.draft", "not merged")));
  EXPECT_THAT(FaultsWith("delivery { push: true }"),
              ElementsAre(Fault("spec.delivery.push", "needs context.repository")));
}

TEST(SpecValidationTest, ChecksTimes) {
  EXPECT_THAT(FaultsWith("time_limits { accept { seconds: 3601 } }"),
              ElementsAre(Fault("spec.time_limits.accept", "at most 1h, got 1h1s")));
  EXPECT_THAT(FaultsWith("time_limits { run { seconds: 604801 } }"), SizeIs(1));
  EXPECT_THAT(FaultsWith("time_limits { run { seconds: 9223372036854775807 } }"),
              ElementsAre(Fault("spec.time_limits.run", "not a valid duration")));
  EXPECT_THAT(FaultsWith("time_limits { stuck { nanos: 1000000000 } }"), SizeIs(1));
  EXPECT_THAT(FaultsWith("start_time { seconds: -62135596801 }"), ElementsAre(Fault("spec.start_time", "1 to 9999")));
  EXPECT_THAT(FaultsWith("start_time { nanos: -1 }"), SizeIs(1));
  EXPECT_THAT(FaultsWith("start_time { seconds: 253402300799 }"), ElementsAre(Fault("spec.start_time", "at most 20")));
  EXPECT_THAT(FaultsWith("time_limits { complete_by { seconds: 253402300800 } }"), SizeIs(1));
  EXPECT_THAT(FaultsWith("expected_duration { seconds: -1 }"), SizeIs(1));
  EXPECT_THAT(FaultsWith("retry_policy { backoff { seconds: 1 } backoff { seconds: -1 } }"),
              ElementsAre(Fault("spec.retry_policy.backoff[1]", "must not be negative")));
  EXPECT_THAT(FaultsWith("resource_limits { max_tokens: -1 max_cost_micros: -2 }"),
              ElementsAre(Fault("spec.resource_limits.max_tokens", "got -1"),
                          Fault("spec.resource_limits.max_cost_micros", "got -2")));
}

TEST(SpecValidationTest, StatesEveryLimitAndWhatWasGiven) {
  struct Case {
    std::string field;
    std::string words;
    std::function<void(v1::TaskSpec&)> change;
  };
  const auto many = [](auto* list, int count) {
    for (int i = 0; i < count; ++i) list->Add("x");
  };
  const std::vector<Case> cases = {
      {"spec.title", "at most 200 bytes, got 201", [](auto& s) { s.set_title(std::string(201, 'x')); }},
      {"spec.title", "one line", [](auto& s) { s.set_title("a\nb"); }},
      {"spec.description", "at most 65536 bytes", [](auto& s) { s.set_description(std::string(65537, 'x')); }},
      {"spec.description", "NUL", [](auto& s) { s.set_description(std::string("a\0b", 3)); }},
      {"spec.description", "UTF-8", [](auto& s) { s.set_description("a\xc3("); }},
      {"spec.command.argv", "at most 256 entries, got 257",
       [&](auto& s) { many(s.mutable_command()->mutable_argv(), 256); }},
      {"spec.command.argv[1]", "32768", [](auto& s) { s.mutable_command()->add_argv(std::string(32769, 'x')); }},
      {"spec.command.stdin", "262144", [](auto& s) { s.mutable_command()->set_stdin(std::string(262145, 'x')); }},
      {"spec.prompt.instruction", "524288",
       [](auto& s) { s.mutable_prompt()->set_instruction(std::string(524289, 'x')); }},
      {"spec.project", "at most 100 bytes, got 101", [](auto& s) { s.set_project(std::string(101, 'x')); }},
      {"spec.task_type", "100", [](auto& s) { s.set_task_type(std::string(101, 'x')); }},
      {"spec.role", "100", [](auto& s) { s.set_role(std::string(101, 'x')); }},
      {"spec.capabilities", "at most 64 entries, got 65", [&](auto& s) { many(s.mutable_capabilities(), 65); }},
      {"spec.capabilities[0]", "200", [](auto& s) { s.add_capabilities(std::string(201, 'x')); }},
      {"spec.success_criteria", "64", [&](auto& s) { many(s.mutable_success_criteria(), 65); }},
      {"spec.success_criteria[0]", "4096", [](auto& s) { s.add_success_criteria(std::string(4097, 'x')); }},
      {"spec.context.files", "1000", [&](auto& s) { many(s.mutable_context()->mutable_files(), 1001); }},
      {"spec.context.files[0]", "1024", [](auto& s) { s.mutable_context()->add_files(std::string(1025, 'x')); }},
      {"spec.context.references", "100", [&](auto& s) { many(s.mutable_context()->mutable_references(), 101); }},
      {"spec.context.repository", "2048", [](auto& s) { s.mutable_context()->set_repository(std::string(2049, 'x')); }},
      {"spec.verification", "64",
       [](auto& s) {
         for (int i = 0; i < 65; ++i) s.add_verification()->mutable_git_clean();
       }},
      {"spec.retry_policy.backoff", "20",
       [](auto& s) {
         for (int i = 0; i < 21; ++i) s.mutable_retry_policy()->add_backoff();
       }},
      {"spec.metadata[\"k\"]", "4096", [](auto& s) { (*s.mutable_metadata())["k"] = std::string(4097, 'x'); }},
      {"spec.concurrency_key", "not supported", [](auto& s) { s.set_concurrency_key("x"); }},
      {"spec.parent_task_id", "not supported", [](auto& s) { s.set_parent_task_id("x"); }},
      {"spec.continues_task_id", "must be a UUID", [](auto& s) { s.set_continues_task_id("x"); }},
      {"spec.dependencies", "at most 100 entries, got 101",
       [](auto& s) {
         for (int i = 0; i < 101; ++i) {
           s.add_dependencies()->set_task_id(absl::StrCat("01900000-0000-7000-8000-000000000", 100 + i));
         }
       }},
      {"spec.excluded_model_families", "at most 16 entries, got 17",
       [&](auto& s) { many(s.mutable_excluded_model_families(), 17); }},
      {"spec.excluded_model_families[0]", "100", [](auto& s) { s.add_excluded_model_families(std::string(101, 'x')); }},
      {"spec.resource_limits.max_iterations", "0 to 20, got 21",
       [](auto& s) { s.mutable_resource_limits()->set_max_iterations(21); }},
      {"spec.prompt.edit_format", "got 9",
       [](auto& s) {
         s.mutable_prompt()->set_instruction("x");
         s.mutable_prompt()->set_edit_format(static_cast<v1::EditFormat>(9));
       }},
  };
  for (const Case& test : cases) {
    EXPECT_THAT(FaultsAfter(test.change), ElementsAre(Fault(test.field, test.words)))
        << test.field << ": " << test.words;
  }
}

TEST(SpecValidationTest, CountsAHundredThousandKeysInOneFault) {
  EXPECT_THAT(
      FaultsAfter([](auto& spec) {
        for (int i = 0; i < 100000; ++i) (*spec.mutable_metadata())[absl::StrCat("k", i)] = "v";
      }),
      ElementsAre(Fault("spec", "at most 1048576 bytes"), Fault("spec.metadata", "at most 64 entries, got 100000")));
}

TEST(SpecValidationTest, BoundsItsAnswer) {
  v1::SubmitTasksRequest request;
  for (int i = 0; i < 1000; ++i) request.add_tasks()->mutable_spec();
  const std::vector<FieldViolation> faults = Validate(request, kNow);
  ASSERT_THAT(faults, SizeIs(FaultList::kBound + 1));
  EXPECT_EQ(faults[0].field, "tasks[0].spec.executable");
  EXPECT_THAT(faults.back(), Fault("", "900 more faults are not shown"));
}

TEST(SpecValidationTest, ShowsKeysHarmlessly) {
  const auto faults =
      FaultsAfter([](auto& spec) { (*spec.mutable_metadata())["\x1b[31m\"" + std::string(200, 'k')] = "v"; });
  ASSERT_THAT(faults, SizeIs(1));
  EXPECT_THAT(faults[0].field, HasSubstr("spec.metadata[\"?[31m?kkk"));
  EXPECT_LT(faults[0].field.size(), 90u);
}

TEST(SpecValidationTest, TakesTimesThatHavePassedSoThatARepeatIsAnsweredAsBefore) {
  EXPECT_THAT(FaultsWith("start_time { seconds: 1 } time_limits { complete_by { seconds: 1 } }"), IsEmpty());
}

}  // namespace
}  // namespace switchyard::task_queue
