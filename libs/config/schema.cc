#include "libs/config/schema.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "google/protobuf/descriptor.h"

namespace switchyard::config {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

[[noreturn]] void Die(const std::string& path, std::string_view why) {
  std::fprintf(stderr, "configuration schema: %s: %.*s\n", path.c_str(), static_cast<int>(why.size()), why.data());
  std::abort();
}

bool IsDuration(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
         field.message_type()->full_name() == "google.protobuf.Duration";
}

std::string ItemTypeName(const Option& option) {
  switch (option.annotation.kind()) {
    case v1::VALUE_KIND_BYTES:
      return "size";
    case v1::VALUE_KIND_SECRET_REF:
      return "secret reference";
    case v1::VALUE_KIND_ADDRESS:
      return "address";
    case v1::VALUE_KIND_PATH:
      return "path";
    default:
      break;
  }
  const FieldDescriptor& field = option.field();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true | false";
    case FieldDescriptor::CPPTYPE_ENUM: {
      std::vector<std::string> names;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        const auto& value = *field.enum_type()->value(i);
        if (value.number() != 0) names.push_back(ShortEnumName(field.enum_type()->name(), value.name()));
      }
      return absl::StrJoin(names, " | ");
    }
    case FieldDescriptor::CPPTYPE_STRING:
      return "text";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return "duration";
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "number";
    default:
      return "integer";
  }
}

}  // namespace

std::string ShortEnumName(std::string_view enum_name, std::string_view value_name) {
  std::string prefix;
  for (const char c : enum_name) {
    if (absl::ascii_isupper(static_cast<unsigned char>(c)) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(static_cast<unsigned char>(c));
  }
  prefix += '_';
  if (value_name.substr(0, prefix.size()) == prefix) value_name.remove_prefix(prefix.size());
  return absl::AsciiStrToLower(ToAbsl(value_name));
}

std::string_view Option::name() const { return field().name(); }
bool Option::is_list() const { return field().is_repeated(); }
bool Option::is_duration() const { return IsDuration(field()); }

std::string Option::TypeName() const { return absl::StrCat(is_list() ? "list of " : "", ItemTypeName(*this)); }

Schema Schema::Of(const Descriptor& message) {
  Schema schema;
  schema.Add(message, {}, "", "", {});
  for (const auto& option : schema.options_) {
    for (Section& section : schema.sections_) {
      const std::size_t dot = option->path.rfind('.');
      if (section.path == (dot == std::string::npos ? "" : option->path.substr(0, dot))) {
        section.options.push_back(option.get());
      }
    }
    std::vector<std::string> flags = {option->path};
    if (!option->annotation.alias().empty()) flags.push_back(option->annotation.alias());
    for (const std::string& flag : flags) {
      const auto [at, added] = schema.by_flag_.emplace(flag, option.get());
      if (!added && at->second != option.get()) Die(option->path, "its flag is taken");
    }
    if (!schema.by_variable_.emplace(option->variable, option.get()).second) {
      Die(option->path, "its environment variable is taken");
    }
  }
  return schema;
}

void Schema::Add(const Descriptor& message, const std::vector<const FieldDescriptor*>& to, const std::string& path,
                 std::string_view help, const StringMap<std::string>& overrides) {
  const std::size_t self = sections_.size();
  sections_.push_back({.path = path, .help = std::string(help), .message = &message, .options = {}, .sections = {}});
  StringSet used;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const v1::ConfigOption& annotation = field.options().GetExtension(v1::config);
    const std::string here = path.empty() ? field.name() : absl::StrCat(path, ".", field.name());
    if (annotation.help().empty()) Die(here, "has no help");
    if (field.is_map()) Die(here, "maps cannot be configured");
    std::vector<const FieldDescriptor*> fields = to;
    fields.push_back(&field);

    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !IsDuration(field)) {
      if (field.is_repeated()) Die(here, "lists of messages cannot be configured");
      StringMap<std::string> nested;
      for (const std::string& text : annotation.defaults()) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos) Die(here, "a default is written name=value");
        nested[text.substr(0, equals)] = text.substr(equals + 1);
      }
      sections_[self].sections.push_back(here);
      Add(*field.message_type(), fields, here, annotation.help(), nested);
      continue;
    }

    auto option = std::make_unique<Option>();
    option->path = here;
    option->variable = absl::StrCat("SWITCHYARD_", absl::AsciiStrToUpper(absl::StrReplaceAll(here, {{".", "_"}})));
    option->fields = std::move(fields);
    option->annotation = annotation;
    option->default_value = annotation.default_value();
    if (const auto found = overrides.find(field.name()); found != overrides.end()) {
      option->default_value = found->second;
      used.insert(found->first);
    }
    const bool may_be_empty = field.is_repeated() || field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
    if (option->default_value.empty() && !may_be_empty) Die(here, "has no default");
    options_.push_back(std::move(option));
  }
  for (const auto& [name, value] : overrides) {
    if (!used.contains(name)) Die(path, absl::StrCat("overrides the default of an unknown value: ", name));
  }
}

const Option* Schema::FindFlag(std::string_view name) const {
  if (const auto found = by_flag_.find(name); found != by_flag_.end()) return found->second;
  const auto found = by_flag_.find(absl::StrReplaceAll(ToAbsl(name), {{"-", "_"}}));
  return found == by_flag_.end() ? nullptr : found->second;
}

const Option* Schema::FindVariable(std::string_view name) const {
  const auto found = by_variable_.find(name);
  return found == by_variable_.end() ? nullptr : found->second;
}

const Section* Schema::FindSection(std::string_view path) const {
  for (const Section& section : sections_) {
    if (section.path == path) return &section;
  }
  return nullptr;
}

}  // namespace switchyard::config
