#include "tools/yard/spec_file.h"

#include <cstdint>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/suggest.h"
#include "tools/yard/errors.h"
#include "tools/yard/task_names.h"
#include "tools/yard/time_text.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kDeepest = 32;
constexpr std::size_t kMaxNodes = 200'000;

// Every scalar becomes a string: only the field knows whether 1.10 is a number. Null stays null. Aliases are followed,
// so both depth and size are bounded here.
absl::StatusOr<Json> FromYaml(const YAML::Node& node, int depth, std::size_t& nodes) {
  if (depth > kDeepest || ++nodes > kMaxNodes) {
    return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID", "nested too deeply or too large");
  }
  switch (node.Type()) {
    case YAML::NodeType::Map: {
      Json map = Json::object();
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) {
          return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID", "keys must be plain words");
        }
        if (map.contains(entry.first.Scalar())) {
          return LocalError(
              absl::StatusCode::kInvalidArgument, "FILE_INVALID",
              absl::StrCat("line ", entry.first.Mark().line + 1, ": key '", entry.first.Scalar(), "' stands twice"));
        }
        SY_ASSIGN_OR_RETURN(map[entry.first.Scalar()], FromYaml(entry.second, depth + 1, nodes));
      }
      return map;
    }
    case YAML::NodeType::Sequence: {
      Json list = Json::array();
      for (const auto& item : node) {
        SY_ASSIGN_OR_RETURN(Json value, FromYaml(item, depth + 1, nodes));
        list.push_back(std::move(value));
      }
      return list;
    }
    case YAML::NodeType::Scalar:
      return Json(node.Scalar());
    default:
      return Json(nullptr);
  }
}

std::string ScalarText(const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

class Normaliser {
 public:
  explicit Normaliser(std::vector<FieldViolation>& faults) : faults_(faults) {}

  Json Message(const Json& json, const Descriptor& type, const std::string& path) {
    if (!json.is_object()) return Fault(path, absl::StrCat("must be a map of the fields of ", type.name()));
    Json result = Json::object();
    for (const auto& [key, value] : json.items()) {
      const std::string at = path.empty() ? key : absl::StrCat(path, ".", key);
      const FieldDescriptor* field = type.FindFieldByName(key);
      if (field == nullptr) field = type.FindFieldByCamelcaseName(key);
      if (field == nullptr) {
        UnknownField(type, key, at);
      } else if (!value.is_null() || field->message_type() != nullptr) {
        result[field->name()] = Field(value, *field, at);
      }
    }
    return result;
  }

 private:
  Json Fault(const std::string& path, std::string_view description) {
    faults_.push_back({path, std::string(description)});
    return nullptr;
  }

  void UnknownField(const Descriptor& type, std::string_view key, const std::string& path) {
    std::vector<std::string_view> known;
    for (int i = 0; i < type.field_count(); ++i) known.push_back(type.field(i)->name());
    const std::string nearest = text::DidYouMean(key, known);
    Fault(path, nearest.empty() ? absl::StrCat("unknown field of ", type.name())
                                : absl::StrCat("unknown field; did you mean '", nearest, "'?"));
  }

  Json Field(const Json& value, const FieldDescriptor& field, const std::string& path) {
    if (field.is_map()) return Map(value, field, path);
    if (!field.is_repeated()) return Single(value, field, path);
    if (value.is_null()) return Json::array();
    if (!value.is_array()) return Fault(path, "must be a list");
    Json list = Json::array();
    for (std::size_t i = 0; i < value.size(); ++i) {
      list.push_back(Single(value[i], field, absl::StrCat(path, "[", i, "]")));
    }
    return list;
  }

  Json Map(const Json& value, const FieldDescriptor& field, const std::string& path) {
    if (value.is_null()) return Json::object();
    if (!value.is_object()) return Fault(path, "must be a map");
    Json map = Json::object();
    for (const auto& [key, entry] : value.items()) {
      map[key] = Single(entry, *field.message_type()->map_value(), absl::StrCat(path, ".", key));
    }
    return map;
  }

  Json Single(const Json& value, const FieldDescriptor& field, const std::string& path) {
    if (field.message_type() != nullptr) {
      const std::string& name = field.message_type()->full_name();
      if (name == "google.protobuf.Duration") return Span(value, path);
      if (name == "google.protobuf.Timestamp") return Moment(value, path);
      return Message(value.is_null() ? Json::object() : value, *field.message_type(), path);
    }
    if (value.is_structured()) return Fault(path, "must be a single value");
    const std::string text = ScalarText(value);
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return text;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (text == "true" || text == "yes" || text == "on") return true;
        if (text == "false" || text == "no" || text == "off") return false;
        return Fault(path, absl::StrCat("'", text, "' is neither true nor false"));
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto* found = ParseEnum(*field.enum_type(), text);
        if (found != nullptr) return found->name();
        return UnknownValue(*field.enum_type(), text, path);
      }
      default: {
        std::int64_t number = 0;
        if (!absl::SimpleAtoi(text, &number)) return Fault(path, absl::StrCat("'", text, "' is not a whole number"));
        if (field.cpp_type() == FieldDescriptor::CPPTYPE_INT32 && (number > INT32_MAX || number < INT32_MIN)) {
          return Fault(path, absl::StrCat(text, " is out of range"));
        }
        return number;
      }
    }
  }

  Json UnknownValue(const google::protobuf::EnumDescriptor& type, const std::string& text, const std::string& path) {
    std::string allowed;
    for (int i = 1; i < type.value_count(); ++i) {
      absl::StrAppend(&allowed, allowed.empty() ? "" : ", ", EnumText(type, type.value(i)->number()));
    }
    return Fault(path, absl::StrCat("'", text, "' is none of ", allowed));
  }

  Json Span(const Json& value, const std::string& path) {
    const std::string text = ScalarText(value);
    const absl::StatusOr<absl::Duration> span = ParseSpan(text);
    if (!span.ok()) return Fault(path, ToStd(span.status().message()));
    google::protobuf::Duration proto;
    ToProto(*span, &proto);
    return ToJson(proto);
  }

  Json Moment(const Json& value, const std::string& path) {
    const std::string text = ScalarText(value);
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, text, &time, &error)) {
      return Fault(path, absl::StrCat("'", text, "' is not a time such as 2026-01-31T12:00:00Z"));
    }
    google::protobuf::Timestamp proto;
    ToProto(time, &proto);
    return ToJson(proto);
  }

  std::vector<FieldViolation>& faults_;
};

