#include "services/executor/checks/json_schema.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "re2/re2.h"
#include "services/executor/checks/evidence.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::int64_t kPatternMemory = 1 << 20;
constexpr std::uint64_t kAskEvery = 4096;

std::size_t Characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool IsWhole(const Json& json) {
  if (json.is_number_integer()) return true;
  if (!json.is_number_float()) return false;
  const double value = json.get<double>();
  return std::isfinite(value) && std::floor(value) == value;
}

std::string_view TypeName(const Json& json) {
  if (json.is_null()) return "null";
  if (json.is_boolean()) return "boolean";
  if (json.is_string()) return "string";
  if (json.is_array()) return "array";
  if (json.is_object()) return "object";
  return IsWhole(json) ? "integer" : "number";
}

bool HasType(const Json& json, std::string_view type) {
  const std::string_view own = TypeName(json);
  return own == type || (type == "number" && own == "integer");
}

// The place of a member or an item; of places far down, only where they are below.
std::string Inner(const std::string& where, std::string_view name) {
  return where.size() > 300 ? where : absl::StrCat(where, "/", ToAbsl(name.substr(0, 100)));
}

enum Group : unsigned { kUnknown = 1, kReference = 2, kAny = 4, kNumber = 8, kString = 16, kArray = 32, kObject = 64 };

struct Keyword {
  const char* name;
  Group group;
};

constexpr Keyword kKeywords[] = {{"$dynamicRef", kUnknown},
                                 {"$recursiveRef", kUnknown},
                                 {"unevaluatedProperties", kUnknown},
                                 {"unevaluatedItems", kUnknown},
                                 {"$ref", kReference},
                                 {"type", kAny},
                                 {"const", kAny},
                                 {"enum", kAny},
                                 {"allOf", kAny},
                                 {"anyOf", kAny},
                                 {"oneOf", kAny},
                                 {"not", kAny},
                                 {"if", kAny},
                                 {"minimum", kNumber},
                                 {"maximum", kNumber},
                                 {"exclusiveMinimum", kNumber},
                                 {"exclusiveMaximum", kNumber},
                                 {"multipleOf", kNumber},
                                 {"minLength", kString},
                                 {"maxLength", kString},
                                 {"pattern", kString},
                                 {"minItems", kArray},
                                 {"maxItems", kArray},
                                 {"uniqueItems", kArray},
                                 {"items", kArray},
                                 {"prefixItems", kArray},
                                 {"contains", kArray},
                                 {"minProperties", kObject},
                                 {"maxProperties", kObject},
                                 {"required", kObject},
                                 {"dependencies", kObject},
                                 {"dependentRequired", kObject},
                                 {"dependentSchemas", kObject},
                                 {"properties", kObject},
                                 {"patternProperties", kObject},
                                 {"additionalProperties", kObject},
                                 {"propertyNames", kObject}};

class Validator {
 public:
  Validator(const Json& root, SchemaBudget budget) : root_(root), budget_(std::move(budget)) {}

  SchemaResult Run(const Json& document) {
    SchemaResult result;
    result.verdict = Check(root_, document, "", 0);
    if (result.verdict != SchemaVerdict::kValid) result.message = std::move(message_);
    return result;
  }

 private:
  using Verdict = SchemaVerdict;

  Verdict Unable(std::string why) {
    message_ = std::move(why);
    return Verdict::kUnable;
  }
  Verdict Invalid(std::string_view where, std::string why) {
    message_ = absl::StrCat("at ", where.empty() ? std::string("the top") : Quoted(where), ": ", why);
    return Verdict::kInvalid;
  }
  // False once it costs too much.
  bool Spend(std::uint64_t steps) {
    if (budget_.steps < steps) return false;
    budget_.steps -= steps;
    asked_ += steps;
    if (asked_ < kAskEvery || !budget_.stop) return true;
    asked_ = 0;
    return !budget_.stop();
  }
  Verdict TooCostly() { return Unable("the schema takes too long to check"); }

