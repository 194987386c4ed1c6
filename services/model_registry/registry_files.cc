#include "services/model_registry/registry_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/model_registry/endpoint_rules.h"
#include "services/model_registry/yaml_reader.h"

namespace switchyard::model_registry {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxModels = 5'000;
constexpr std::size_t kMaxRoles = 500;

YamlReader::Handler Tier(YamlReader& reader, ModelTier& out) {
  return [&](const YAML::Node& node, const std::string& where) {
    std::string text;
    reader.Text(text)(node, where);
    for (const auto& [name, tier] : {std::pair("small", ModelTier::kSmall), std::pair("medium", ModelTier::kMedium),
                                     std::pair("large", ModelTier::kLarge)}) {
      if (text != name) continue;
      out = tier;
      return;
    }
    reader.Fault(node, where, "must be small, medium or large");
  };
}

YamlReader::Handler Dollars(YamlReader& reader, std::optional<std::int64_t>& out) {
  return [&](const YAML::Node& node, const std::string& where) {
    std::string text;
    reader.Text(text)(node, where);
    out = ParseMicros(text);
    if (!out.has_value()) reader.Fault(node, where, "must be dollars per million tokens, such as 3 or 0.30");
  };
}

YamlReader::Handler Prices(YamlReader& reader, Rates& out) {
  return [&](const YAML::Node& node, const std::string& where) {
    reader.Keys(node, where,
                {{"input", Dollars(reader, out.input)},
                 {"output", Dollars(reader, out.output)},
                 {"cache_read", Dollars(reader, out.cache_read)},
                 {"cache_write_5m", Dollars(reader, out.cache_write_5m)},
                 {"cache_write_1h", Dollars(reader, out.cache_write_1h)}});
  };
}

void ReadModel(YamlReader& reader, const YAML::Node& node, const std::string& where, ModelInfo& model) {
  reader.Keys(node, where,
              {{"model", reader.Text(model.model)},
               {"aliases", reader.Texts(model.aliases)},
               {"provider", reader.Text(model.provider)},
               {"tier", Tier(reader, model.tier)},
               {"context_window", reader.Number(model.context_window)},
               {"max_output", reader.Number(model.max_output)},
               {"free", reader.Bool(model.free)},
               {"prices", Prices(reader, model.rates)},
               {"steps",
                [&](const YAML::Node& list, const std::string& at) {
                  reader.Items(list, at, 50, [&](const YAML::Node& item, const std::string& here) {
                    PriceStep& step = model.steps.emplace_back();
                    reader.Keys(item, here,
                                {{"above_input_tokens", reader.Number(step.above_input_tokens)},
                                 {"prices", Prices(reader, step.rates)}});
                  });
                }},
               {"capabilities", reader.Texts(model.capabilities)},
               {"effective_from", reader.Text(model.effective_from)},
               {"source", reader.Text(model.source)},
               {"deprecated", reader.Text(model.deprecated)}});
}

void ReadSettings(YamlReader& reader, const YAML::Node& node, const std::string& where, ModelSettings& settings) {
  reader.Keys(node, where,
              {{"model", reader.Text(settings.model)},
               {"keep_warm", reader.Bool(settings.keep_warm)},
               {"capacity", reader.Number(settings.capacity)},
               {"options", [&](const YAML::Node& map, const std::string& at) {
                  reader.Pairs(map, at, [&](const std::string& key, const YAML::Node& value, const std::string& here) {
                    reader.Number(settings.options[key])(value, here);
                  });
                }}});
}

void ReadEndpoint(YamlReader& reader, const YAML::Node& node, const std::string& where, EndpointSpec& spec) {
  reader.Keys(
      node, where,
      {{"name", reader.Text(spec.name)},
       {"kind",
        [&](const YAML::Node& value, const std::string& at) {
          std::string text;
          reader.Text(text)(value, at);
          for (const EndpointKind kind : {EndpointKind::kOllama, EndpointKind::kOpenAi, EndpointKind::kAnthropic}) {
            if (text != NameOf(kind)) continue;
            spec.kind = kind;
            return;
          }
          reader.Fault(value, at, "must be ollama, openai or anthropic");
        }},
       {"url", reader.Text(spec.url)},
       {"credential", reader.Text(spec.credential)},
       {"local", reader.Bool(spec.local)},
       {"host", reader.Text(spec.host)},
       {"agent", reader.Text(spec.agent)},
       {"capacity", reader.Number(spec.capacity)},
       {"max_capacity", reader.Number(spec.max_capacity)},
       {"free", reader.Bool(spec.free)},
       {"disabled", reader.Bool(spec.disabled)},
       {"models", [&](const YAML::Node& list, const std::string& at) {
          reader.Items(list, at, 200, [&](const YAML::Node& item, const std::string& here) {
            ReadSettings(reader, item, here, spec.models.emplace_back());
          });
        }}});
  if (node.IsMap() && !node["kind"].IsDefined()) reader.Fault(node, where + ".kind", "is needed");
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return MakeError(absl::StatusCode::kNotFound, "CONFIG_UNREADABLE",
                     absl::StrCat("cannot read ", path, ": ", std::strerror(errno)));
  }
  return std::string(std::istreambuf_iterator<char>(file), {});
}

