#include "tools/yard/spec_flags.h"

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"
#include "tools/yard/errors.h"
#include "tools/yard/model_view.h"
#include "tools/yard/task_names.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr std::string_view kFilterFlags[] = {"state",      "hold",       "lane",  "project", "type",
                                             "older-than", "newer-than", "title", "agent",   "principal"};

std::pair<std::string, std::string> SplitPair(std::string_view text) {
  const std::size_t equals = text.find('=');
  return {std::string(text.substr(0, equals)), std::string(text.substr(equals + 1))};
}

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

absl::Status BadCheck(std::string_view text, std::string_view why) {
  return UsageError("BAD_CHECK", absl::StrCat("--check '", ToAbsl(text), "': ", ToAbsl(why)),
                    "yard task submit --check 'command_succeeds: make test' ...");
}

// A missing argument of a check; words beyond the last one stay in it.
absl::Status FillCheck(std::string_view kind, const std::vector<std::string>& words, std::string_view whole,
                       tq::VerificationStep& step) {
  const auto need = [&](std::size_t least, std::size_t most, std::string_view shape) {
    if (words.size() >= least && words.size() <= most) return absl::OkStatus();
    return BadCheck(whole, absl::StrCat("write '", ToAbsl(kind), ToAbsl(shape), "'"));
  };
  if (kind == "command_succeeds" || kind == "test_passes") {
    SY_RETURN_IF_ERROR(need(1, 256, ": PROGRAM ARGS'"));
    auto* argv = kind == "test_passes" ? step.mutable_test_passes()->mutable_argv()
                                       : step.mutable_command_succeeds()->mutable_argv();
    argv->Add(words.begin(), words.end());
  } else if (kind == "file_exists") {
    SY_RETURN_IF_ERROR(need(1, 1, ": PATH"));
    step.mutable_file_exists()->set_path(words[0]);
  } else if (kind == "file_contains") {
    SY_RETURN_IF_ERROR(need(2, 2, ": PATH \"TEXT\""));
    step.mutable_file_contains()->set_path(words[0]);
    step.mutable_file_contains()->set_text(words[1]);
  } else if (kind == "changed_only") {
    SY_RETURN_IF_ERROR(need(1, 100, ": GLOB..."));
    step.mutable_changed_only()->mutable_globs()->Add(words.begin(), words.end());
  } else if (kind == "max_diff_lines") {
    SY_RETURN_IF_ERROR(need(1, 1, ": LINES"));
    int lines = 0;
    if (!absl::SimpleAtoi(words[0], &lines)) return BadCheck(whole, "LINES must be a whole number");
    step.mutable_max_diff_lines()->set_lines(lines);
  } else if (kind == "json_valid") {
    SY_RETURN_IF_ERROR(need(1, 1, ": PATH"));
    step.mutable_json_valid()->set_path(words[0]);
  } else if (kind == "http_ok") {
    SY_RETURN_IF_ERROR(need(1, 2, ": URL [STATUS]"));
    step.mutable_http_ok()->set_url(words[0]);
    int status = 0;
    if (words.size() > 1 && !absl::SimpleAtoi(words[1], &status)) return BadCheck(whole, "STATUS must be a number");
    step.mutable_http_ok()->set_expected_status(status);
  } else if (kind == "git_clean" || kind == "diff_not_empty" || kind == "no_secrets") {
    SY_RETURN_IF_ERROR(need(0, 0, ""));
    if (kind == "git_clean") step.mutable_git_clean();
    if (kind == "diff_not_empty") step.mutable_diff_not_empty();
    if (kind == "no_secrets") step.mutable_no_secrets();
  } else {
    std::vector<std::string_view> known;
    const auto* type = tq::VerificationStep::descriptor()->FindOneofByName("check");
    std::string all;
    for (int i = 0; i < type->field_count(); ++i) {
      known.push_back(type->field(i)->name());
      absl::StrAppend(&all, i == 0 ? "" : ", ", type->field(i)->name());
    }
    const std::string nearest = text::DidYouMean(kind, known);
    return BadCheck(
        whole, nearest.empty() ? absl::StrCat("the checks are ", all) : absl::StrCat("did you mean ", nearest, "?"));
  }
  return absl::OkStatus();
}

void ApplyContext(const Invocation& invocation, tq::TaskSpec& spec) {
  if (invocation.Has("repo")) spec.mutable_context()->set_repository(invocation.Get("repo"));
  if (invocation.Has("branch")) spec.mutable_context()->set_branch(invocation.Get("branch"));
  for (const char* flag : {"base-branch", "base"}) {
    if (invocation.Has(flag)) spec.mutable_context()->set_base_branch(invocation.Get(flag));
  }
  for (const std::string& sentence : invocation.All("criterion")) spec.add_success_criteria(sentence);
}

