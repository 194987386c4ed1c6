#include "tools/yard/output.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/strings.h"
#include "tools/yard/errors.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::yard {
namespace {

constexpr std::pair<std::string_view, Format> kFormats[] = {
    {"table", Format::kTable}, {"wide", Format::kWide}, {"plain", Format::kPlain}, {"json", Format::kJson},
    {"jsonl", Format::kJsonl}, {"yaml", Format::kYaml}, {"name", Format::kName},
};

// The flag, else the variable; a variable with a value that is not allowed is a usage error.
absl::StatusOr<std::string> Choice(const Invocation& invocation, const Host& host, std::string_view flag_name,
                                   std::string_view variable) {
  if (invocation.Has(flag_name)) return invocation.Get(flag_name);
  const std::string value = host.Variable(variable);
  if (value.empty()) return value;
  const Flag* const flag = FindFlag(YardTree().global_flags, flag_name);
  for (std::string_view choice : flag->choices) {
    if (choice == value) return value;
  }
  return UsageError("BAD_VALUE", absl::StrCat(ToAbsl(variable), ": '", value, "' is not allowed"),
                    absl::StrCat("unset ", ToAbsl(variable), ", or see --", ToAbsl(flag_name), " in yard help"));
}

void EmitYaml(YAML::Emitter& emitter, const Json& json) {
  if (json.is_object()) {
    if (json.empty()) {
      emitter << YAML::Flow;
    }
    emitter << YAML::BeginMap;
    for (const auto& [key, value] : json.items()) {
      emitter << YAML::Key << key << YAML::Value;
      EmitYaml(emitter, value);
    }
    emitter << YAML::EndMap;
  } else if (json.is_array()) {
    if (json.empty()) emitter << YAML::Flow;
    emitter << YAML::BeginSeq;
    for (const Json& item : json) EmitYaml(emitter, item);
    emitter << YAML::EndSeq;
  } else if (json.is_string()) {
    const std::string& text = json.get_ref<const std::string&>();
    bool plain = !text.empty();
    bool lines = false;
    for (char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      lines = lines || c == '\n';
      plain = plain && (byte >= 0x20 || c == '\n') && byte != 0x7F;
    }
    if (lines && plain && text.front() != ' ' && text.front() != '\n') {
      emitter << YAML::Literal << text;
      return;
    }
    static const std::string_view kWords = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    const bool word = plain && kWords.find(text.front()) != std::string_view::npos && text != "null" &&
                      text != "true" && text != "false" && text != "yes" && text != "no" && text != "on" &&
                      text != "off" && text.find(": ") == std::string::npos && text.find(" #") == std::string::npos;
    if (word) {
      emitter << text;
    } else {
      emitter << YAML::DoubleQuoted << text;
    }
  } else {
    emitter << json.dump();
  }
}

}  // namespace

absl::StatusOr<OutputStyle> ChooseStyle(const Invocation& invocation, const Host& host) {
  OutputStyle style;
  absl::StatusOr<std::string> format = Choice(invocation, host, "output", "YARD_OUTPUT");
  if (!format.ok()) return format.status();
  style.format = host.out_is_terminal ? Format::kTable : Format::kPlain;
  for (const auto& [name, value] : kFormats) {
    if (name == *format) style.format = value;
  }
  absl::StatusOr<std::string> times = Choice(invocation, host, "time", "YARD_TIME");
  if (!times.ok()) return times.status();
  const bool iso = times->empty() ? style.format == Format::kPlain : *times == "iso";
  style.times = iso ? TimeForm::kIso : TimeForm::kRelative;
  absl::StatusOr<std::string> color = Choice(invocation, host, "color", "YARD_COLOR");
  if (!color.ok()) return color.status();
  const bool allowed = host.Variable("NO_COLOR").empty() && host.Variable("TERM") != "dumb";
  const bool automatic = color->empty() || *color == "auto";
  style.color = automatic ? allowed && host.out_is_terminal : *color == "always";
  style.color_errors = automatic ? allowed && host.err_is_terminal : *color == "always";
  style.quiet = invocation.Has("quiet");
  style.columns = host.out_is_terminal ? host.columns : 0;
  return style;
}

void Print(const Answer& answer, const OutputStyle& style, const Host& host) {
  switch (style.format) {
    case Format::kJson:
      host.out << answer.whole.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
      break;
    case Format::kJsonl:
      if (answer.items.empty() && !answer.whole.is_array() && answer.table.empty_note.empty()) {
        host.out << JsonLine(answer.whole) << '\n';
      }
      for (const Json& item : answer.items) host.out << JsonLine(item) << '\n';
      break;
    case Format::kYaml:
      host.out << ToYaml(answer.whole);
      break;
    case Format::kName:
      for (const std::string& name : answer.names) host.out << OneLine(name) << '\n';
      break;
    case Format::kPlain:
    case Format::kTable:
    case Format::kWide:
      if (!answer.card.empty()) {
        host.out << answer.card;
      } else if (style.format == Format::kPlain) {
        host.out << RenderPlain(answer.table);
      } else {
        host.out << RenderTable(answer.table, {style.format == Format::kWide, style.color,
                                               style.format == Format::kWide ? 0 : style.columns});
        if (answer.table.rows.empty() && !style.quiet && !answer.table.empty_note.empty()) {
          host.err << answer.table.empty_note << '\n';
        }
      }
      break;
  }
  host.out.flush();
}

Json ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return Json::object();
  return Json::parse(text, nullptr, false);
}

std::string JsonLine(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string ToYaml(const Json& json) {
  YAML::Emitter emitter;
  EmitYaml(emitter, json);
  return absl::StrCat(emitter.c_str(), "\n");
}

}  // namespace switchyard::yard