  Verdict Check(const Json& schema, const Json& value, const std::string& where, int depth) {
    if (depth > budget_.depth) return Unable("the schema and the document nest too deep");
    if (!Spend(1)) return TooCostly();
    if (schema.is_boolean()) return schema.get<bool>() ? Verdict::kValid : Invalid(where, "nothing may stand here");
    if (!schema.is_object()) return Unable("a part of the schema is neither an object nor a boolean");
    const unsigned groups = GroupsOf(schema);
    if ((groups & kUnknown) != 0) return Unable("a keyword of the schema is not known here: " + UnknownIn(schema));
    if ((groups & kReference) != 0) {
      const Json* target = Resolve(*Find(schema, "$ref"));
      if (target == nullptr) return Unable("a $ref leads nowhere within the schema");
      if (const Verdict v = Check(*target, value, where, depth + 1); v != Verdict::kValid) return v;
    }
    if ((groups & kAny) != 0) {
      if (const Verdict v = CheckAny(schema, value, where, depth); v != Verdict::kValid) return v;
    }
    if (value.is_number() && (groups & kNumber) != 0) return CheckNumber(schema, value, where);
    if (value.is_string() && (groups & kString) != 0) {
      return CheckString(schema, value.get_ref<const std::string&>(), where);
    }
    if (value.is_array() && (groups & kArray) != 0) return CheckArray(schema, value, where, depth);
    if (value.is_object() && (groups & kObject) != 0) return CheckObject(schema, value, where, depth);
    return Verdict::kValid;
  }

  // Which kinds of keywords a schema has, so that a document of a million values is not asked a million times for each.
  unsigned GroupsOf(const Json& schema) {
    const auto [found, fresh] = groups_.try_emplace(&schema, 0u);
    if (!fresh) return found->second;
    for (const auto& [name, value] : schema.items()) {
      for (const Keyword& keyword : kKeywords) {
        if (name == keyword.name) found->second |= keyword.group;
      }
    }
    return found->second;
  }
  static std::string UnknownIn(const Json& schema) {
    for (const Keyword& keyword : kKeywords) {
      if (keyword.group == kUnknown && schema.contains(keyword.name)) return keyword.name;
    }
    return "";
  }

  static const Json* Find(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? nullptr : &*found;
  }

  // "#" and "#/a/b~1c".
  const Json* Resolve(const Json& reference) const {
    if (!reference.is_string()) return nullptr;
    std::string_view rest = reference.get_ref<const std::string&>();
    if (rest.empty() || rest[0] != '#') return nullptr;
    rest.remove_prefix(1);
    const Json* at = &root_;
    while (!rest.empty()) {
      if (rest[0] != '/') return nullptr;
      rest.remove_prefix(1);
      const std::size_t slash = std::min(rest.find('/'), rest.size());
      std::string part;
      for (std::size_t i = 0; i < slash; ++i) {
        int high = 0;
        if (rest[i] == '~' && i + 1 < slash && (rest[i + 1] == '0' || rest[i + 1] == '1')) {
          part += rest[++i] == '0' ? '~' : '/';
        } else if (rest[i] == '%' && i + 2 < slash && absl::SimpleHexAtoi(ToAbsl(rest.substr(i + 1, 2)), &high)) {
          part += static_cast<char>(high);
          i += 2;
        } else {
          part += rest[i];
        }
      }
      rest.remove_prefix(slash);
      std::size_t index = 0;
      if (at->is_object() && at->contains(part)) {
        at = &(*at)[part];
      } else if (at->is_array() && absl::SimpleAtoi(part, &index) && index < at->size()) {
        at = &(*at)[index];
      } else {
        return nullptr;
      }
    }
    return at;
  }