absl::StatusOr<std::vector<Json>> ParseDocuments(std::string_view text, std::string_view name) {
  std::vector<Json> documents;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID", absl::StrCat(ToAbsl(name), " is empty"));
  }
  if (text[first] == '{' || text[first] == '[') {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_discarded()) {
      if (!json.is_array()) return std::vector<Json>{std::move(json)};
      for (Json& item : json) documents.push_back(std::move(item));
      return documents;
    }
  }
  try {
    std::size_t nodes = 0;
    for (const YAML::Node& node : YAML::LoadAll(std::string(text))) {
      if (node.IsNull()) continue;
      SY_ASSIGN_OR_RETURN(Json json, FromYaml(node, 0, nodes));
      if (json.is_array()) {
        for (Json& item : json) documents.push_back(std::move(item));
      } else {
        documents.push_back(std::move(json));
      }
    }
  } catch (const YAML::Exception& error) {
    return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID",
                      absl::StrCat(ToAbsl(name), ": line ", error.mark.line + 1, ": ", error.msg));
  }
  return documents;
}

template <class Proto>
absl::StatusOr<Proto> Decode(const Json& document, std::size_t index, std::string_view name, bool several) {
  std::vector<FieldViolation> faults;
  const std::string path = several ? absl::StrCat("document[", index, "]") : "";
  const Json canonical = Normalise(document, *Proto::descriptor(), path, faults);
  if (!faults.empty()) {
    ErrorDetails details;
    details.reason = "INVALID_FIELD";
    details.metadata.emplace_back(
        "next", "fix the file; every field is explained in proto/switchyard/task_queue/v1/spec.proto");
    details.violations = std::move(faults);
    return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(ToAbsl(name), " is not a valid specification"),
                     std::move(details));
  }
  Proto proto;
  const auto status = google::protobuf::util::JsonStringToMessage(JsonLine(canonical), &proto);
  if (!status.ok()) {
    return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID",
                      absl::StrCat(ToAbsl(name), ": ", std::string(status.message())));
  }
  return proto;
}

}  // namespace

Json Normalise(const Json& json, const Descriptor& type, const std::string& path, std::vector<FieldViolation>& faults) {
  return Normaliser(faults).Message(json, type, path);
}

absl::StatusOr<std::vector<tq::SubmitTaskRequest>> ParseTasks(std::string_view text, std::string_view file_name) {
  SY_ASSIGN_OR_RETURN(const std::vector<Json> documents, ParseDocuments(text, file_name));
  std::vector<tq::SubmitTaskRequest> requests;
  const bool several = documents.size() > 1;
  for (std::size_t i = 0; i < documents.size(); ++i) {
    const Json& document = documents[i];
    if (document.is_object() && document.contains("tasks")) {
      SY_ASSIGN_OR_RETURN(const tq::SubmitTasksRequest batch,
                          Decode<tq::SubmitTasksRequest>(document, i, file_name, several));
      requests.insert(requests.end(), batch.tasks().begin(), batch.tasks().end());
    } else if (document.is_object() && document.contains("spec")) {
      SY_ASSIGN_OR_RETURN(requests.emplace_back(), Decode<tq::SubmitTaskRequest>(document, i, file_name, several));
    } else {
      SY_ASSIGN_OR_RETURN(*requests.emplace_back().mutable_spec(),
                          Decode<tq::TaskSpec>(document, i, file_name, several));
    }
  }
  if (requests.empty()) {
    return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID",
                      absl::StrCat(ToAbsl(file_name), " holds no task"));
  }
  return requests;
}

}  // namespace switchyard::yard
