#include "services/executor/checks/strangers_json.h"

#include <string>

#include "absl/strings/str_cat.h"

namespace switchyard::executor::checks {
namespace {

constexpr int kMaxDepth = 256;
constexpr std::size_t kMaxValues = 2'000'000;

// Hears what the parser finds and builds nothing.
class Listener final : public Json::json_sax_t {
 public:
  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t&) override { return Value(); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(std::size_t) override { return Enter(); }
  bool key(string_t&) override { return true; }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Enter(); }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    if (status.ok()) status = absl::InvalidArgumentError(absl::StrCat("not well-formed at byte ", position));
    return false;
  }

  absl::Status status;
  std::size_t values = 0;

 private:
  bool Value() {
    if (++values <= kMaxValues) return true;
    status = absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxValues, " values"));
    return false;
  }
  bool Enter() {
    if (++depth_ > kMaxDepth) {
      status = absl::ResourceExhaustedError(absl::StrCat("deeper than ", kMaxDepth, " levels"));
      return false;
    }
    return Value();
  }
  bool Leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
};

}  // namespace

absl::StatusOr<ParsedJson> ParseStrangersJson(std::string_view text) {
  Listener listener;
  if (!Json::sax_parse(text.begin(), text.end(), &listener)) {
    if (!listener.status.ok()) return listener.status;
    return absl::InvalidArgumentError("not well-formed");
  }
  ParsedJson parsed{.json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false),
                    .values = listener.values};
  if (parsed.json.is_discarded()) return absl::InvalidArgumentError("not well-formed");
  return parsed;
}

}  // namespace switchyard::executor::checks