  Verdict CheckAny(const Json& schema, const Json& value, const std::string& where, int depth) {
    if (const Json* type = Find(schema, "type")) {
      bool good = false;
      if (type->is_string()) good = HasType(value, type->get_ref<const std::string&>());
      if (type->is_array()) {
        for (const Json& one : *type)
          good = good || (one.is_string() && HasType(value, one.get_ref<const std::string&>()));
      }
      if (!good) return Invalid(where, absl::StrCat("of type ", ToAbsl(TypeName(value)), ", not ", Short(*type)));
    }
    if (const Json* wanted = Find(schema, "const")) {
      if (!Spend(wanted->size() + 1)) return TooCostly();
      if (*wanted != value) return Invalid(where, "not the value that it must be");
    }
    if (const Json* wanted = Find(schema, "enum"); wanted != nullptr && wanted->is_array()) {
      if (!Spend(wanted->size() + 1)) return TooCostly();
      if (std::find(wanted->begin(), wanted->end(), value) == wanted->end()) {
        return Invalid(where, "none of the values that it may be");
      }
    }
    return CheckCombined(schema, value, where, depth);
  }

  Verdict CheckCombined(const Json& schema, const Json& value, const std::string& where, int depth) {
    if (const Json* all = Find(schema, "allOf"); all != nullptr && all->is_array()) {
      for (const Json& one : *all) {
        if (const Verdict v = Check(one, value, where, depth + 1); v != Verdict::kValid) return v;
      }
    }
    for (const char* name : {"anyOf", "oneOf"}) {
      const Json* some = Find(schema, name);
      if (some == nullptr || !some->is_array()) continue;
      int fit = 0;
      for (const Json& one : *some) {
        const Verdict v = Check(one, value, where, depth + 1);
        if (v == Verdict::kUnable) return v;
        fit += v == Verdict::kValid ? 1 : 0;
        if (fit > 0 && name[0] == 'a') break;
      }
      if (fit == 0) return Invalid(where, absl::StrCat("fits none of ", name));
      if (fit > 1) return Invalid(where, "fits more than one of oneOf");
    }
    if (const Json* no = Find(schema, "not")) {
      const Verdict v = Check(*no, value, where, depth + 1);
      if (v == Verdict::kUnable) return v;
      if (v == Verdict::kValid) return Invalid(where, "fits what it must not");
    }
    if (const Json* condition = Find(schema, "if")) {
      const Verdict v = Check(*condition, value, where, depth + 1);
      if (v == Verdict::kUnable) return v;
      if (const Json* then = Find(schema, v == Verdict::kValid ? "then" : "else")) {
        return Check(*then, value, where, depth + 1);
      }
    }
    message_.clear();
    return Verdict::kValid;
  }

  Verdict CheckNumber(const Json& schema, const Json& value, const std::string& where) {
    const auto limit = [&](const char* name) {
      const Json* bound = Find(schema, name);
      return bound != nullptr && bound->is_number() ? bound : nullptr;
    };
    const auto strict = [&](const char* name) {
      const Json* flag = Find(schema, name);
      return flag != nullptr && flag->is_boolean() && flag->get<bool>();
    };
    if (const Json* least = limit("minimum")) {
      if (value < *least || (strict("exclusiveMinimum") && value == *least)) return Invalid(where, "below its minimum");
    }
    if (const Json* most = limit("maximum")) {
      if (*most < value || (strict("exclusiveMaximum") && value == *most)) return Invalid(where, "above its maximum");
    }
    if (const Json* least = limit("exclusiveMinimum")) {
      if (value <= *least) return Invalid(where, "not above its exclusiveMinimum");
    }
    if (const Json* most = limit("exclusiveMaximum")) {
      if (value >= *most) return Invalid(where, "not below its exclusiveMaximum");
    }
    if (const Json* factor = limit("multipleOf")) {
      const double by = factor->get<double>();
      if (!(by > 0)) return Unable("a multipleOf of the schema is not above 0");
      const double times = value.get<double>() / by;
      if (!std::isfinite(times) || std::fabs(times - std::round(times)) > 1e-9 * std::max(1.0, std::fabs(times))) {
        return Invalid(where, "no multiple of what it must be one of");
      }
    }
    return Verdict::kValid;
  }

