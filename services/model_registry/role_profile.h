#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/strings.h"
#include "services/model_registry/model_table.h"

namespace switchyard::model_registry {

struct RoleProfile {
  std::string role;
  int version = 0;
  std::vector<std::string> aliases;
  std::string description;
  ModelTier tier = ModelTier::kNone;
  std::vector<std::string> models;
  bool local_only = false;
  std::int64_t max_output = 0;
  std::string deprecated;
  std::string file;

  friend bool operator==(const RoleProfile&, const RoleProfile&) = default;
};

// The one place that says which model a role gets. Immutable.
class RoleProfiles {
 public:
  RoleProfiles() = default;
  // INVALID_FIELD with every fault at once: bad names, versions below 1, roles or aliases given twice, models that the
  // table does not know (with the likely one meant) or that are weaker than the role's tier.
  static absl::StatusOr<RoleProfiles> Make(std::vector<RoleProfile> profiles, const ModelTable& table);

  // By role or alias, whatever the case. Null when there is none.
  const RoleProfile* Find(std::string_view role) const;
  // The role or alias that was likely meant; "" when none is near.
  std::string Suggest(std::string_view role) const;
  // By role.
  const std::vector<RoleProfile>& profiles() const { return profiles_; }
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  std::vector<RoleProfile> profiles_;
  StringMap<std::size_t> by_name_;
  std::string fingerprint_;
};

}  // namespace switchyard::model_registry
