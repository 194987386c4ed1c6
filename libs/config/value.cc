#include "libs/config/value.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/message.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::config {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::array<std::pair<std::string_view, std::uint64_t>, 9> kUnits = {{
    {"TiB", std::uint64_t{1} << 40},
    {"GiB", std::uint64_t{1} << 30},
    {"MiB", std::uint64_t{1} << 20},
    {"KiB", std::uint64_t{1} << 10},
    {"TB", 1'000'000'000'000},
    {"GB", 1'000'000'000},
    {"MB", 1'000'000},
    {"kB", 1'000},
    {"B", 1},
}};

absl::Status Bad(std::string_view text, std::string_view wanted) {
  return absl::InvalidArgumentError(absl::StrCat("\"", ToAbsl(text), "\" is not ", ToAbsl(wanted)));
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

absl::Status CheckAddress(std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  if (text.substr(0, 5) == "unix:") {
    return text.size() > 5 ? absl::OkStatus() : Bad(text, "an address: a path follows unix:");
  }
  const std::size_t colon = text.rfind(':');
  int port = 0;
  if (colon == std::string_view::npos || colon == 0 || !absl::SimpleAtoi(ToAbsl(text.substr(colon + 1)), &port) ||
      port < 0 || port > 65535) {
    return Bad(text, "an address: write host:port, [ipv6]:port or unix:PATH");
  }
  const std::string_view host = text.substr(0, colon);
  if (host.find(':') != std::string_view::npos && (host.front() != '[' || host.back() != ']')) {
    return Bad(text, "an address: write IPv6 addresses in brackets");
  }
  return absl::OkStatus();
}

template <class Number>
absl::StatusOr<Value> ParseInteger(std::string_view text, Number least, Number most, std::string_view wanted) {
  Number number = 0;
  if (!absl::SimpleAtoi(ToAbsl(text), &number) || number < least || number > most) return Bad(text, wanted);
  return Value(number);
}

absl::StatusOr<Value> ParseEnum(const EnumDescriptor& type, std::string_view text) {
  std::string names;
  for (int i = 0; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    if (value.number() == 0) continue;
    const std::string name = ShortEnumName(type.name(), value.name());
    if (name == absl::AsciiStrToLower(ToAbsl(text))) return Value(EnumNumber{value.number()});
    absl::StrAppend(&names, names.empty() ? "" : ", ", name);
  }
  return Bad(text, absl::StrCat("one of ", names));
}

absl::StatusOr<Value> ParseUnbounded(const Option& option, std::string_view text) {
  const FieldDescriptor& field = option.field();
  if (option.annotation.kind() == v1::VALUE_KIND_BYTES) {
    SY_ASSIGN_OR_RETURN(const std::uint64_t bytes, ParseBytes(text));
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32 && bytes > UINT32_MAX) return Bad(text, "below 4GiB");
    return Value(bytes);
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      if (text == "true") return Value(true);
      if (text == "false") return Value(false);
      return Bad(text, "true or false");
    case FieldDescriptor::CPPTYPE_INT32:
      return ParseInteger<std::int64_t>(text, INT32_MIN, INT32_MAX, "an integer of 32 bits");
    case FieldDescriptor::CPPTYPE_INT64:
      return ParseInteger<std::int64_t>(text, INT64_MIN, INT64_MAX, "an integer");
    case FieldDescriptor::CPPTYPE_UINT32:
      return ParseInteger<std::uint64_t>(text, 0, UINT32_MAX, "a non-negative integer of 32 bits");
    case FieldDescriptor::CPPTYPE_UINT64:
      return ParseInteger<std::uint64_t>(text, 0, UINT64_MAX, "a non-negative integer");
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT: {
      double number = 0;
      if (!absl::SimpleAtod(ToAbsl(text), &number) || number != number) return Bad(text, "a number");
      return Value(number);
    }
    case FieldDescriptor::CPPTYPE_ENUM:
      return ParseEnum(*field.enum_type(), text);
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      SY_ASSIGN_OR_RETURN(const absl::Duration duration, ParseDuration(text));
      return Value(duration);
    }
    case FieldDescriptor::CPPTYPE_STRING:
      break;
  }
  if (option.annotation.kind() == v1::VALUE_KIND_SECRET_REF) SY_RETURN_IF_ERROR(CheckSecretRef(text));
  if (option.annotation.kind() == v1::VALUE_KIND_ADDRESS) SY_RETURN_IF_ERROR(CheckAddress(text));
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("holds a control character");
    }
  }
  return Value(std::string(text));
}

