#include "services/model_registry/role_profile.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/text/suggest.h"

namespace switchyard::model_registry {
namespace {

std::string FoldedName(std::string_view name) { return absl::AsciiStrToLower(ToAbsl(name)); }

bool IsRole(std::string_view text) {
  if (text.empty() || text.size() > 100) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

std::string Canonical(const RoleProfile& profile) {
  return absl::StrCat(profile.role, "\n", profile.version, "\n", absl::StrJoin(profile.aliases, ","), "\n",
                      static_cast<int>(profile.tier), "\n", absl::StrJoin(profile.models, ","), "\n",
                      profile.local_only ? 1 : 0, ",", profile.max_output, "\n", profile.deprecated, "\n\n");
}

void Check(const RoleProfile& profile, const ModelTable& table, std::vector<FieldViolation>& faults) {
  const auto fault = [&](std::string_view field, std::string_view what) {
    const std::string where = profile.file.empty() ? profile.role : profile.file;
    faults.push_back({absl::StrCat(where, ": ", ToAbsl(field)), std::string(what)});
  };
  constexpr const char* kRoleRule = "must be 1 to 100 characters of [a-z0-9._-]";
  if (!IsRole(profile.role)) fault("role", kRoleRule);
  for (const std::string& alias : profile.aliases) {
    if (!IsRole(alias)) fault("aliases", absl::StrCat(alias, ": ", kRoleRule));
  }
  if (profile.version < 1) fault("version", "must be at least 1, and grow with every change");
  if (profile.description.size() > 2'000) fault("description", "must be at most 2000 bytes");
  if (profile.deprecated.size() > 500) fault("deprecated", "must be at most 500 bytes");
  if (profile.max_output < 0) fault("max_output", "must not be negative");
  if (profile.models.empty()) fault("models", "must name at least one model");
  for (std::size_t i = 0; i < profile.models.size(); ++i) {
    const std::string at = absl::StrCat("models[", i, "]");
    const ModelInfo* const model = table.Find(profile.models[i]);
    if (model == nullptr) {
      const std::string meant = table.Suggest(profile.models[i]);
      fault(at, absl::StrCat(profile.models[i], " is not in the table of models",
                             meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?")));
      continue;
    }
    if (model->tier != ModelTier::kNone && model->tier < profile.tier) {
      fault(at, absl::StrCat(model->model, " is weaker than the tier of the role"));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (table.Find(profile.models[j]) == model) fault(at, absl::StrCat(model->model, " is named twice"));
    }
  }
}

}  // namespace

absl::StatusOr<RoleProfiles> RoleProfiles::Make(std::vector<RoleProfile> profiles, const ModelTable& table) {
  RoleProfiles out;
  std::vector<FieldViolation> faults;
  for (RoleProfile& profile : profiles) {
    Check(profile, table, faults);
    // One spelling from here on.
    for (std::string& name : profile.models) {
      if (const ModelInfo* const model = table.Find(name)) name = model->model;
    }
  }
  std::sort(profiles.begin(), profiles.end(),
            [](const RoleProfile& a, const RoleProfile& b) { return a.role < b.role; });
  std::string all;
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    std::vector<std::string> names = profiles[i].aliases;
    names.insert(names.begin(), profiles[i].role);
    for (const std::string& name : names) {
      if (out.by_name_.try_emplace(FoldedName(name), i).second) continue;
      faults.push_back({profiles[i].file.empty() ? profiles[i].role : profiles[i].file,
                        absl::StrCat("the role or alias ", name, " is given twice")});
    }
    all += Canonical(profiles[i]);
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  out.profiles_ = std::move(profiles);
  out.fingerprint_ = Sha256Hex(all).substr(0, 16);
  return out;
}

const RoleProfile* RoleProfiles::Find(std::string_view role) const {
  const auto found = by_name_.find(FoldedName(role));
  return found == by_name_.end() ? nullptr : &profiles_[found->second];
}

std::string RoleProfiles::Suggest(std::string_view role) const {
  std::vector<std::string> names;
  for (const RoleProfile& profile : profiles_) {
    names.push_back(profile.role);
    names.insert(names.end(), profile.aliases.begin(), profile.aliases.end());
  }
  return text::DidYouMean(role, names);
}

}  // namespace switchyard::model_registry
