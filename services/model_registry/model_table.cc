#include "services/model_registry/model_table.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/sha256.h"
#include "libs/text/suggest.h"

namespace switchyard::model_registry {
namespace {

constexpr std::size_t kMaxName = 200;
constexpr std::size_t kMaxText = 500;
constexpr std::size_t kMaxItems = 50;
// A thousand dollars a million tokens, and a billion tokens: beyond these it is a slip of units.
constexpr std::int64_t kMaxRate = 1'000'000'000;
constexpr std::int64_t kMaxTokens = 1'000'000'000;

std::string Lower(std::string_view name) { return absl::AsciiStrToLower(ToAbsl(name)); }

bool IsPlain(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) == 0x7f;
  });
}

bool IsDate(std::string_view text) {
  absl::CivilDay day;
  return text.size() == 10 && absl::ParseCivilTime(ToAbsl(text), &day);
}

void AppendRates(const Rates& rates, std::string& out) {
  for (const auto& rate : {rates.input, rates.output, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h}) {
    absl::StrAppend(&out, rate.has_value() ? absl::StrCat(*rate) : "-", ",");
  }
}

std::string Canonical(const ModelInfo& model) {
  std::string out = absl::StrCat(model.model, "\n", absl::StrJoin(model.aliases, ","), "\n", model.provider, "\n",
                                 static_cast<int>(model.tier), ",", model.context_window, ",", model.max_output, ",",
                                 model.free ? 1 : 0, ",", model.disabled ? 1 : 0, "\n");
  AppendRates(model.rates, out);
  for (const PriceStep& step : model.steps) {
    absl::StrAppend(&out, "\n", step.above_input_tokens, ":");
    AppendRates(step.rates, out);
  }
  absl::StrAppend(&out, "\n", absl::StrJoin(model.capabilities, ","), "\n", model.effective_from, "\n",
                  model.deprecated, "\n\n");
  return out;
}

void CheckRates(const Rates& rates, const std::string& at, std::vector<FieldViolation>& faults) {
  const std::pair<const char*, const std::optional<std::int64_t>*> all[] = {{"input", &rates.input},
                                                                            {"output", &rates.output},
                                                                            {"cache_read", &rates.cache_read},
                                                                            {"cache_write_5m", &rates.cache_write_5m},
                                                                            {"cache_write_1h", &rates.cache_write_1h}};
  for (const auto& [name, rate] : all) {
    if (rate->has_value() && (**rate < 0 || **rate > kMaxRate)) {
      faults.push_back({absl::StrCat(at, ".", name), "must be from 0 to 1000 dollars per million tokens"});
    }
  }
  if (rates.input.has_value() != rates.output.has_value()) {
    faults.push_back({at, "has only one of input and output: such a price is unknown; give both or none"});
  }
}

}  // namespace

std::vector<FieldViolation> FaultsOf(const ModelInfo& model, std::string_view prefix) {
  std::vector<FieldViolation> faults;
  const auto at = [&](std::string_view field) {
    return prefix.empty() ? std::string(field) : absl::StrCat(ToAbsl(prefix), ".", ToAbsl(field));
  };
  constexpr const char* kNameRule = "must be 1 to 200 bytes without blanks and control characters";
  if (!IsPlain(model.model, kMaxName)) faults.push_back({at("model"), kNameRule});
  if (model.aliases.size() > kMaxItems) faults.push_back({at("aliases"), "has more than 50 items"});
  for (std::size_t i = 0; i < model.aliases.size(); ++i) {
    if (!IsPlain(model.aliases[i], kMaxName)) faults.push_back({at(absl::StrCat("aliases[", i, "]")), kNameRule});
  }
  if (!model.provider.empty() && !IsPlain(model.provider, kMaxName)) faults.push_back({at("provider"), kNameRule});
  for (const auto& [field, value] :
       {std::pair("context_window", model.context_window), std::pair("max_output", model.max_output)}) {
    if (value < 0 || value > kMaxTokens) faults.push_back({at(field), "must be from 0 to 1000000000 tokens"});
  }
  const bool priced = model.rates != Rates() || !model.steps.empty();
  if (model.free && priced) faults.push_back({at("free"), "is true beside a price"});
  CheckRates(model.rates, at("rates"), faults);
  if (model.steps.size() > kMaxItems) faults.push_back({at("steps"), "has more than 50 items"});
  for (std::size_t i = 0; i < model.steps.size(); ++i) {
    const std::string step = at(absl::StrCat("steps[", i, "]"));
    CheckRates(model.steps[i].rates, absl::StrCat(step, ".rates"), faults);
    if (model.steps[i].above_input_tokens <= (i == 0 ? 0 : model.steps[i - 1].above_input_tokens)) {
      faults.push_back({absl::StrCat(step, ".above_input_tokens"), "must be above 0 and rise from step to step"});
    }
  }
  if (model.capabilities.size() > kMaxItems) faults.push_back({at("capabilities"), "has more than 50 items"});
  if (priced && !IsDate(model.effective_from)) {
    faults.push_back({at("effective_from"), "must say since when the price holds, as YYYY-MM-DD"});
  }
  for (const auto& [field, text] : {std::pair("source", &model.source), std::pair("deprecated", &model.deprecated)}) {
    if (text->size() > kMaxText) faults.push_back({at(field), "must be at most 500 bytes"});
  }
  return faults;
}

