#include "libs/config/load.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "google/protobuf/message.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/config/schema.h"
#include "libs/config/value.h"
#include "libs/config/yaml_source.h"
#include "libs/text/suggest.h"

namespace switchyard::config {
namespace {

std::string Hint(std::string_view wrong, const std::vector<std::string>& known) {
  const std::string meant = text::DidYouMean(wrong, known);
  return meant.empty() ? "" : absl::StrCat("; did you mean \"", meant, "\"?");
}

// A variable that the kubelet sets for a service named switchyard-something.
bool IsServiceLink(std::string_view name, std::string_view value) {
  const absl::string_view n = ToAbsl(name);
  return absl::EndsWith(n, "_SERVICE_HOST") || absl::StrContains(n, "_SERVICE_PORT") ||
         (absl::EndsWith(n, "_PORT") && absl::StartsWith(ToAbsl(value), "tcp://")) ||
         (absl::StrContains(n, "_PORT_") && (absl::StrContains(n, "_TCP") || absl::StrContains(n, "_UDP")));
}

class Loader {
 public:
  Loader(google::protobuf::Message& config, const Schema& schema) : config_(config), schema_(schema) {}

  void Defaults() {
    for (const auto& option : schema_.options()) {
      const bool none = option->default_value.empty();
      if (none && !IsText(*option)) {
        SetValues(config_, *option, {});
        origins_[option->path] = "default";
        continue;
      }
      SetText(*option, option->default_value, "default");
    }
  }

  absl::Status File(const std::string& path) {
    std::ifstream stream(path);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream) {
      return MakeError(absl::StatusCode::kNotFound, "CONFIG_UNREADABLE",
                       absl::StrCat("cannot read the configuration file ", path, ": ", std::strerror(errno)));
    }
    const YamlDocument document = ReadYaml(text.str());
    for (const YamlFault& fault : document.faults)
      Fault(fault.path, absl::StrCat(fault.what, " (", path, ":", fault.line, ")"));
    for (const YamlEntry& entry : document.entries) {
      const std::string at = absl::StrCat(path, ":", entry.line);
      const Option* option = FindExact(entry.path);
      if (option == nullptr) {
        UnknownKey(entry, at);
      } else if (entry.kind == YamlEntry::Kind::kSection) {
        Fault(entry.path, absl::StrCat("is a value, not a section (", at, ")"));
      } else if (entry.kind == YamlEntry::Kind::kList && !option->is_list()) {
        Fault(entry.path, absl::StrCat("is one value, not a list (", at, ")"));
      } else if (entry.kind == YamlEntry::Kind::kList) {
        SetItems(*option, entry.items, absl::StrCat("file ", at));
      } else {
        SetText(*option, entry.items[0], absl::StrCat("file ", at));
      }
    }
    return absl::OkStatus();
  }

  void Variables(const Environment& environment, const std::vector<std::string>& reserved) {
    std::vector<std::string> known = reserved;
    for (const auto& option : schema_.options()) known.push_back(option->variable);
    for (auto at = environment.lower_bound("SWITCHYARD_"); at != environment.end(); ++at) {
      const auto& [name, value] = *at;
      if (!absl::StartsWith(name, "SWITCHYARD_")) break;
      if (const Option* option = schema_.FindVariable(name); option != nullptr) {
        SetText(*option, value, absl::StrCat("environment ", name));
        continue;
      }
      bool ignored = absl::StartsWith(name, "SWITCHYARD_TEST_") || IsServiceLink(name, value);
      for (const std::string& other : reserved) ignored = ignored || name == other;
      if (!ignored) Fault(name, absl::StrCat("unknown environment variable", Hint(name, known)));
    }
  }

  void Flags(const std::vector<std::string>& flags) {
    std::vector<std::string> known;
    for (const auto& option : schema_.options()) {
      known.push_back(option->path);
      if (!option->annotation.alias().empty()) known.push_back(option->annotation.alias());
    }
    for (const std::string& flag : flags) {
      if (!absl::StartsWith(flag, "--")) {
        Fault(flag, "unexpected argument; options are written --name=value");
        continue;
      }
      const std::size_t equals = flag.find('=');
      const std::string name = flag.substr(2, equals == std::string::npos ? equals : equals - 2);
      const Option* option = schema_.FindFlag(name);
      if (option == nullptr) {
        Fault(absl::StrCat("--", name), absl::StrCat("unknown flag", Hint(name, known)));
      } else if (equals != std::string::npos) {
        SetText(*option, flag.substr(equals + 1), absl::StrCat("flag --", name));
      } else if (option->TypeName() == "true | false") {
        SetText(*option, "true", absl::StrCat("flag --", name));
      } else {
        Fault(absl::StrCat("--", name), absl::StrCat("needs a value: --", name, "=", option->TypeName()));
      }
    }
  }