bool Less(const Value& a, const Value& b) {
  return std::visit(
      [&](const auto& left) {
        using T = std::decay_t<decltype(left)>;
        if constexpr (std::is_same_v<T, EnumNumber>) {
          return false;
        } else {
          return left < std::get<T>(b);
        }
      },
      a);
}

std::uint64_t AsUnsigned(const Value& value) { return std::get<std::uint64_t>(value); }

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  constexpr std::string_view kWanted = "a duration: write 30s, 250ms, 1h30m or 7d";
  absl::Duration days;
  std::string_view rest = text;
  if (const std::size_t d = text.find('d'); d != std::string_view::npos) {
    std::uint32_t count = 0;
    if (d == 0 || !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
        !absl::SimpleAtoi(ToAbsl(text.substr(0, d)), &count)) {
      return Bad(text, kWanted);
    }
    days = absl::Hours(24) * count;
    rest = text.substr(d + 1);
    if (rest.empty()) return days;
  }
  absl::Duration duration;
  const bool signed_rest = !rest.empty() && (rest[0] == '-' || rest[0] == '+') && rest.size() != text.size();
  if (signed_rest || !absl::ParseDuration(std::string(rest), &duration) ||
      absl::AbsDuration(duration) == absl::InfiniteDuration()) {
    return Bad(text, kWanted);
  }
  return days + duration;
}

std::string DurationText(absl::Duration duration) {
  constexpr absl::Duration kDay = absl::Hours(24);
  if (duration < kDay || duration % kDay != absl::ZeroDuration()) {
    return duration == absl::ZeroDuration() ? "0s" : absl::FormatDuration(duration);
  }
  return absl::StrCat(duration / kDay, "d");
}

absl::StatusOr<std::uint64_t> ParseBytes(std::string_view text) {
  constexpr std::string_view kWanted = "a size: write 4096, 512KiB or 4MiB";
  std::string_view digits = text;
  std::uint64_t unit = 1;
  for (const auto& [name, bytes] : kUnits) {
    if (!EndsWith(text, name)) continue;
    digits = text.substr(0, text.size() - name.size());
    unit = bytes;
    break;
  }
  std::uint64_t count = 0;
  if (digits.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(digits[0])) ||
      !absl::ascii_isdigit(static_cast<unsigned char>(digits.back())) || !absl::SimpleAtoi(ToAbsl(digits), &count) ||
      count > UINT64_MAX / unit) {
    return Bad(text, kWanted);
  }
  return count * unit;
}

std::string FormatBytes(std::uint64_t bytes) {
  for (std::size_t i = 0; i < 4 && bytes != 0; ++i) {
    if (bytes % kUnits[i].second == 0) return absl::StrCat(bytes / kUnits[i].second, ToAbsl(kUnits[i].first));
  }
  return absl::StrCat(bytes);
}

absl::Status CheckSecretRef(std::string_view text) {
  if (text.empty()) return absl::OkStatus();
  for (const std::string_view scheme : {"env:", "file:"}) {
    if (text.substr(0, scheme.size()) == scheme && text.size() > scheme.size()) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "is not a reference: secrets are given as env:NAME or file:PATH, never as they are");
}

absl::StatusOr<Value> ParseValue(const Option& option, std::string_view text) {
  SY_ASSIGN_OR_RETURN(Value value, ParseUnbounded(option, text));
  const v1::ConfigOption& rule = option.annotation;
  if (!rule.min().empty()) {
    SY_ASSIGN_OR_RETURN(const Value least, ParseUnbounded(option, rule.min()));
    if (Less(value, least)) return Bad(text, absl::StrCat("at least ", rule.min()));
  }
  if (!rule.max().empty()) {
    SY_ASSIGN_OR_RETURN(const Value most, ParseUnbounded(option, rule.max()));
    if (Less(most, value)) return Bad(text, absl::StrCat("at most ", rule.max()));
  }
  return value;
}

std::string FormatValue(const Option& option, const Value& value) {
  if (option.annotation.kind() == v1::VALUE_KIND_BYTES) return FormatBytes(AsUnsigned(value));
  return std::visit(
      [&](const auto& held) -> std::string {
        using T = std::decay_t<decltype(held)>;
        if constexpr (std::is_same_v<T, bool>) {
          return held ? "true" : "false";
        } else if constexpr (std::is_same_v<T, absl::Duration>) {
          return DurationText(held);
        } else if constexpr (std::is_same_v<T, EnumNumber>) {
          const EnumDescriptor& type = *option.field().enum_type();
          const auto* found = type.FindValueByNumber(held.number);
          return found == nullptr ? absl::StrCat(held.number) : ShortEnumName(type.name(), found->name());
        } else {
          return absl::StrCat(held);
        }
      },
      value);
}

