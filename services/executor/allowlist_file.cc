#include "services/executor/allowlist_file.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/config/value.h"
#include "libs/config/yaml_parse.h"
#include "libs/text/redact.h"
#include "libs/text/suggest.h"
#include "services/executor/unique_fd.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;
constexpr std::size_t kMaxRules = 1000;
constexpr std::size_t kMaxItems = 256;

bool IsName(std::string_view text, std::string_view extra) {
  if (text.empty() || text.size() > 100) return false;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && extra.find(c) == std::string_view::npos) return false;
  }
  return true;
}

// Absolute, without empty, "." and ".." parts and control characters.
bool IsPlainPath(std::string_view path) {
  if (path.size() < 2 || path.size() > 4096 || path.front() != '/' || path.back() == '/') return false;
  for (std::size_t from = 1; from <= path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, slash - from);
    if (part.empty() || part == "." || part == "..") return false;
    from = slash + 1;
  }
  return path.find_first_of(std::string_view("\0\n\r\t", 4)) == std::string_view::npos;
}

// What the sandbox makes itself, or what would undo it.
bool IsReserved(std::string_view path) {
  for (const std::string_view taken :
       {"/proc", "/sys", "/dev", "/run", "/workspace", "/tmp", "/etc", "/boot", "/root"}) {
    if (path == taken || (path.substr(0, taken.size()) == taken && path[taken.size()] == '/' &&
                          (taken == "/proc" || taken == "/sys" || taken == "/dev" || taken == "/workspace"))) {
      return true;
    }
  }
  return false;
}

class Reader {
 public:
  absl::StatusOr<Allowlist> Read(std::string_view text) {
    std::vector<Rule> rules;
    if (text.size() > kMaxFile) {
      Fault("", absl::StrCat("longer than ", kMaxFile, " bytes"));
    } else if (const config::YamlText parsed = config::ParseYaml(text); !parsed.fault.empty()) {
      Fault("", absl::StrCat(parsed.fault, " (line ", parsed.line, ")"));
    } else {
      try {
        ReadRoot(parsed.root, rules);
      } catch (const YAML::Exception& e) {
        Fault("", absl::StrCat("is not YAML: ", e.msg, " (line ", e.mark.line + 1, ")"));
      }
    }
    if (!faults_.empty()) return InvalidFields(std::move(faults_));
    return Allowlist(std::move(rules));
  }

 private:
  using Handler = std::function<void(const YAML::Node&, const std::string&)>;

  void Fault(std::string_view where, std::string_view what) {
    if (faults_.size() < 100) faults_.push_back({.field = std::string(where), .description = std::string(what)});
  }
  void FaultAt(const YAML::Node& node, const std::string& where, std::string_view what) {
    Fault(where, absl::StrCat(std::string(what), " (line ", node.Mark().line + 1, ")"));
  }

  void Keys(const YAML::Node& node, const std::string& where, const std::map<std::string, Handler>& handlers) {
    if (!node.IsMap()) return FaultAt(node, where, "is not a mapping of keys to values");
    StringSet seen;
    std::vector<std::string> known;
    for (const auto& [name, handler] : handlers) known.push_back(name);
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) {
        FaultAt(pair.first, where, "has a key that is not text");
        continue;
      }
      const std::string& key = pair.first.Scalar();
      const std::string here = where.empty() ? key : absl::StrCat(where, ".", key);
      if (!seen.insert(key).second) {
        FaultAt(pair.first, here, "is given twice");
      } else if (const auto found = handlers.find(key); found != handlers.end()) {
        found->second(pair.second, here);
      } else {
        const std::string meant = text::DidYouMean(key, known);
        FaultAt(pair.first, here,
                absl::StrCat("unknown key", meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?")));
      }
    }
  }

  std::string Text(const YAML::Node& node, const std::string& where) {
    if (!node.IsScalar()) {
      FaultAt(node, where, "is not a text");
      return "";
    }
    if (node.Scalar().find('\0') != std::string::npos) FaultAt(node, where, "holds a NUL");
    return node.Scalar();
  }

  void Items(const YAML::Node& node, const std::string& where, const Handler& item) {
    if (!node.IsSequence()) return FaultAt(node, where, "is not a list");
    if (node.size() > kMaxItems) return FaultAt(node, where, absl::StrCat("has more than ", kMaxItems, " items"));
    for (std::size_t i = 0; i < node.size(); ++i) item(node[i], absl::StrCat(where, "[", i, "]"));
  }

