#include "services/executor/edits/syntax.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"
#include "nlohmann/json.hpp"
#include "services/executor/edits/line_table.h"
#include "yaml-cpp/eventhandler.h"
#include "yaml-cpp/yaml.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::size_t kMostCheckedBytes = std::size_t{1} << 20;
constexpr std::size_t kMostFault = 300;
constexpr int kMostDocuments = 10'000;

bool Ends(std::string_view path, std::string_view ending) {
  return absl::EndsWithIgnoreCase(ToAbsl(path), ToAbsl(ending));
}

std::string_view LastPart(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// JSON by name, whose readers allow comments.
bool AllowsComments(std::string_view path) {
  const std::string_view name = LastPart(path);
  for (const std::string_view start :
       {"tsconfig", "jsconfig", ".eslintrc", "devcontainer", ".babelrc", "tslint", "settings", "launch", "tasks",
        "keybindings", "extensions", ".swcrc", "babel.config"}) {
    if (name.substr(0, start.size()) == start) return true;
  }
  return absl::StrContains(ToAbsl(path), ".vscode/");
}

std::string Shortened(std::string_view text) {
  std::string out = text::ReplaceInvalidUtf8(text::TruncateUtf8(text, kMostFault - 2));
  std::replace(out.begin(), out.end(), '\n', ' ');
  return std::string(text::TruncateUtf8(out, kMostFault));
}

std::size_t LineOf(std::string_view content, std::size_t byte) {
  return 1 + static_cast<std::size_t>(std::count(
                 content.begin(), content.begin() + static_cast<std::ptrdiff_t>(std::min(byte, content.size())), '\n'));
}

// Only looks: keeps nothing, so that depth costs no stack.
class JsonSyntax final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit JsonSyntax(std::string_view content) : content_(content) {}
  std::string fault;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 3, column 5: syntax error while ...".
    std::string_view what = error.what();
    if (const std::size_t colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
    fault = absl::StrCat("line ", LineOf(content_, position == 0 ? 0 : position - 1), ": is not JSON: ", ToAbsl(what));
    return false;
  }

 private:
  const std::string_view content_;
};

std::optional<std::string> JsonFault(std::string_view content) {
  if (content.substr(0, kByteOrderMark.size()) == kByteOrderMark) content.remove_prefix(kByteOrderMark.size());
  JsonSyntax syntax(content);
  if (nlohmann::json::sax_parse(content.begin(), content.end(), &syntax)) return std::nullopt;
  if (syntax.fault.empty()) syntax.fault = "is not JSON";
  return Shortened(syntax.fault);
}

class Ignored final : public YAML::EventHandler {
 public:
  YAML::Mark begun;
  void OnDocumentStart(const YAML::Mark& mark) override { begun = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

std::optional<std::string> YamlFault(std::string_view content) {
  // Templates are YAML only once they are filled in.
  if (absl::StrContains(ToAbsl(content), "{{") || absl::StrContains(ToAbsl(content), "{%")) return std::nullopt;
  // The library does not come back from some bytes that are no text.
  for (std::size_t at = 0; at < content.size();) {
    char32_t character = 0;
    const std::size_t size = text::DecodeUtf8(content.substr(at), &character);
    const bool control = character < 0x20 && character != '\n' && character != '\r' && character != '\t';
    if (size == 0 || control || character == 0x7f) {
      return absl::StrCat("line ", LineOf(content, at), ": is not text in UTF-8 without control characters");
    }
    at += size;
  }
  try {
    std::istringstream stream{std::string(content)};
    YAML::Parser parser(stream);
    int passed = -1;
    for (int document = 0; document < kMostDocuments; ++document) {
      Ignored events;
      if (!parser.HandleNextDocument(events)) return std::nullopt;
      // It stands still at what cannot begin a document.
      if (events.begun.pos <= passed)
        return absl::StrCat("line ", events.begun.line + 1, ": is not YAML: nothing can begin here");
      passed = events.begun.pos;
    }
  } catch (const YAML::Exception& e) {
    return Shortened(absl::StrCat("line ", e.mark.line + 1, ": is not YAML: ", e.msg));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> SyntaxFault(std::string_view path, std::string_view content) {
  if (content.size() > kMostCheckedBytes) return std::nullopt;
  if (Ends(path, ".json") && !AllowsComments(path)) return JsonFault(content);
  if (Ends(path, ".yaml") || Ends(path, ".yml")) return YamlFault(content);
  return std::nullopt;
}

std::vector<SyntaxFinding> SyntaxFaults(const Plan& plan, FileView& before) {
  std::vector<SyntaxFinding> out;
  for (const FileChange& change : plan.changes) {
    if (change.kind == ChangeKind::kDelete) continue;
    std::optional<std::string> fault = SyntaxFault(change.path, change.content);
    if (!fault.has_value()) continue;
    if (change.kind == ChangeKind::kModify) {
      const absl::StatusOr<Entry> entry = before.Read(change.path, kMostCheckedBytes);
      if (entry.ok() && entry->kind == EntryKind::kFile && SyntaxFault(change.path, entry->content).has_value())
        continue;
    }
    out.push_back({.path = change.path, .fault = *std::move(fault)});
  }
  return out;
}

}  // namespace switchyard::executor::edits