  // Nothing when the schema has no such bound.
  static std::optional<std::uint64_t> Bound(const Json& schema, const char* name) {
    const Json* bound = Find(schema, name);
    if (bound == nullptr || !bound->is_number()) return std::nullopt;
    const double value = bound->get<double>();
    return value <= 0 ? 0 : static_cast<std::uint64_t>(std::min(value, 1e15));
  }

  Verdict CheckString(const Json& schema, const std::string& text, const std::string& where) {
    const auto least = Bound(schema, "minLength");
    const auto most = Bound(schema, "maxLength");
    if (least.has_value() || most.has_value()) {
      if (!Spend(text.size() / 64 + 1)) return TooCostly();
      const std::size_t length = Characters(text);
      if (least.has_value() && length < *least) return Invalid(where, "shorter than its minLength");
      if (most.has_value() && length > *most) return Invalid(where, "longer than its maxLength");
    }
    if (const Json* pattern = Find(schema, "pattern"); pattern != nullptr && pattern->is_string()) {
      return Matches(pattern->get_ref<const std::string&>(), text, where, "does not match its pattern");
    }
    return Verdict::kValid;
  }

  // kInvalid when it does not match.
  Verdict Matches(const std::string& pattern, const std::string& text, const std::string& where, const char* why) {
    if (!Spend(text.size() / 16 + 4)) return TooCostly();
    std::unique_ptr<RE2>& compiled = patterns_[pattern];
    if (compiled == nullptr) {
      if (!Spend(1000 + pattern.size() * 100)) return TooCostly();
      RE2::Options options;
      options.set_log_errors(false);
      options.set_max_mem(kPatternMemory);
      compiled = std::make_unique<RE2>(pattern, options);
    }
    if (!compiled->ok()) return Unable(absl::StrCat("a pattern of the schema is not supported: ", compiled->error()));
    return RE2::PartialMatch(text, *compiled) ? Verdict::kValid : Invalid(where, why);
  }

