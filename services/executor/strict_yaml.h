// Files in which an owner says what programs may do: read strictly, all faults told at once, each with its line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/status.h"
#include "services/executor/backend.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::executor {

// 1 to 100 letters, digits and characters of `extra`.
bool IsYamlName(std::string_view text, std::string_view extra);
// Absolute, without empty, "." and ".." parts and control characters.
bool IsPlainPath(std::string_view path);

// Collects the faults of one file. Not thread-safe; no function throws, whatever the text.
class StrictYaml {
 public:
  static constexpr std::size_t kMaxFile = 1 << 20;
  static constexpr std::size_t kMaxItems = 256;

  // `where` is the path of the node: "rules[2].limits.time".
  using Handler = std::function<void(const YAML::Node&, const std::string& where)>;

  // Parses and hands the root on; what is no YAML is a fault.
  void Read(std::string_view text, const std::function<void(const YAML::Node& root)>& read);
  // INVALID_ARGUMENT, reason INVALID_FIELD, with all faults; OK without any. Once.
  absl::Status Take();

  void Fault(std::string_view where, std::string_view what);
  void FaultAt(const YAML::Node& node, const std::string& where, std::string_view what);

  // A mapping of these keys, each at most once; another one is a fault that names the likely one meant.
  void Keys(const YAML::Node& node, const std::string& where, const std::map<std::string, Handler>& handlers);
  void Items(const YAML::Node& node, const std::string& where, const Handler& item);
  // Any number of items up to `most`; an empty node is an empty list.
  void Entries(const YAML::Node& node, const std::string& where, std::size_t most, std::string_view what,
               const Handler& item);
  std::string Text(const YAML::Node& node, const std::string& where);
  bool Bool(const YAML::Node& node, const std::string& where);

  Handler Texts(std::string& out);
  Handler Paths(std::vector<std::string>& out);
  Handler Bytes(std::uint64_t& out, std::uint64_t least);
  // Above 0 and at most 7 days.
  Handler Time(absl::Duration& out);
  Handler Count(std::uint64_t most, std::function<void(std::uint64_t)> set);
  // "required" or "optional".
  Handler SandboxWord(bool& optional);
  void ReadLimits(const YAML::Node& node, const std::string& where, Limits& limits);
  // Names of variables to values. `check` may object to one: with a text, which becomes the fault.
  void Variables(const YAML::Node& node, const std::string& where, std::map<std::string, std::string>& out,
                 const std::function<std::string(const std::string& name, const std::string& value)>& check);

 private:
  std::vector<FieldViolation> faults_;
};

// A file's text; at most one byte more than StrictYaml takes. `kind` is "allowlist" in messages and, in capitals,
// begins the reasons: FAILED_PRECONDITION, ALLOWLIST_UNSAFE, when somebody else than root and this process' user could
// change the file; NOT_FOUND, ALLOWLIST_UNREADABLE.
absl::StatusOr<std::string> ReadOwnFile(const std::string& path, std::string_view kind);

}  // namespace switchyard::executor