  absl::Status Finish(Origins* origins) {
    for (const auto& option : schema_.options()) {
      if (!option->annotation.required()) continue;
      const std::vector<Value> values = GetValues(config_, *option);
      if (values.empty() || FormatValue(*option, values[0]).empty()) Fault(option->path, "must not be empty");
    }
    if (origins != nullptr) *origins = std::move(origins_);
    if (faults_.empty()) return absl::OkStatus();
    return InvalidFields(std::move(faults_));
  }

 private:
  void Fault(std::string_view where, std::string_view what) {
    faults_.push_back({.field = std::string(where), .description = std::string(what)});
  }

  // Files know full paths only: aliases are for flags.
  const Option* FindExact(std::string_view path) const {
    const Option* option = schema_.FindFlag(path);
    return option != nullptr && option->path == path ? option : nullptr;
  }

  void UnknownKey(const YamlEntry& entry, const std::string& at) {
    if (const Section* section = schema_.FindSection(entry.path); section != nullptr) {
      // A section whose keys are all commented out is no fault.
      const bool empty = entry.kind == YamlEntry::Kind::kEmpty;
      if (!empty) Fault(entry.path, absl::StrCat("is a section, not a value (", at, ")"));
      return;
    }
    // The deepest section that exists holds the first unknown name.
    std::string parent;
    std::string wrong = entry.path;
    const std::vector<std::string> names = absl::StrSplit(entry.path, '.');
    std::string path;
    for (const std::string& name : names) {
      wrong = name;
      const std::string next = path.empty() ? name : absl::StrCat(path, ".", name);
      if (schema_.FindSection(next) == nullptr) break;
      path = parent = next;
    }
    const std::string full = parent.empty() ? wrong : absl::StrCat(parent, ".", wrong);
    if (!reported_.insert(full).second) return;
    std::vector<std::string> known;
    const Section& section = *schema_.FindSection(parent);
    for (const Option* option : section.options) known.emplace_back(option->name());
    for (const std::string& child : section.sections) known.push_back(child.substr(child.rfind('.') + 1));
    std::string hint = Hint(wrong, known);
    if (hint.empty()) {
      for (const auto& option : schema_.options()) {
        if (option->name() == names.back()) hint = absl::StrCat("; did you mean \"", option->path, "\"?");
      }
    }
    Fault(full, absl::StrCat("unknown key (", at, ")", hint));
  }

  void SetText(const Option& option, const std::string& text, std::string origin) {
    if (!option.is_list()) return SetItems(option, {text}, std::move(origin));
    std::vector<std::string> items;
    for (const absl::string_view item : absl::StrSplit(text, ',')) {
      items.emplace_back(absl::StripAsciiWhitespace(item));
    }
    if (items.size() == 1 && items[0].empty()) items.clear();
    SetItems(option, items, std::move(origin));
  }

  void SetItems(const Option& option, const std::vector<std::string>& items, std::string origin) {
    std::vector<Value> values;
    for (std::size_t i = 0; i < items.size(); ++i) {
      absl::StatusOr<Value> value = ParseValue(option, items[i]);
      if (!value.ok()) {
        const std::string where = option.is_list() ? absl::StrCat(option.path, "[", i, "]") : option.path;
        Fault(where, absl::StrCat(ToAbsl(ToStd(value.status().message())), " (", origin, ")"));
        return;
      }
      values.push_back(*std::move(value));
    }
    SetValues(config_, option, values);
    origins_[option.path] = std::move(origin);
  }

  google::protobuf::Message& config_;
  const Schema& schema_;
  Origins origins_;
  std::vector<FieldViolation> faults_;
  StringSet reported_;
};

}  // namespace

absl::Status Load(const Sources& sources, google::protobuf::Message& config, Origins* origins) {
  const Schema schema = Schema::Of(*config.GetDescriptor());
  config.Clear();
  Loader loader(config, schema);
  loader.Defaults();
  if (!sources.file.empty()) SY_RETURN_IF_ERROR(loader.File(sources.file));
  loader.Variables(sources.environment, sources.reserved_variables);
  loader.Flags(sources.flags);
  return loader.Finish(origins);
}

std::string FaultsText(const absl::Status& status) {
  const ErrorDetails details = DetailsOf(status);
  if (details.violations.empty()) return absl::StrCat("  ", status.message(), "\n");
  std::string text;
  for (const FieldViolation& fault : details.violations) {
    absl::StrAppend(&text, "  ", fault.field, ": ", fault.description, "\n");
  }
  return text;
}

}  // namespace switchyard::config
