#include "services/router/facts_convert.h"

#include <string_view>
#include <vector>

namespace switchyard::router {
namespace {

namespace tq = task_queue::v1;

// Everything that is said to the model, each a message of its own.
std::vector<std::string_view> TextsOf(const tq::TaskSpec& spec) {
  std::vector<std::string_view> texts = {spec.prompt().system(), spec.prompt().instruction(),
                                         spec.external().instruction(), spec.title(), spec.description()};
  for (const std::string& criterion : spec.success_criteria()) texts.push_back(criterion);
  for (const std::string& file : spec.context().files()) texts.push_back(file);
  for (const std::string& reference : spec.context().references()) texts.push_back(reference);
  return texts;
}

WorkKind KindOf(const tq::TaskSpec& spec) {
  switch (spec.executable_case()) {
    case tq::TaskSpec::kCommand:
      return WorkKind::kCommand;
    case tq::TaskSpec::kAction:
      return WorkKind::kAction;
    case tq::TaskSpec::kExternal:
      // An agent has a model of its own, unless the task asks for one: that is chosen as for a prompt.
      return spec.has_model_pin() || !spec.role().empty() ? WorkKind::kPrompt : WorkKind::kExternal;
    default:
      return WorkKind::kPrompt;
  }
}

}  // namespace

TaskFacts FromProto(const tq::TaskSpec& spec, const RaisingWords& words) {
  TaskFacts facts;
  facts.kind = KindOf(spec);
  facts.project = spec.project().empty() ? "default" : spec.project();
  facts.task_type = spec.task_type();
  facts.role = spec.role();
  if (tq::Complexity_IsValid(spec.complexity())) facts.complexity = static_cast<Complexity>(spec.complexity());
  facts.routine = spec.routine();
  facts.local_only = spec.local_only();
  facts.pin = {.model = spec.model_pin().model(),
               .endpoint = spec.model_pin().endpoint(),
               .allow_fallback = spec.model_pin().allow_fallback()};
  facts.excluded_families.assign(spec.excluded_model_families().begin(), spec.excluded_model_families().end());
  facts.urgent = spec.lane() == tq::LANE_URGENT;
  if (tq::Effects_IsValid(spec.effects()) && spec.effects() != 0) facts.effects = static_cast<Effects>(spec.effects());
  facts.max_tokens = spec.resource_limits().max_tokens();
  facts.max_cost_micros = spec.resource_limits().max_cost_micros();
  if (facts.kind == WorkKind::kPrompt) ReadText(words, TextsOf(spec), facts);
  return facts;
}

TaskFacts FromProto(const tq::Task& task, const RoutedByGeneration& routed, const RaisingWords& words) {
  TaskFacts facts = FromProto(task.spec(), words);
  for (const tq::Attempt& attempt : task.history()) {
    const tq::Usage& usage = attempt.usage();
    FormerAttempt& former = facts.former.emplace_back();
    if (tq::AttemptOutcome_IsValid(attempt.outcome())) former.outcome = static_cast<AttemptOutcome>(attempt.outcome());
    // What was asked for; another one that answered would be its alias, or was refused.
    former.model = usage.assigned_model().empty() ? usage.model() : usage.assigned_model();
    former.endpoint = usage.endpoint();
    if (const auto known = routed.find(attempt.generation()); known != routed.end()) {
      if (former.model.empty()) former.model = known->second.model;
      if (former.endpoint.empty()) former.endpoint = known->second.endpoint;
      former.tier = known->second.tier;
      former.nothing_sent = former.outcome == AttemptOutcome::kReleased && known->second.unused;
    }
  }
  return facts;
}

}  // namespace switchyard::router
