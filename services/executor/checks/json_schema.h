// JSON schemas of strangers. Written here since the validators at hand recurse without a bound on schemas that refer to
// themselves, and match patterns by engines that a pattern can make run for ever.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "services/executor/checks/strangers_json.h"

namespace switchyard::executor::checks {

enum class SchemaVerdict {
  kValid,
  kInvalid,
  // The schema asks for what is not known here or costs too much: neither yes nor no.
  kUnable,
};

struct SchemaResult {
  SchemaVerdict verdict = SchemaVerdict::kValid;
  // Where in the document and why, for people; quotes nothing of the document but names of members.
  std::string message;
};

struct SchemaBudget {
  std::uint64_t steps = 4'000'000;
  int depth = 400;
  // Asked now and then; true ends it as kUnable. May be empty.
  std::function<bool()> stop;
};

// The validation keywords of the drafts 4 to 2020-12, `$ref` within the schema itself. `format` and what only describes
// is not looked at; `$dynamicRef`, `$recursiveRef`, `unevaluated...` and references elsewhere are kUnable. Patterns are
// RE2's, in linear time: those with look-around or back references are kUnable.
SchemaResult ValidateJson(const Json& schema, const Json& document, SchemaBudget budget);

}  // namespace switchyard::executor::checks
