#include "libs/config/print.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "libs/base/strings.h"
#include "libs/config/schema.h"
#include "libs/config/value.h"

namespace switchyard::config {
namespace {

using google::protobuf::Descriptor;

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

constexpr std::size_t kHelpWidth = 100;

std::string YamlValue(const Option& option, const std::vector<Value>& values) {
  std::vector<std::string> items;
  for (const Value& value : values) {
    const std::string text = FormatValue(option, value);
    items.push_back(IsText(option) ? Quoted(text) : text);
  }
  return option.is_list() ? absl::StrCat("[", absl::StrJoin(items, ", "), "]") : items[0];
}

std::string LastName(const std::string& path) { return path.substr(path.rfind('.') + 1); }

void PrintSection(const Schema& schema, const Section& section, const google::protobuf::Message& config,
                  const Origins& origins, int depth, std::string& out) {
  const std::string indent(static_cast<std::size_t>(depth) * 2, ' ');
  for (const Option* option : section.options) {
    const auto origin = origins.find(option->path);
    absl::StrAppend(&out, indent, ToAbsl(option->name()), ": ", YamlValue(*option, GetValues(config, *option)), "  # ",
                    origin == origins.end() ? "default" : origin->second, "\n");
  }
  for (const std::string& child : section.sections) {
    absl::StrAppend(&out, indent, LastName(child), ":\n");
    PrintSection(schema, *schema.FindSection(child), config, origins, depth + 1, out);
  }
}

std::string Wrapped(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  std::size_t column = width;
  for (const absl::string_view word : absl::StrSplit(ToAbsl(text), ' ')) {
    if (column + 1 + word.size() > width) {
      absl::StrAppend(&out, out.empty() ? "" : "\n", std::string(indent, ' '), word);
      column = indent + word.size();
    } else {
      absl::StrAppend(&out, " ", word);
      column += 1 + word.size();
    }
  }
  return out + "\n";
}

std::string Bounds(const v1::ConfigOption& rule) {
  if (!rule.min().empty() && !rule.max().empty()) return absl::StrCat(rule.min(), " to ", rule.max());
  if (!rule.min().empty()) return absl::StrCat("at least ", rule.min());
  if (!rule.max().empty()) return absl::StrCat("at most ", rule.max());
  return "";
}

std::string Cell(std::string_view text) { return absl::StrReplaceAll(ToAbsl(text), {{"|", "\\|"}}); }

// Messages in the order in which a reader of the programs meets them.
void CollectMessages(const Schema& schema, std::vector<std::pair<const Descriptor*, const Section*>>& out) {
  for (const Section& section : schema.sections()) {
    const auto known = std::find_if(out.begin(), out.end(), [&](const auto& e) { return e.first == section.message; });
    if (!section.path.empty() && !section.options.empty() && known == out.end())
      out.emplace_back(section.message, &section);
  }
}

void AppendRow(const Option& option, std::string_view name, std::string& page) {
  const std::string bounds = Bounds(option.annotation);
  const std::string plain = option.annotation.default_value();
  absl::StrAppend(&page, "| `", ToAbsl(name), "` | ", Cell(option.TypeName()), bounds.empty() ? "" : ", ", bounds,
                  " | ", plain.empty() ? "" : absl::StrCat("`", plain, "`"), " | ", Cell(option.annotation.help()));
  if (!option.annotation.alias().empty()) absl::StrAppend(&page, " Short flag: `--", option.annotation.alias(), "`.");
  absl::StrAppend(&page, " |\n");
}

}  // namespace

std::string PrintConfig(const google::protobuf::Message& config, const Origins& origins) {
  const Schema schema = Schema::Of(*config.GetDescriptor());
  std::string out;
  PrintSection(schema, *schema.FindSection(""), config, origins, 0, out);
  return out;
}

std::string HelpText(const Descriptor& message, const std::vector<std::string>& only) {
  const Schema schema = Schema::Of(message);
  std::string out;
  for (const Section& section : schema.sections()) {
    const std::string top = section.path.substr(0, section.path.find('.'));
    if (section.options.empty() || (!only.empty() && std::find(only.begin(), only.end(), top) == only.end())) continue;
    absl::StrAppend(&out, out.empty() ? "" : "\n");
    if (!section.path.empty()) absl::StrAppend(&out, section.path, ": ", section.help, "\n");
    for (const Option* option : section.options) {
      absl::StrAppend(&out, "  --", option->path, "=", option->default_value.empty() ? "\"\"" : option->default_value);
      if (!option->annotation.alias().empty() && option->annotation.alias() != option->path) {
        absl::StrAppend(&out, "  (also --", option->annotation.alias(), ")");
      }
      const std::string bounds = Bounds(option->annotation);
      absl::StrAppend(&out, "  [", option->TypeName(), bounds.empty() ? "" : ", ", bounds, "]\n",
                      Wrapped(option->annotation.help(), 6, kHelpWidth));
    }
  }
  return out;
}

std::string ReferencePage(const std::vector<std::pair<std::string, const Descriptor*>>& programs) {
  std::string page =
      "# Configuration\n\n"
      "Generated from `proto/switchyard/config/v1` by `switchyard-config-reference`; do not edit by hand.\n\n"
      "A value is taken from the first of these that has it: a flag `--section.key=value`, the environment variable\n"
      "`SWITCHYARD_SECTION_KEY`, the YAML file named by `--config` or `SWITCHYARD_CONFIG`, the default. Unknown names "
      "are\n"
      "refused, all faults are reported at once, and `--print-config` shows the effective values with their "
      "origins.\n\n"
      "Durations are written `250ms`, `30s`, `1h30m`, `7d`; sizes `512KiB`, `4MiB` or in bytes; lists as YAML lists "
      "or, in\n"
      "flags and variables, separated by commas. A secret is given by reference, `env:NAME` or `file:PATH`; the file "
      "must\n"
      "not be readable by group or others (`chmod 600`).\n";
  std::vector<Schema> schemas;
  for (const auto& [program, message] : programs) schemas.push_back(Schema::Of(*message));
  std::vector<std::pair<const Descriptor*, const Section*>> messages;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    absl::StrAppend(&page, "\n## `", programs[i].first, "`\n\n");
    const Section& root = *schemas[i].FindSection("");
    if (!root.options.empty()) {
      absl::StrAppend(&page, "| key | type | default | meaning |\n|---|---|---|---|\n");
      for (const Option* option : root.options) AppendRow(*option, option->name(), page);
      absl::StrAppend(&page, "\n");
    }
    absl::StrAppend(&page, "| section | meaning | keys | defaults of its own |\n|---|---|---|---|\n");
    for (const Section& section : schemas[i].sections()) {
      if (section.path.empty()) continue;
      std::vector<std::string> own;
      for (const Option* option : section.options) {
        if (option->default_value != option->annotation.default_value()) {
          own.push_back(absl::StrCat("`", ToAbsl(option->name()), ": ", option->default_value, "`"));
        }
      }
      const std::string name = section.message->name();
      std::string anchor = name;
      std::transform(anchor.begin(), anchor.end(), anchor.begin(), [](unsigned char c) { return std::tolower(c); });
      absl::StrAppend(&page, "| `", section.path, "` | ", Cell(section.help), " | ",
                      section.options.empty() ? "" : absl::StrCat("[", name, "](#", anchor, ")"), " | ",
                      absl::StrJoin(own, ", "), " |\n");
    }
    CollectMessages(schemas[i], messages);
  }
  for (const auto& [message, section] : messages) {
    absl::StrAppend(&page, "\n## ", message->name(), "\n\n| key | type | default | meaning |\n|---|---|---|---|\n");
    for (const Option* option : section->options) AppendRow(*option, option->name(), page);
  }
  return page;
}

}  // namespace switchyard::config
