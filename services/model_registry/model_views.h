#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "services/model_registry/registry.h"

namespace switchyard::model_registry {

// Where a model is.
struct Place {
  std::shared_ptr<const EndpointView> endpoint;
  // Of that endpoint's models.
  std::size_t index = 0;

  const PlacedModel& placed() const { return endpoint->status.models[index]; }
};

// One model with all its places.
struct ModelView {
  // Only the name, and whether it is disabled, when the table does not know it.
  ModelInfo model;
  bool in_table = false;
  // By endpoint's name.
  std::vector<Place> places;
};

// Every model that the table knows or an endpoint has, by name.
std::vector<ModelView> ViewModels(const Snapshot& snapshot);
// By name or alias, of the table or of an endpoint, whatever the case; nothing when nobody knows it.
std::optional<ModelView> ViewModel(const Snapshot& snapshot, std::string_view name);

}  // namespace switchyard::model_registry
