// The files of a person: the table of models, role profiles, endpoints. Read strictly: every fault is told, with its
// line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/model_registry/registry.h"

namespace switchyard::model_registry {

// Each INVALID_FIELD with all faults; `name` is what the faults call the text.
absl::StatusOr<std::vector<ModelInfo>> ParseModels(std::string_view yaml, std::string_view name);
absl::StatusOr<RoleProfile> ParseRole(std::string_view yaml, std::string_view name);
absl::StatusOr<std::vector<EndpointRecord>> ParseEndpoints(std::string_view yaml, std::string_view name,
                                                           std::size_t most);

// "3.75" is 3750000: dollars as millionths. Nothing for what is no such amount of at most six places.
std::optional<std::int64_t> ParseMicros(std::string_view text);

struct FilePaths {
  // Empty: none.
  std::string models_file;
  std::string roles_folder;
  std::string endpoints_file;
  std::size_t max_endpoints = 500;
};

// Looks at the files now and then. Not thread-safe.
class FileWatch {
 public:
  explicit FileWatch(FilePaths paths) : paths_(std::move(paths)) {}

  // Whether anything changed since the last Load, by name, size, time and inode. Cheap.
  bool Changed() const;
  // INVALID_FIELD with the faults of all files together; NOT_FOUND, reason CONFIG_UNREADABLE.
  absl::StatusOr<FileConfiguration> Load();

 private:
  std::string Signature() const;
  std::vector<std::string> RoleFiles() const;

  const FilePaths paths_;
  std::string seen_;
};

}  // namespace switchyard::model_registry