  bool Bool(const YAML::Node& node, const std::string& where) {
    const std::string text = Text(node, where);
    if (text != "true" && text != "false") FaultAt(node, where, "must be true or false");
    return text == "true";
  }

  Handler Patterns(std::vector<ArgumentPattern>& out) {
    return [this, &out](const YAML::Node& list, const std::string& at) {
      Items(list, at, [&](const YAML::Node& node, const std::string& where) {
        absl::StatusOr<ArgumentPattern> pattern = ArgumentPattern::Parse(Text(node, where));
        if (!pattern.ok()) return FaultAt(node, where, ToStd(pattern.status().message()));
        out.push_back(*std::move(pattern));
      });
    };
  }

  Handler Paths(std::vector<std::string>& out) {
    return [this, &out](const YAML::Node& list, const std::string& at) {
      Items(list, at, [&](const YAML::Node& node, const std::string& where) {
        std::string path = Text(node, where);
        if (!IsPlainPath(path)) return FaultAt(node, where, "must be an absolute path without '.', '..' and '//'");
        if (IsReserved(path)) return FaultAt(node, where, "cannot be shown to tasks");
        out.push_back(std::move(path));
      });
    };
  }

  Handler Bytes(std::uint64_t& out, std::uint64_t least) {
    return [this, &out, least](const YAML::Node& node, const std::string& where) {
      const absl::StatusOr<std::uint64_t> value = config::ParseBytes(Text(node, where));
      if (!value.ok()) return FaultAt(node, where, ToStd(value.status().message()));
      if (*value < least) return FaultAt(node, where, absl::StrCat("must be at least ", config::FormatBytes(least)));
      out = *value;
    };
  }

  Handler Time(absl::Duration& out) {
    return [this, &out](const YAML::Node& node, const std::string& where) {
      const absl::StatusOr<absl::Duration> value = config::ParseDuration(Text(node, where));
      if (!value.ok()) return FaultAt(node, where, ToStd(value.status().message()));
      if (*value <= absl::ZeroDuration() || *value > absl::Hours(24 * 7)) {
        return FaultAt(node, where, "must be above 0 and at most 7d");
      }
      out = *value;
    };
  }

  Handler Count(std::uint64_t most, const std::function<void(std::uint64_t)>& set) {
    return [this, most, set](const YAML::Node& node, const std::string& where) {
      const absl::StatusOr<std::uint64_t> value = config::ParseBytes(Text(node, where));
      if (!value.ok() || *value < 1 || *value > most) {
        return FaultAt(node, where, absl::StrCat("must be a number from 1 to ", most));
      }
      set(*value);
    };
  }

  void ReadLimits(const YAML::Node& node, const std::string& where, Limits& limits) {
    constexpr std::uint64_t kMiB = 1 << 20;
    Keys(node, where,
         {{"time", Time(limits.time)},
          {"kill_grace", Time(limits.kill_grace)},
          {"memory", Bytes(limits.memory_bytes, 16 * kMiB)},
          {"processes", Count(32768, [&](std::uint64_t n) { limits.processes = static_cast<std::uint32_t>(n); })},
          {"disk", Bytes(limits.disk_bytes, kMiB)},
          {"log", Bytes(limits.log_bytes, 64 * 1024)},
          {"output", Bytes(limits.output_bytes, 64 * 1024)}});
  }