// Each brings along what it needs.
absl::Status ApplyDelivery(const Invocation& invocation, tq::TaskSpec& spec) {
  const bool merge = invocation.Has("auto-merge");
  const bool draft = invocation.Has("draft");
  const bool open = merge || draft || invocation.Has("pull-request");
  if (!open && !invocation.Has("push")) return absl::OkStatus();
  if (merge && draft) return UsageError("BAD_COMBINATION", "--draft and --auto-merge exclude each other");
  if (spec.context().repository().empty()) {
    return UsageError("BAD_COMBINATION", "--push and --pull-request go with --repo");
  }
  tq::Delivery& delivery = *spec.mutable_delivery();
  delivery.set_push(true);
  if (open) delivery.set_pull_request(true);
  if (merge) delivery.set_auto_merge(true);
  if (draft) delivery.set_draft(true);
  return absl::OkStatus();
}

void ApplyDependencies(const Invocation& invocation, tq::TaskSpec& spec) {
  for (const std::string& id : invocation.All("depends-on")) spec.add_dependencies()->set_task_id(id);
  if (invocation.Has("dependency-rule")) {
    spec.set_dependency_rule(Parse<tq::DependencyRule>(invocation.Get("dependency-rule")));
  }
  if (invocation.Has("on-dependency-failure")) {
    spec.set_on_dependency_failure(Parse<tq::OnDependencyFailure>(invocation.Get("on-dependency-failure")));
  }
  if (invocation.Has("continues")) spec.set_continues_task_id(invocation.Get("continues"));
}

void ApplyLimits(const Invocation& invocation, absl::Time now, tq::TaskSpec& spec) {
  if (const auto span = invocation.Span("run-limit")) ToProto(*span, spec.mutable_time_limits()->mutable_run());
  if (const auto span = invocation.Span("complete-within")) {
    ToProto(now + *span, spec.mutable_time_limits()->mutable_complete_by());
  }
  if (const auto span = invocation.Span("start-in")) ToProto(now + *span, spec.mutable_start_time());
  if (const auto number = invocation.Number("max-attempts")) {
    spec.mutable_retry_policy()->set_max_attempts(static_cast<int>(*number));
  }
  if (invocation.Has("on-lost")) spec.set_on_lost(Parse<tq::OnLost>(invocation.Get("on-lost")));
  if (invocation.Has("effects")) spec.set_effects(Parse<tq::Effects>(invocation.Get("effects")));
}

absl::Status ApplyExecutable(const Invocation& invocation, std::string_view prompt_text, tq::TaskSpec& spec) {
  const bool command = invocation.rest.has_value() && !invocation.rest->empty();
  if (command && invocation.Has("prompt")) {
    return UsageError("TWO_EXECUTABLES", "a command after '--' and a prompt exclude each other");
  }
  if (command) {
    spec.mutable_command()->clear_argv();
    spec.mutable_command()->mutable_argv()->Add(invocation.rest->begin(), invocation.rest->end());
  }
  if (invocation.Has("prompt")) spec.mutable_prompt()->set_instruction(std::string(prompt_text));
  if (spec.executable_case() == tq::TaskSpec::EXECUTABLE_NOT_SET) {
    return UsageError(
        "NOTHING_TO_RUN", "say what to run: '-- PROGRAM ARGS...', a prompt or -f FILE",
        absl::StrCat("yard ", invocation.command == nullptr ? "run" : ToAbsl(invocation.command->path), " --help"));
  }
  if (invocation.Has("system")) {
    if (!spec.has_prompt()) return UsageError("BAD_COMBINATION", "--system goes with a prompt only");
    spec.mutable_prompt()->set_system(invocation.Get("system"));
  }
  if (invocation.Has("edit-format")) {
    if (!spec.has_prompt()) return UsageError("BAD_COMBINATION", "--edit-format goes with a prompt only");
    spec.mutable_prompt()->set_edit_format(Parse<tq::EditFormat>(invocation.Get("edit-format")));
  }
  if (invocation.Has("workdir") || invocation.Has("env")) {
    if (!spec.has_command()) return UsageError("BAD_COMBINATION", "--workdir and --env go with a command only");
    if (invocation.Has("workdir")) spec.mutable_command()->set_working_directory(invocation.Get("workdir"));
    for (const std::string& pair : invocation.All("env")) {
      auto [name, value] = SplitPair(pair);
      (*spec.mutable_command()->mutable_environment())[name] = value;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  bool within = false;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
      word += text[++i];
      within = true;
    } else if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '\'' || c == '"') {
      quote = c;
      within = true;
    } else if (c == ' ' || c == '\t' || c == '\n') {
      if (within) words.push_back(std::exchange(word, ""));
      within = false;
    } else {
      word += c;
      within = true;
    }
  }
  if (quote != 0) return UsageError("BAD_QUOTES", absl::StrCat("unclosed quote in '", ToAbsl(text), "'"));
  if (within) words.push_back(std::move(word));
  return words;
}