bool IsText(const Option& option) { return option.field().cpp_type() == FieldDescriptor::CPPTYPE_STRING; }

void SetValues(Message& root, const Option& option, const std::vector<Value>& values) {
  Message* message = &root;
  for (std::size_t i = 0; i + 1 < option.fields.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, option.fields[i]);
  }
  const Reflection& access = *message->GetReflection();
  const FieldDescriptor* field = &option.field();
  access.ClearField(message, field);
  const bool list = field->is_repeated();
  for (const Value& value : values) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        list ? access.AddBool(message, field, std::get<bool>(value))
             : access.SetBool(message, field, std::get<bool>(value));
        break;
      case FieldDescriptor::CPPTYPE_INT32: {
        const auto number = static_cast<std::int32_t>(std::get<std::int64_t>(value));
        list ? access.AddInt32(message, field, number) : access.SetInt32(message, field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_INT64:
        list ? access.AddInt64(message, field, std::get<std::int64_t>(value))
             : access.SetInt64(message, field, std::get<std::int64_t>(value));
        break;
      case FieldDescriptor::CPPTYPE_UINT32: {
        const auto number = static_cast<std::uint32_t>(AsUnsigned(value));
        list ? access.AddUInt32(message, field, number) : access.SetUInt32(message, field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_UINT64:
        list ? access.AddUInt64(message, field, AsUnsigned(value))
             : access.SetUInt64(message, field, AsUnsigned(value));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        list ? access.AddDouble(message, field, std::get<double>(value))
             : access.SetDouble(message, field, std::get<double>(value));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT: {
        const auto number = static_cast<float>(std::get<double>(value));
        list ? access.AddFloat(message, field, number) : access.SetFloat(message, field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_ENUM: {
        const int number = std::get<EnumNumber>(value).number;
        list ? access.AddEnumValue(message, field, number) : access.SetEnumValue(message, field, number);
        break;
      }
      case FieldDescriptor::CPPTYPE_STRING: {
        const auto& text = std::get<std::string>(value);
        list ? access.AddString(message, field, text) : access.SetString(message, field, text);
        break;
      }
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        const absl::Duration duration = std::get<absl::Duration>(value);
        Message* target = list ? access.AddMessage(message, field) : access.MutableMessage(message, field);
        google::protobuf::Duration written;
        absl::Duration rest;
        written.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
        written.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
        target->CopyFrom(written);
        break;
      }
    }
  }
}

std::vector<Value> GetValues(const Message& root, const Option& option) {
  const Message* message = &root;
  for (std::size_t i = 0; i + 1 < option.fields.size(); ++i) {
    message = &message->GetReflection()->GetMessage(*message, option.fields[i]);
  }
  const Reflection& access = *message->GetReflection();
  const FieldDescriptor* field = &option.field();
  const bool list = field->is_repeated();
  const int count = list ? access.FieldSize(*message, field) : 1;
  std::vector<Value> values;
  for (int i = 0; i < count; ++i) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_BOOL:
        values.emplace_back(list ? access.GetRepeatedBool(*message, field, i) : access.GetBool(*message, field));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        values.emplace_back(
            std::int64_t{list ? access.GetRepeatedInt32(*message, field, i) : access.GetInt32(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        values.emplace_back(
            std::int64_t{list ? access.GetRepeatedInt64(*message, field, i) : access.GetInt64(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        values.emplace_back(
            std::uint64_t{list ? access.GetRepeatedUInt32(*message, field, i) : access.GetUInt32(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        values.emplace_back(
            std::uint64_t{list ? access.GetRepeatedUInt64(*message, field, i) : access.GetUInt64(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        values.emplace_back(list ? access.GetRepeatedDouble(*message, field, i) : access.GetDouble(*message, field));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        values.emplace_back(
            double{list ? access.GetRepeatedFloat(*message, field, i) : access.GetFloat(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        values.emplace_back(
            EnumNumber{list ? access.GetRepeatedEnumValue(*message, field, i) : access.GetEnumValue(*message, field)});
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        values.emplace_back(list ? access.GetRepeatedString(*message, field, i) : access.GetString(*message, field));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE: {
        google::protobuf::Duration read;
        read.CopyFrom(list ? access.GetRepeatedMessage(*message, field, i) : access.GetMessage(*message, field));
        values.emplace_back(absl::Seconds(read.seconds()) + absl::Nanoseconds(read.nanos()));
        break;
      }
    }
  }
  return values;
}

}  // namespace switchyard::config
