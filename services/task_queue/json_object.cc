#include "services/task_queue/json_object.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace switchyard::task_queue {
namespace {

using Json = nlohmann::json;

// Hears what the parser finds and builds nothing.
class Listener final : public Json::json_sax_t {
 public:
  bool null() override { return Value(); }
  bool boolean(bool) override { return Value(); }
  bool number_integer(number_integer_t) override { return Value(); }
  bool number_unsigned(number_unsigned_t) override { return Value(); }
  bool number_float(number_float_t, const string_t&) override { return Value(); }
  bool string(string_t& text) override { return Value() && Text(text); }
  bool binary(binary_t&) override { return Value(); }
  bool start_object(std::size_t) override { return Enter(); }
  bool key(string_t& text) override { return Text(text); }
  bool end_object() override { return Leave(); }
  bool start_array(std::size_t) override { return Value() && Enter(); }
  bool end_array() override { return Leave(); }
  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    wrong_ = absl::StrCat("not well-formed at byte ", position);
    return false;
  }

  const std::string& wrong() const { return wrong_; }

 private:
  bool Stop(const char* why) {
    wrong_ = why;
    return false;
  }
  bool Value() { return depth_ > 0 || Stop("got another kind of value"); }
  bool Text(const string_t& text) {
    return text.find('\0') == string_t::npos || Stop("a text in it holds a NUL character");
  }
  bool Enter() {
    if (++depth_ <= kMaxJsonDepth) return true;
    wrong_ = absl::StrCat("at most ", kMaxJsonDepth, " levels deep");
    return false;
  }
  bool Leave() {
    --depth_;
    return true;
  }

  int depth_ = 0;
  std::string wrong_;
};

}  // namespace

std::string WhatIsWrongWithJsonObject(std::string_view json) {
  Listener listener;
  const bool good = Json::sax_parse(json.begin(), json.end(), &listener);
  if (good || !listener.wrong().empty()) return listener.wrong();
  return "not well-formed";
}

}  // namespace switchyard::task_queue
