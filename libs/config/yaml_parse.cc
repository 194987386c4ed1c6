#include "libs/config/yaml_parse.h"

#include <algorithm>
#include <sstream>

#include "libs/text/utf8.h"
#include "yaml-cpp/eventhandler.h"

namespace switchyard::config {
namespace {

// Where a document begins.
class Beginning final : public YAML::EventHandler {
 public:
  int line() const { return line_; }
  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int line_ = 0;
};

// Offset of the first byte that has no place in a text; npos when there is none.
std::size_t FindOddByte(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    char32_t character = 0;
    const std::size_t size = text::DecodeUtf8(text.substr(at), &character);
    const bool control = character < 0x20 && character != '\n' && character != '\r' && character != '\t';
    if (size == 0 || control || character == 0x7f) return at;
    at += size;
  }
  return std::string_view::npos;
}

}  // namespace

YamlText ParseYaml(std::string_view text) {
  YamlText out;
  if (const std::size_t odd = FindOddByte(text); odd != std::string_view::npos) {
    out.fault = "is not text in UTF-8 without control characters";
    out.line = 1 + static_cast<int>(std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(odd), '\n'));
    return out;
  }
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Beginning first;
    Beginning second;
    if (parser.HandleNextDocument(first) && parser.HandleNextDocument(second)) {
      out.fault = "holds more than one document";
      out.line = second.line();
      return out;
    }
    out.root = YAML::Load(std::string(text));
  } catch (const YAML::Exception& e) {
    out.root = YAML::Node();
    out.fault = "is not YAML: " + e.msg;
    out.line = e.mark.line + 1;
  }
  return out;
}

}  // namespace switchyard::config