  void ReadRule(const YAML::Node& node, const std::string& where, std::vector<Rule>& rules) {
    Rule rule;
    Keys(node, where,
         {{"name", [&](const YAML::Node& n, const std::string& at) { rule.name = Text(n, at); }},
          {"program", [&](const YAML::Node& n, const std::string& at) { rule.program = Text(n, at); }},
          {"arguments", Patterns(rule.arguments)},
          {"rest", Patterns(rule.rest)},
          {"max_rest", Count(256, [&](std::uint64_t n) { rule.max_rest = n; })},
          {"environment",
           [&](const YAML::Node& list, const std::string& at) {
             Items(list, at, [&](const YAML::Node& n, const std::string& item) {
               const std::string name = Text(n, item);
               if (!IsName(name, "_")) return FaultAt(n, item, "is no name of a variable");
               if (SteersExecution(name)) return FaultAt(n, item, "would let a task choose what is executed");
               rule.environment.insert(name);
             });
           }},
          {"set_environment",
           [&](const YAML::Node& n, const std::string& at) { ReadVariables(n, at, rule.set_environment); }},
          {"stdin", [&](const YAML::Node& n, const std::string& at) { rule.stdin_allowed = Bool(n, at); }},
          {"network", [&](const YAML::Node& n, const std::string& at) { rule.network = Bool(n, at); }},
          {"sandbox",
           [&](const YAML::Node& n, const std::string& at) {
             const std::string text = Text(n, at);
             if (text != "required" && text != "optional") return FaultAt(n, at, "must be required or optional");
             rule.sandbox_optional = text == "optional";
           }},
          {"read_only", Paths(rule.read_only)},
          {"writable", Paths(rule.writable)},
          {"limits", [&](const YAML::Node& n, const std::string& at) { ReadLimits(n, at, rule.limits); }}});
    if (!node.IsMap()) return;
    if (!IsName(rule.name, "_-."))
      FaultAt(node, where + ".name", "must be letters, digits, '_', '-' and '.', at most 100");
    if (!IsPlainPath(rule.program)) {
      FaultAt(node, where + ".program", "must be an absolute path without '.', '..' and '//'");
    } else if (IsShell(rule.program)) {
      FaultAt(node, where + ".program", "is a shell or starts what it is told; name the program that does the work");
    }
    for (const Rule& other : rules) {
      if (other.name == rule.name) FaultAt(node, where + ".name", "is the name of another rule");
    }
    rules.push_back(std::move(rule));
  }

  void ReadVariables(const YAML::Node& node, const std::string& where, std::map<std::string, std::string>& out) {
    if (!node.IsMap()) return FaultAt(node, where, "is not a mapping of keys to values");
    for (const auto& pair : node) {
      const std::string name = Text(pair.first, where);
      if (!IsName(name, "_")) {
        FaultAt(pair.first, where, "has a key that is no name of a variable");
        continue;
      }
      const std::string here = absl::StrCat(where, ".", name);
      if (text::NamesSecret(name)) FaultAt(pair.first, here, "looks like a secret; tasks are given none");
      if (!out.emplace(name, Text(pair.second, here)).second) FaultAt(pair.first, here, "is given twice");
    }
  }

  void ReadRoot(const YAML::Node& root, std::vector<Rule>& rules) {
    Keys(root, "", {{"rules", [&](const YAML::Node& list, const std::string& at) {
                       // "rules:" alone allows nothing, which is what it says.
                       if (list.IsNull()) return;
                       if (!list.IsSequence()) return FaultAt(list, at, "is not a list");
                       if (list.size() > kMaxRules) {
                         return FaultAt(list, at, absl::StrCat("has more than ", kMaxRules, " rules"));
                       }
                       for (std::size_t i = 0; i < list.size(); ++i) {
                         ReadRule(list[i], absl::StrCat(at, "[", i, "]"), rules);
                       }
                     }}});
  }

  std::vector<FieldViolation> faults_;
};

absl::Status Unreadable(const std::string& path, int error) {
  return MakeError(absl::StatusCode::kNotFound, "ALLOWLIST_UNREADABLE",
                   absl::StrCat("cannot read the allowlist ", path, ": ", strerror(error)));
}

}  // namespace

absl::StatusOr<Allowlist> ParseAllowlist(std::string_view yaml) { return Reader().Read(yaml); }

absl::StatusOr<Allowlist> LoadAllowlist(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return Unreadable(path, errno);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return Unreadable(path, errno);
  const auto unsafe = [&path](std::string_view why) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "ALLOWLIST_UNSAFE",
                     absl::StrCat("the allowlist ", path, " ", std::string(why)));
  };
  if (!S_ISREG(info.st_mode)) return unsafe("is not a plain file");
  if (info.st_uid != 0 && info.st_uid != geteuid()) return unsafe("belongs to another user: chown it to root");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return unsafe("can be written by others: chmod go-w it");
  std::string text;
  char buffer[65536];
  for (ssize_t size = 1; size > 0 && text.size() <= kMaxFile;) {
    size = read(file.get(), buffer, sizeof(buffer));
    if (size < 0 && errno != EINTR) return Unreadable(path, errno);
    if (size > 0) text.append(buffer, static_cast<std::size_t>(size));
  }
  absl::StatusOr<Allowlist> list = ParseAllowlist(text);
  if (!list.ok()) return Annotate(list.status(), path);
  return list;
}

}  // namespace switchyard::executor