std::optional<std::int64_t> CostOf(const ModelInfo& model, const TokenUse& use) {
  if (model.free) return 0;
  const std::int64_t prompt = use.input + use.cache_read + use.cache_write_5m + use.cache_write_1h;
  const Rates* rates = &model.rates;
  for (const PriceStep& step : model.steps) {
    if (prompt > step.above_input_tokens) rates = &step.rates;
  }
  // Five products of at most 1e9 and 1e9 fit.
  std::int64_t sum = 0;
  const std::pair<std::int64_t, const std::optional<std::int64_t>*> parts[] = {
      {use.input, &rates->input},
      {use.output, &rates->output},
      {use.cache_read, &rates->cache_read},
      {use.cache_write_5m, &rates->cache_write_5m},
      {use.cache_write_1h, &rates->cache_write_1h}};
  if (!rates->input.has_value() || !rates->output.has_value()) return std::nullopt;
  for (const auto& [tokens, rate] : parts) {
    if (tokens <= 0) continue;
    if (!rate->has_value()) return std::nullopt;
    sum += std::min(tokens, kMaxTokens) * **rate;
  }
  return (sum + 999'999) / 1'000'000;
}

absl::StatusOr<ModelTable> ModelTable::Make(std::vector<ModelInfo> base, std::vector<ModelInfo> over) {
  ModelTable table;
  std::vector<FieldViolation> faults;
  for (const std::vector<ModelInfo>* list : {&base, &over}) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const ModelInfo& model = (*list)[i];
      const std::string at = absl::StrCat("models[", i, "]");
      for (FieldViolation& fault : FaultsOf(model, at)) faults.push_back(std::move(fault));
      if (!seen.insert(Lower(model.model)).second) faults.push_back({at, absl::StrCat(model.model, " is given twice")});
      for (const std::string& alias : model.aliases) {
        if (!seen.insert(Lower(alias)).second) {
          faults.push_back({at, absl::StrCat("the alias ", alias, " is given twice")});
        }
      }
    }
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  std::set<std::string> replaced;
  for (const ModelInfo& model : over) replaced.insert(Lower(model.model));
  table.models_ = std::move(over);
  for (ModelInfo& model : base) {
    if (replaced.count(Lower(model.model)) == 0) table.models_.push_back(std::move(model));
  }
  std::sort(table.models_.begin(), table.models_.end(),
            [](const ModelInfo& a, const ModelInfo& b) { return a.model < b.model; });
  std::string all;
  for (std::size_t i = 0; i < table.models_.size(); ++i) {
    table.by_name_[Lower(table.models_[i].model)] = i;
    all += Canonical(table.models_[i]);
  }
  // Names stand before aliases, those of the API before those of the file.
  for (const Origin origin : {Origin::kApi, Origin::kFile}) {
    for (std::size_t i = 0; i < table.models_.size(); ++i) {
      if (table.models_[i].origin != origin) continue;
      for (const std::string& alias : table.models_[i].aliases) table.by_name_.try_emplace(Lower(alias), i);
    }
  }
  table.fingerprint_ = Sha256Hex(all).substr(0, 16);
  return table;
}

const ModelInfo* ModelTable::Find(std::string_view name) const {
  constexpr std::string_view kLatest = ":latest";
  std::string key = Lower(name);
  auto found = by_name_.find(key);
  if (found == by_name_.end() && key.size() > kLatest.size() &&
      std::string_view(key).substr(key.size() - kLatest.size()) == kLatest) {
    key.resize(key.size() - kLatest.size());
    found = by_name_.find(key);
  }
  return found == by_name_.end() ? nullptr : &models_[found->second];
}

std::string ModelTable::Suggest(std::string_view name) const {
  std::vector<std::string> names;
  for (const ModelInfo& model : models_) {
    names.push_back(model.model);
    names.insert(names.end(), model.aliases.begin(), model.aliases.end());
  }
  return text::DidYouMean(name, names);
}

}  // namespace switchyard::model_registry
