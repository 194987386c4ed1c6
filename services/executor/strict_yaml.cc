#include "services/executor/strict_yaml.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/config/value.h"
#include "libs/config/yaml_parse.h"
#include "libs/text/suggest.h"
#include "services/executor/unique_fd.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMostFaults = 100;

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

}  // namespace

bool IsYamlName(std::string_view text, std::string_view extra) {
  if (text.empty() || text.size() > 100) return false;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!plain && extra.find(c) == std::string_view::npos) return false;
  }
  return true;
}

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

void StrictYaml::Read(std::string_view text, const std::function<void(const YAML::Node& root)>& read) {
  if (text.size() > kMaxFile) return Fault("", absl::StrCat("longer than ", kMaxFile, " bytes"));
  const config::YamlText parsed = config::ParseYaml(text);
  if (!parsed.fault.empty()) return Fault("", absl::StrCat(parsed.fault, " (line ", parsed.line, ")"));
  try {
    read(parsed.root);
  } catch (const YAML::Exception& e) {
    Fault("", absl::StrCat("is not YAML: ", e.msg, " (line ", e.mark.line + 1, ")"));
  }
}

absl::Status StrictYaml::Take() {
  if (faults_.empty()) return absl::OkStatus();
  return InvalidFields(std::move(faults_));
}

void StrictYaml::Fault(std::string_view where, std::string_view what) {
  if (faults_.size() < kMostFaults) faults_.push_back({.field = std::string(where), .description = std::string(what)});
}

void StrictYaml::FaultAt(const YAML::Node& node, const std::string& where, std::string_view what) {
  Fault(where, absl::StrCat(std::string(what), " (line ", node.Mark().line + 1, ")"));
}

void StrictYaml::Keys(const YAML::Node& node, const std::string& where,
                      const std::map<std::string, Handler>& handlers) {
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

void StrictYaml::Items(const YAML::Node& node, const std::string& where, const Handler& item) {
  if (!node.IsSequence()) return FaultAt(node, where, "is not a list");
  if (node.size() > kMaxItems) return FaultAt(node, where, absl::StrCat("has more than ", kMaxItems, " items"));
  for (std::size_t i = 0; i < node.size(); ++i) item(node[i], absl::StrCat(where, "[", i, "]"));
}

void StrictYaml::Entries(const YAML::Node& node, const std::string& where, std::size_t most, std::string_view what,
                         const Handler& item) {
  if (node.IsNull()) return;
  if (!node.IsSequence()) return FaultAt(node, where, "is not a list");
  if (node.size() > most) return FaultAt(node, where, absl::StrCat("has more than ", most, " ", std::string(what)));
  for (std::size_t i = 0; i < node.size(); ++i) item(node[i], absl::StrCat(where, "[", i, "]"));
}

std::string StrictYaml::Text(const YAML::Node& node, const std::string& where) {
  if (!node.IsScalar()) {
    FaultAt(node, where, "is not a text");
    return "";
  }
  if (node.Scalar().find('\0') != std::string::npos) FaultAt(node, where, "holds a NUL");
  return node.Scalar();
}

bool StrictYaml::Bool(const YAML::Node& node, const std::string& where) {
  const std::string text = Text(node, where);
  if (text != "true" && text != "false") FaultAt(node, where, "must be true or false");
  return text == "true";
}

StrictYaml::Handler StrictYaml::Texts(std::string& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) { out = Text(node, where); };
}

StrictYaml::Handler StrictYaml::Paths(std::vector<std::string>& out) {
  return [this, &out](const YAML::Node& list, const std::string& at) {
    Items(list, at, [&](const YAML::Node& node, const std::string& where) {
      std::string path = Text(node, where);
      if (!IsPlainPath(path)) return FaultAt(node, where, "must be an absolute path without '.', '..' and '//'");
      if (IsReserved(path)) return FaultAt(node, where, "cannot be shown to tasks");
      out.push_back(std::move(path));
    });
  };
}