  Verdict CheckArray(const Json& schema, const Json& value, const std::string& where, int depth) {
    const auto least = Bound(schema, "minItems");
    const auto most = Bound(schema, "maxItems");
    if (least.has_value() && value.size() < *least) return Invalid(where, "fewer items than minItems");
    if (most.has_value() && value.size() > *most) return Invalid(where, "more items than maxItems");
    if (const Json* unique = Find(schema, "uniqueItems"); unique != nullptr && *unique == true) {
      if (!Spend(value.size() * 20 + 1)) return TooCostly();
      // By their text: the library's order of numbers of different kinds is none that a sort could rely on.
      std::unordered_set<std::string> seen;
      for (const Json& item : value) {
        if (!seen.insert(Text(item)).second) return Invalid(where, "two items are the same");
      }
    }
    const Json* items = Find(schema, "items");
    const Json* first = Find(schema, "prefixItems");
    const Json* rest = items;
    if (first == nullptr && items != nullptr && items->is_array()) {
      first = items;
      rest = Find(schema, "additionalItems");
    }
    const std::size_t named = first != nullptr && first->is_array() ? first->size() : 0;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const Json* const own = i < named ? &(*first)[i] : rest;
      if (own == nullptr) break;
      if (const Verdict v = Check(*own, value[i], Inner(where, absl::StrCat(i)), depth + 1); v != Verdict::kValid)
        return v;
    }
    return CheckContains(schema, value, where, depth);
  }

  Verdict CheckContains(const Json& schema, const Json& value, const std::string& where, int depth) {
    const Json* wanted = Find(schema, "contains");
    if (wanted == nullptr) return Verdict::kValid;
    const std::uint64_t least = Bound(schema, "minContains").value_or(1);
    const std::uint64_t most = Bound(schema, "maxContains").value_or(value.size());
    std::uint64_t found = 0;
    for (const Json& item : value) {
      const Verdict v = Check(*wanted, item, where, depth + 1);
      if (v == Verdict::kUnable) return v;
      found += v == Verdict::kValid ? 1 : 0;
    }
    if (found < least) return Invalid(where, "does not contain what it must");
    return found > most ? Invalid(where, "contains too much of what it must") : Verdict::kValid;
  }

  Verdict CheckObject(const Json& schema, const Json& value, const std::string& where, int depth) {
    const auto least = Bound(schema, "minProperties");
    const auto most = Bound(schema, "maxProperties");
    if (least.has_value() && value.size() < *least) return Invalid(where, "fewer members than minProperties");
    if (most.has_value() && value.size() > *most) return Invalid(where, "more members than maxProperties");
    if (const Json* required = Find(schema, "required"); required != nullptr && required->is_array()) {
      if (!Spend(required->size())) return TooCostly();
      for (const Json& name : *required) {
        if (name.is_string() && !value.contains(name.get_ref<const std::string&>())) {
          return Invalid(where, absl::StrCat("the member ", Quoted(name.get_ref<const std::string&>()), " is missing"));
        }
      }
    }
    if (const Verdict v = CheckDependencies(schema, value, where, depth); v != Verdict::kValid) return v;
    const Json* properties = Find(schema, "properties");
    const Json* patterns = Find(schema, "patternProperties");
    const Json* others = Find(schema, "additionalProperties");
    const Json* names = Find(schema, "propertyNames");
    if (properties == nullptr && patterns == nullptr && others == nullptr && names == nullptr) return Verdict::kValid;
    for (const auto& [name, member] : value.items()) {
      if (!Spend(1)) return TooCostly();
      const std::string inner = Inner(where, name);
      if (names != nullptr) {
        if (const Verdict v = Check(*names, Json(name), inner, depth + 1); v != Verdict::kValid) return v;
      }
      bool known = false;
      if (properties != nullptr && properties->is_object() && properties->contains(name)) {
        known = true;
        if (const Verdict v = Check((*properties)[name], member, inner, depth + 1); v != Verdict::kValid) return v;
      }
      if (patterns != nullptr && patterns->is_object()) {
        for (const auto& [pattern, own] : patterns->items()) {
          const Verdict fits = Matches(pattern, name, inner, "");
          if (fits == Verdict::kUnable) return fits;
          if (fits == Verdict::kInvalid) continue;
          known = true;
          if (const Verdict v = Check(own, member, inner, depth + 1); v != Verdict::kValid) return v;
        }
      }
      if (known || others == nullptr) continue;
      if (others->is_boolean() && !others->get<bool>()) return Invalid(inner, "a member that may not be there");
      if (const Verdict v = Check(*others, member, inner, depth + 1); v != Verdict::kValid) return v;
    }
    return Verdict::kValid;
  }

  // `dependencies` of old, and the two that it became.
  Verdict CheckDependencies(const Json& schema, const Json& value, const std::string& where, int depth) {
    for (const char* keyword : {"dependencies", "dependentRequired", "dependentSchemas"}) {
      const Json* all = Find(schema, keyword);
      if (all == nullptr || !all->is_object()) continue;
      for (const auto& [name, wanted] : all->items()) {
        if (!Spend(1)) return TooCostly();
        if (!value.contains(name)) continue;
        if (!wanted.is_array()) {
          if (const Verdict v = Check(wanted, value, where, depth + 1); v != Verdict::kValid) return v;
          continue;
        }
        if (!Spend(wanted.size())) return TooCostly();
        for (const Json& other : wanted) {
          if (other.is_string() && !value.contains(other.get_ref<const std::string&>())) {
            return Invalid(where,
                           absl::StrCat("the member ", Quoted(other.get_ref<const std::string&>()), " is missing"));
          }
        }
      }
    }
    return Verdict::kValid;
  }

  static std::string Text(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }
  static std::string Short(const Json& json) { return Quoted(Text(json)); }

  const Json& root_;
  SchemaBudget budget_;
  std::uint64_t asked_ = 0;
  std::string message_;
  std::unordered_map<const Json*, unsigned> groups_;
  std::map<std::string, std::unique_ptr<RE2>> patterns_;
};

}  // namespace

SchemaResult ValidateJson(const Json& schema, const Json& document, SchemaBudget budget) {
  return Validator(schema, std::move(budget)).Run(document);
}

}  // namespace switchyard::executor::checks
