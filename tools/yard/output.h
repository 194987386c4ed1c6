#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "nlohmann/json.hpp"
#include "tools/yard/host.h"
#include "tools/yard/parse.h"
#include "tools/yard/table.h"
#include "tools/yard/time_text.h"

namespace switchyard::yard {

using Json = nlohmann::ordered_json;

enum class Format { kTable, kWide, kPlain, kJson, kJsonl, kYaml, kName };

struct OutputStyle {
  Format format = Format::kPlain;
  TimeForm times = TimeForm::kRelative;
  bool color = false;
  bool color_errors = false;
  bool quiet = false;
  int columns = 0;

  bool structured() const { return format == Format::kJson || format == Format::kJsonl || format == Format::kYaml; }
};

// From flags, YARD_OUTPUT, YARD_TIME, YARD_COLOR, NO_COLOR, TERM and what standard output is. A usage error for a bad
// value in the environment.
absl::StatusOr<OutputStyle> ChooseStyle(const Invocation& invocation, const Host& host);

// What a command answers, in every form it may be asked for.
struct Answer {
  Table table;
  // For people, instead of the table; already escaped. Empty: the table.
  std::string card;
  // The whole answer, for json and yaml.
  Json whole;
  // Its items, for jsonl; empty: the whole as one line.
  std::vector<Json> items;
  // For name.
  std::vector<std::string> names;
};

// Writes to host.out; a note about an empty table goes to host.err.
void Print(const Answer& answer, const OutputStyle& style, const Host& host);

// Canonical protobuf JSON with the field names of the contract. Bytes are base64, 64-bit numbers are strings.
Json ToJson(const google::protobuf::Message& message);
// One line, without a line end.
std::string JsonLine(const Json& json);
// Block style; strings are quoted where a plain scalar would read as something else.
std::string ToYaml(const Json& json);

}  // namespace switchyard::yard