StrictYaml::Handler StrictYaml::Bytes(std::uint64_t& out, std::uint64_t least) {
  return [this, &out, least](const YAML::Node& node, const std::string& where) {
    const absl::StatusOr<std::uint64_t> value = config::ParseBytes(Text(node, where));
    if (!value.ok()) return FaultAt(node, where, ToStd(value.status().message()));
    if (*value < least) return FaultAt(node, where, absl::StrCat("must be at least ", config::FormatBytes(least)));
    out = *value;
  };
}

StrictYaml::Handler StrictYaml::Time(absl::Duration& out) {
  return [this, &out](const YAML::Node& node, const std::string& where) {
    const absl::StatusOr<absl::Duration> value = config::ParseDuration(Text(node, where));
    if (!value.ok()) return FaultAt(node, where, ToStd(value.status().message()));
    if (*value <= absl::ZeroDuration() || *value > absl::Hours(24 * 7)) {
      return FaultAt(node, where, "must be above 0 and at most 7d");
    }
    out = *value;
  };
}

StrictYaml::Handler StrictYaml::Count(std::uint64_t most, std::function<void(std::uint64_t)> set) {
  return [this, most, set = std::move(set)](const YAML::Node& node, const std::string& where) {
    const absl::StatusOr<std::uint64_t> value = config::ParseBytes(Text(node, where));
    if (!value.ok() || *value < 1 || *value > most) {
      return FaultAt(node, where, absl::StrCat("must be a number from 1 to ", most));
    }
    set(*value);
  };
}

StrictYaml::Handler StrictYaml::SandboxWord(bool& optional) {
  return [this, &optional](const YAML::Node& node, const std::string& where) {
    const std::string text = Text(node, where);
    if (text != "required" && text != "optional") return FaultAt(node, where, "must be required or optional");
    optional = text == "optional";
  };
}

void StrictYaml::ReadLimits(const YAML::Node& node, const std::string& where, Limits& limits) {
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

void StrictYaml::Variables(const YAML::Node& node, const std::string& where, std::map<std::string, std::string>& out,
                           const std::function<std::string(const std::string& name, const std::string& value)>& check) {
  if (!node.IsMap()) return FaultAt(node, where, "is not a mapping of keys to values");
  for (const auto& pair : node) {
    const std::string name = Text(pair.first, where);
    if (!IsYamlName(name, "_")) {
      FaultAt(pair.first, where, "has a key that is no name of a variable");
      continue;
    }
    const std::string here = absl::StrCat(where, ".", name);
    std::string value = Text(pair.second, here);
    if (const std::string objection = check(name, value); !objection.empty()) FaultAt(pair.first, here, objection);
    if (!out.emplace(name, std::move(value)).second) FaultAt(pair.first, here, "is given twice");
  }
}

absl::StatusOr<std::string> ReadOwnFile(const std::string& path, std::string_view kind) {
  const std::string name(kind);
  const std::string capitals = absl::AsciiStrToUpper(name);
  const auto unreadable = [&](int error) {
    return MakeError(absl::StatusCode::kNotFound, capitals + "_UNREADABLE",
                     absl::StrCat("cannot read the ", name, " ", path, ": ", strerror(error)));
  };
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.valid()) return unreadable(errno);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return unreadable(errno);
  const auto unsafe = [&](std::string_view why) {
    return MakeError(absl::StatusCode::kFailedPrecondition, capitals + "_UNSAFE",
                     absl::StrCat("the ", name, " ", path, " ", std::string(why)));
  };
  if (!S_ISREG(info.st_mode)) return unsafe("is not a plain file");
  if (info.st_uid != 0 && info.st_uid != geteuid()) return unsafe("belongs to another user: chown it to root");
  if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) return unsafe("can be written by others: chmod go-w it");
  std::string text;
  char buffer[65536];
  for (ssize_t size = 1; size > 0 && text.size() <= StrictYaml::kMaxFile;) {
    size = read(file.get(), buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) {
      size = 1;
      continue;
    }
    if (size < 0) return unreadable(errno);
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return text;
}

}  // namespace switchyard::executor
