#include "services/model_registry/model_views.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {

std::vector<ModelView> ViewModels(const Snapshot& snapshot) {
  std::map<std::string, ModelView> views;
  for (const ModelInfo& model : snapshot.table->models()) {
    ModelView& view = views[model.model];
    view.model = model;
    view.in_table = true;
  }
  for (const auto& endpoint : snapshot.endpoints) {
    const std::vector<PlacedModel>& models = endpoint->status.models;
    for (std::size_t i = 0; i < models.size(); ++i) {
      const std::string& name = models[i].priced_as.empty() ? models[i].model : models[i].priced_as;
      ModelView& view = views[name];
      view.model.model = name;
      view.places.push_back({endpoint, i});
    }
  }
  std::vector<ModelView> out;
  for (auto& [name, view] : views) {
    for (const ModelSwitch& off : snapshot.disabled) {
      if (off.endpoint.is_nil() && off.model == name) view.model.disabled = true;
    }
    out.push_back(std::move(view));
  }
  return out;
}

std::optional<ModelView> ViewModel(const Snapshot& snapshot, std::string_view name) {
  const ModelInfo* const info = snapshot.table->Find(name);
  for (ModelView& view : ViewModels(snapshot)) {
    const bool placed = std::any_of(view.places.begin(), view.places.end(), [&](const Place& place) {
      return SameModel(place.endpoint->record.spec.kind, place.placed().model, name);
    });
    const bool named = info != nullptr ? view.model.model == info->model
                                       : placed || absl::EqualsIgnoreCase(view.model.model, ToAbsl(name));
    if (named) return std::move(view);
  }
  return std::nullopt;
}

}  // namespace switchyard::model_registry
