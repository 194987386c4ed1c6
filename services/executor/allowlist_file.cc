#include "services/executor/allowlist_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/text/redact.h"
#include "services/executor/strict_yaml.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMaxRules = 1000;

class Reader {
 public:
  absl::StatusOr<Allowlist> Read(std::string_view text) {
    std::vector<Rule> rules;
    yaml_.Read(text, [&](const YAML::Node& root) {
      yaml_.Keys(root, "", {{"rules", [&](const YAML::Node& list, const std::string& at) {
                               // "rules:" alone allows nothing, which is what it says.
                               yaml_.Entries(list, at, kMaxRules, "rules",
                                             [&](const YAML::Node& node, const std::string& where) {
                                               ReadRule(node, where, rules);
                                             });
                             }}});
    });
    SY_RETURN_IF_ERROR(yaml_.Take());
    return Allowlist(std::move(rules));
  }

 private:
  StrictYaml::Handler Patterns(std::vector<ArgumentPattern>& out) {
    return [this, &out](const YAML::Node& list, const std::string& at) {
      yaml_.Items(list, at, [&](const YAML::Node& node, const std::string& where) {
        absl::StatusOr<ArgumentPattern> pattern = ArgumentPattern::Parse(yaml_.Text(node, where));
        if (!pattern.ok()) return yaml_.FaultAt(node, where, ToStd(pattern.status().message()));
        out.push_back(*std::move(pattern));
      });
    };
  }

  void ReadRule(const YAML::Node& node, const std::string& where, std::vector<Rule>& rules) {
    Rule rule;
    yaml_.Keys(node, where,
               {{"name", yaml_.Texts(rule.name)},
                {"program", yaml_.Texts(rule.program)},
                {"arguments", Patterns(rule.arguments)},
                {"rest", Patterns(rule.rest)},
                {"max_rest", yaml_.Count(256, [&](std::uint64_t n) { rule.max_rest = n; })},
                {"environment",
                 [&](const YAML::Node& list, const std::string& at) {
                   yaml_.Items(list, at, [&](const YAML::Node& n, const std::string& item) {
                     const std::string name = yaml_.Text(n, item);
                     if (!IsYamlName(name, "_")) return yaml_.FaultAt(n, item, "is no name of a variable");
                     if (SteersExecution(name))
                       return yaml_.FaultAt(n, item, "would let a task choose what is executed");
                     rule.environment.insert(name);
                   });
                 }},
                {"set_environment",
                 [&](const YAML::Node& n, const std::string& at) {
                   yaml_.Variables(n, at, rule.set_environment, [](const std::string& name, const std::string&) {
                     return text::NamesSecret(name) ? std::string("looks like a secret; tasks are given none")
                                                    : std::string();
                   });
                 }},
                {"stdin", [&](const YAML::Node& n, const std::string& at) { rule.stdin_allowed = yaml_.Bool(n, at); }},
                {"network", [&](const YAML::Node& n, const std::string& at) { rule.network = yaml_.Bool(n, at); }},
                {"sandbox", yaml_.SandboxWord(rule.sandbox_optional)},
                {"read_only", yaml_.Paths(rule.read_only)},
                {"writable", yaml_.Paths(rule.writable)},
                {"limits", [&](const YAML::Node& n, const std::string& at) { yaml_.ReadLimits(n, at, rule.limits); }}});
    if (!node.IsMap()) return;
    if (!IsYamlName(rule.name, "_-.")) {
      yaml_.FaultAt(node, where + ".name", "must be letters, digits, '_', '-' and '.', at most 100");
    }
    if (!IsPlainPath(rule.program)) {
      yaml_.FaultAt(node, where + ".program", "must be an absolute path without '.', '..' and '//'");
    } else if (IsShell(rule.program)) {
      yaml_.FaultAt(node, where + ".program",
                    "is a shell or starts what it is told; name the program that does the work");
    }
    for (const Rule& other : rules) {
      if (other.name == rule.name) yaml_.FaultAt(node, where + ".name", "is the name of another rule");
    }
    rules.push_back(std::move(rule));
  }

  StrictYaml yaml_;
};

}  // namespace

absl::StatusOr<Allowlist> ParseAllowlist(std::string_view yaml) { return Reader().Read(yaml); }

absl::StatusOr<Allowlist> LoadAllowlist(const std::string& path) {
  SY_ASSIGN_OR_RETURN(const std::string text, ReadOwnFile(path, "allowlist"));
  absl::StatusOr<Allowlist> list = ParseAllowlist(text);
  if (!list.ok()) return Annotate(list.status(), path);
  return list;
}

}  // namespace switchyard::executor