void Gather(const absl::Status& status, std::vector<FieldViolation>& faults, absl::Status& other) {
  if (status.ok()) return;
  if (ReasonOf(status) != "INVALID_FIELD") return other.Update(status);
  for (FieldViolation& fault : DetailsOf(status).violations) faults.push_back(std::move(fault));
}

}  // namespace

std::optional<std::int64_t> ParseMicros(std::string_view text) {
  const std::size_t dot = std::min(text.find('.'), text.size());
  std::string digits(text.substr(0, dot));
  std::string places(dot < text.size() ? text.substr(dot + 1) : "");
  if (digits.empty() || digits.size() > 9 || places.size() > 6 || (dot < text.size() && places.empty())) {
    return std::nullopt;
  }
  places.resize(6, '0');
  std::int64_t value = 0;
  for (const char c : digits + places) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

absl::StatusOr<std::vector<ModelInfo>> ParseModels(std::string_view yaml, std::string_view name) {
  YamlReader reader(name);
  std::vector<ModelInfo> models;
  reader.Read(yaml, [&](const YAML::Node& root, const std::string& where) {
    reader.Keys(root, where, {{"models", [&](const YAML::Node& list, const std::string& at) {
                                 reader.Items(list, at, kMaxModels,
                                              [&](const YAML::Node& item, const std::string& here) {
                                                ModelInfo& model = models.emplace_back();
                                                ReadModel(reader, item, here, model);
                                                for (FieldViolation& fault : FaultsOf(model, here)) {
                                                  reader.Fault(item, fault.field, fault.description);
                                                }
                                              });
                               }}});
  });
  if (!reader.faults().empty()) return InvalidFields(std::move(reader.faults()));
  return models;
}

absl::StatusOr<RoleProfile> ParseRole(std::string_view yaml, std::string_view name) {
  YamlReader reader(name);
  RoleProfile profile;
  profile.file = std::string(name);
  reader.Read(yaml, [&](const YAML::Node& root, const std::string& where) {
    reader.Keys(root, where,
                {{"role", reader.Text(profile.role)},
                 {"version", reader.Number(profile.version)},
                 {"aliases", reader.Texts(profile.aliases)},
                 {"description", reader.Text(profile.description)},
                 {"tier", Tier(reader, profile.tier)},
                 {"models", reader.Texts(profile.models)},
                 {"local_only", reader.Bool(profile.local_only)},
                 {"max_output", reader.Number(profile.max_output)},
                 {"deprecated", reader.Text(profile.deprecated)}});
  });
  if (!reader.faults().empty()) return InvalidFields(std::move(reader.faults()));
  return profile;
}

absl::StatusOr<std::vector<EndpointRecord>> ParseEndpoints(std::string_view yaml, std::string_view name,
                                                           std::size_t most) {
  YamlReader reader(name);
  std::vector<EndpointRecord> records;
  StringSet names;
  reader.Read(yaml, [&](const YAML::Node& root, const std::string& where) {
    reader.Keys(root, where, {{"endpoints", [&](const YAML::Node& list, const std::string& at) {
                                 reader.Items(list, at, most, [&](const YAML::Node& item, const std::string& here) {
                                   EndpointRecord& record = records.emplace_back();
                                   ReadEndpoint(reader, item, here, record.spec);
                                   for (FieldViolation& fault : FaultsOf(record.spec, here)) {
                                     reader.Fault(item, fault.field, fault.description);
                                   }
                                   if (!names.insert(record.spec.name).second) {
                                     reader.Fault(item, here + ".name", "is the name of another one");
                                   }
                                   record.id = IdOfFileEndpoint(record.spec.name);
                                   record.origin = Origin::kFile;
                                   record.origin_detail = std::string(name);
                                   record.create_time = record.update_time = absl::UnixEpoch();
                                 });
                               }}});
  });
  if (!reader.faults().empty()) return InvalidFields(std::move(reader.faults()));
  return records;
}

std::vector<std::string> FileWatch::RoleFiles() const {
  std::vector<std::string> files;
  if (paths_.roles_folder.empty()) return files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(paths_.roles_folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".yaml" || extension == ".yml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string FileWatch::Signature() const {
  std::vector<std::string> files = RoleFiles();
  for (const std::string& path : {paths_.models_file, paths_.endpoints_file}) {
    if (!path.empty()) files.push_back(path);
  }
  std::string signature;
  for (const std::string& path : files) {
    struct stat facts {};
    absl::StrAppend(&signature, path, "\n");
    if (stat(path.c_str(), &facts) != 0) continue;
    absl::StrAppend(&signature, facts.st_ino, ",", facts.st_size, ",", facts.st_mtim.tv_sec, ",", facts.st_mtim.tv_nsec,
                    "\n");
  }
  return signature;
}

bool FileWatch::Changed() const { return Signature() != seen_; }

absl::StatusOr<FileConfiguration> FileWatch::Load() {
  // Before reading: what changes meanwhile is read again.
  seen_ = Signature();
  FileConfiguration out;
  std::vector<FieldViolation> faults;
  absl::Status other;
  if (!paths_.models_file.empty()) {
    const absl::StatusOr<std::string> text = ReadWhole(paths_.models_file);
    absl::StatusOr<std::vector<ModelInfo>> models =
        text.ok() ? ParseModels(*text, paths_.models_file) : absl::StatusOr<std::vector<ModelInfo>>(text.status());
    Gather(models.status(), faults, other);
    if (models.ok()) out.models = *std::move(models);
  }
  if (!paths_.endpoints_file.empty()) {
    const absl::StatusOr<std::string> text = ReadWhole(paths_.endpoints_file);
    absl::StatusOr<std::vector<EndpointRecord>> endpoints =
        text.ok() ? ParseEndpoints(*text, paths_.endpoints_file, paths_.max_endpoints)
                  : absl::StatusOr<std::vector<EndpointRecord>>(text.status());
    Gather(endpoints.status(), faults, other);
    if (endpoints.ok()) out.endpoints = *std::move(endpoints);
  }
  const std::vector<std::string> roles = RoleFiles();
  if (!paths_.roles_folder.empty() && !fs::is_directory(paths_.roles_folder)) {
    other.Update(MakeError(absl::StatusCode::kNotFound, "CONFIG_UNREADABLE",
                           absl::StrCat(paths_.roles_folder, " is not a folder")));
  }
  if (roles.size() > kMaxRoles) faults.push_back({paths_.roles_folder, "holds more than 500 profiles"});
  for (std::size_t i = 0; i < std::min(roles.size(), kMaxRoles); ++i) {
    const absl::StatusOr<std::string> text = ReadWhole(roles[i]);
    absl::StatusOr<RoleProfile> profile =
        text.ok() ? ParseRole(*text, roles[i]) : absl::StatusOr<RoleProfile>(text.status());
    Gather(profile.status(), faults, other);
    if (profile.ok()) out.profiles.push_back(*std::move(profile));
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  SY_RETURN_IF_ERROR(other);
  return out;
}

}  // namespace switchyard::model_registry
