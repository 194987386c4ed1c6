#include "tools/yard/usage_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tools/yard/model_view.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

}  // namespace

bool UsedModel(const tq::Usage& usage) {
  return !usage.model().empty() || !usage.assigned_model().empty() || !usage.endpoint().empty() ||
         usage.input_tokens() + usage.output_tokens() > 0;
}

const tq::Usage& LastUsage(const tq::Task& task) {
  if (UsedModel(task.result().usage())) return task.result().usage();
  for (auto attempt = task.history().rbegin(); attempt != task.history().rend(); ++attempt) {
    if (UsedModel(attempt->usage())) return attempt->usage();
  }
  return tq::Usage::default_instance();
}

std::string ModelText(const tq::Usage& usage) {
  const std::string& model = usage.model().empty() ? usage.assigned_model() : usage.model();
  if (model.empty() || usage.endpoint().empty()) return model;
  return absl::StrCat(model, " at ", usage.endpoint());
}

std::string TokensText(const tq::Usage& usage) {
  if (usage.input_tokens() + usage.output_tokens() == 0) return "";
  std::vector<std::string> cached;
  if (usage.cached_input_tokens() > 0) cached.push_back(absl::StrCat(usage.cached_input_tokens(), " from a cache"));
  if (usage.cache_write_tokens() > 0) cached.push_back(absl::StrCat(usage.cache_write_tokens(), " written to one"));
  return absl::StrCat(usage.input_tokens(), " in",
                      cached.empty() ? "" : absl::StrCat(" (", absl::StrJoin(cached, ", "), ")"), ", ",
                      usage.output_tokens(), " out");
}

std::string CostText(const tq::Usage& usage) {
  if (!UsedModel(usage)) return usage.cost_micros() > 0 ? DollarText(usage.cost_micros()) : "";
  if (usage.cost_unknown()) return "price unknown";
  return usage.cost_micros() == 0 ? "free" : DollarText(usage.cost_micros());
}

std::string TimesText(const tq::Usage& usage) {
  std::vector<std::string> parts;
  if (usage.has_load_time()) parts.push_back(absl::StrCat("load ", SpanText(FromProto(usage.load_time()))));
  if (usage.has_first_token_time()) {
    parts.push_back(absl::StrCat("first token ", SpanText(FromProto(usage.first_token_time()))));
  }
  if (usage.has_generation_time()) {
    parts.push_back(absl::StrCat("generation ", SpanText(FromProto(usage.generation_time()))));
  }
  return absl::StrJoin(parts, ", ");
}

std::vector<std::string> Marks(const tq::Usage& usage) {
  std::vector<std::string> marks;
  if (!usage.fallback_reason().empty()) marks.push_back(absl::StrCat("FALLBACK (", usage.fallback_reason(), ")"));
  if (usage.model_mismatch()) {
    marks.push_back(
        absl::StrCat("MODEL MISMATCH (", usage.assigned_model(), " was assigned, ", usage.model(), " answered)"));
  }
  return marks;
}

std::string UsageText(const tq::Usage& usage) {
  std::vector<std::string> parts = Marks(usage);
  for (std::string part : {ModelText(usage), TokensText(usage), CostText(usage)}) {
    if (!part.empty()) parts.push_back(std::move(part));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace switchyard::yard
