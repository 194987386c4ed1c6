#include "libs/model_probe/model_probe.h"

namespace switchyard::model_probe {
namespace {

std::string_view WithoutLatest(std::string_view model) {
  constexpr std::string_view kLatest = ":latest";
  if (model.size() > kLatest.size() && model.substr(model.size() - kLatest.size()) == kLatest) {
    model.remove_suffix(kLatest.size());
  }
  return model;
}

}  // namespace

std::string_view NameOf(EndpointKind kind) {
  switch (kind) {
    case EndpointKind::kOllama:
      return "ollama";
    case EndpointKind::kOpenAi:
      return "openai";
    case EndpointKind::kAnthropic:
      return "anthropic";
  }
  return "unknown";
}

std::optional<EndpointKind> KindOf(std::string_view name) {
  for (const EndpointKind kind : {EndpointKind::kOllama, EndpointKind::kOpenAi, EndpointKind::kAnthropic}) {
    if (name == NameOf(kind)) return kind;
  }
  return std::nullopt;
}

bool SameModel(EndpointKind kind, std::string_view a, std::string_view b) {
  return a == b || (kind == EndpointKind::kOllama && WithoutLatest(a) == WithoutLatest(b));
}

const ModelSettings* FindSettings(EndpointKind kind, const std::vector<ModelSettings>& all, std::string_view model) {
  for (const ModelSettings& settings : all) {
    if (SameModel(kind, settings.model, model)) return &settings;
  }
  return nullptr;
}

}  // namespace switchyard::model_probe