absl::StatusOr<tq::VerificationStep> ParseCheck(std::string_view text) {
  constexpr std::string_view kOptional = "optional ";
  tq::VerificationStep step;
  std::string_view body = Trim(text);
  if (body.substr(0, kOptional.size()) == kOptional) {
    step.set_optional(true);
    body = Trim(body.substr(kOptional.size()));
  }
  const std::size_t colon = body.find(':');
  const std::string_view kind = Trim(body.substr(0, colon));
  const std::string_view value = colon == std::string_view::npos ? std::string_view() : Trim(body.substr(colon + 1));
  SY_ASSIGN_OR_RETURN(const std::vector<std::string> words, SplitWords(value));
  SY_RETURN_IF_ERROR(FillCheck(kind, words, text, step));
  return step;
}

absl::Status ApplySpecFlags(const Invocation& invocation, std::string_view prompt_text, absl::Time now,
                            tq::TaskSpec& spec) {
  SY_RETURN_IF_ERROR(ApplyExecutable(invocation, prompt_text, spec));
  if (invocation.Has("title")) spec.set_title(invocation.Get("title"));
  if (invocation.Has("description")) spec.set_description(invocation.Get("description"));
  if (invocation.Has("lane")) spec.set_lane(Parse<tq::Lane>(invocation.Get("lane")));
  if (invocation.Has("project")) spec.set_project(invocation.Get("project"));
  if (invocation.Has("type")) spec.set_task_type(invocation.Get("type"));
  if (invocation.Has("role")) spec.set_role(invocation.Get("role"));
  if (invocation.Has("complexity")) spec.set_complexity(Parse<tq::Complexity>(invocation.Get("complexity")));
  if (invocation.Has("model")) spec.mutable_model_pin()->set_model(invocation.Get("model"));
  if (invocation.Has("endpoint")) spec.mutable_model_pin()->set_endpoint(invocation.Get("endpoint"));
  if (invocation.Has("allow-fallback")) {
    if (!spec.has_model_pin()) return UsageError("BAD_COMBINATION", "--allow-fallback goes with --model or --endpoint");
    spec.mutable_model_pin()->set_allow_fallback(true);
  }
  if (invocation.Has("local-only")) spec.set_local_only(true);
  if (invocation.Has("routine")) spec.set_routine(true);
  if (invocation.Has("free-fallback")) spec.set_free_fallback(true);
  if (const auto number = invocation.Number("max-tokens")) spec.mutable_resource_limits()->set_max_tokens(*number);
  if (const auto number = invocation.Number("max-iterations")) {
    spec.mutable_resource_limits()->set_max_iterations(static_cast<int>(*number));
  }
  for (const std::string& family : invocation.All("exclude-family")) spec.add_excluded_model_families(family);
  if (invocation.Has("max-cost")) {
    const std::optional<std::int64_t> micros = ParseDollars(invocation.Get("max-cost"));
    if (!micros.has_value()) return UsageError("BAD_VALUE", "--max-cost wants dollars, such as 0.50");
    spec.mutable_resource_limits()->set_max_cost_micros(*micros);
  }
  for (const std::string& name : invocation.All("capability")) spec.add_capabilities(name);
  ApplyContext(invocation, spec);
  ApplyLimits(invocation, now, spec);
  SY_RETURN_IF_ERROR(ApplyDelivery(invocation, spec));
  ApplyDependencies(invocation, spec);
  for (const char* flag : {"check", "verify"}) {
    for (const std::string& check : invocation.All(flag)) {
      SY_ASSIGN_OR_RETURN(*spec.add_verification(), ParseCheck(check));
    }
  }
  for (const std::string& pair : invocation.All("metadata")) {
    auto [key, value] = SplitPair(pair);
    (*spec.mutable_metadata())[key] = value;
  }
  return absl::OkStatus();
}

bool HasFilter(const Invocation& invocation) {
  for (std::string_view name : kFilterFlags) {
    if (invocation.Has(name)) return true;
  }
  return false;
}

tq::TaskFilter FilterFromFlags(const Invocation& invocation, absl::Time now) {
  tq::TaskFilter filter;
  for (const std::string& text : invocation.All("state")) filter.add_states(Parse<tq::TaskState>(text));
  for (const std::string& text : invocation.All("hold")) filter.add_hold_reasons(Parse<tq::HoldReason>(text));
  for (const std::string& text : invocation.All("lane")) filter.add_lanes(Parse<tq::Lane>(text));
  for (const std::string& text : invocation.All("project")) filter.add_projects(text);
  for (const std::string& text : invocation.All("type")) filter.add_task_types(text);
  if (const auto age = invocation.Span("older-than")) ToProto(now - *age, filter.mutable_create_time_to());
  if (const auto age = invocation.Span("newer-than")) ToProto(now - *age, filter.mutable_create_time_from());
  filter.set_title_contains(invocation.Get("title"));
  filter.set_agent_id(invocation.Get("agent"));
  filter.set_principal(invocation.Get("principal"));
  return filter;
}

}  // namespace switchyard::yard
