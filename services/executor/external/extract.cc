#include "services/executor/external/extract.h"

#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/json_reader.h"
#include "libs/text/utf8.h"
#include "re2/re2.h"

namespace switchyard::executor::external {
namespace {

constexpr std::size_t kMaxText = 64 * 1024;
// Beyond it a number is nonsense.
constexpr double kMostAmount = 1e15;

std::optional<std::string> AtPointer(const text::Json& json, const std::string& pointer) {
  const text::Json* at = &json;
  for (std::size_t from = 1; from <= pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', from), pointer.size());
    std::string name;
    for (std::size_t i = from; i < end; ++i) {
      if (pointer[i] == '~' && i + 1 < end && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
        name += pointer[++i] == '0' ? '~' : '/';
      } else {
        name += pointer[i];
      }
    }
    if (at->is_object()) {
      const auto found = at->find(name);
      if (found == at->end()) return std::nullopt;
      at = &*found;
    } else if (at->is_array()) {
      std::uint32_t index = 0;
      if (!absl::SimpleAtoi(name, &index) || index >= at->size()) return std::nullopt;
      at = &(*at)[index];
    } else {
      return std::nullopt;
    }
    from = end + 1;
  }
  if (at->is_null()) return std::nullopt;
  return at->is_string() ? at->get_ref<const std::string&>() : text::DumpJson(*at);
}

}  // namespace

std::optional<double> ParseAmount(std::string_view text) {
  absl::string_view rest = absl::StripAsciiWhitespace(ToAbsl(text));
  if (!rest.empty() && rest.front() == '$') rest.remove_prefix(1);
  double factor = 1;
  if (!rest.empty()) {
    const char last = absl::ascii_tolower(static_cast<unsigned char>(rest.back()));
    if (last == 'k' || last == 'm') {
      factor = last == 'k' ? 1e3 : 1e6;
      rest.remove_suffix(1);
    }
  }
  std::string digits;
  for (const char c : rest) {
    if (c == ',' && !digits.empty()) continue;
    digits += c;
  }
  double value = 0;
  // No hexadecimal, no infinity.
  if (digits.find_first_not_of("0123456789.eE+-") != std::string::npos) return std::nullopt;
  if (digits.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(digits.front())) ||
      !absl::SimpleAtod(digits, &value)) {
    return std::nullopt;
  }
  value *= factor;
  if (!std::isfinite(value) || value < 0 || value > kMostAmount) return std::nullopt;
  return value;
}

void Finder::Take(std::string text) {
  if (extract_.sum) {
    if (const std::optional<double> amount = ParseAmount(text); amount.has_value()) {
      sum_ += *amount;
      summed_ = true;
    }
  }
  text_ = std::string(text::TruncateUtf8(text, kMaxText));
}

bool Finder::FromJson(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return false;
  const std::optional<text::Json> json = text::ParseJson(text);
  if (!json.has_value()) return false;
  if (std::optional<std::string> found = AtPointer(*json, extract_.pointer); found.has_value()) Take(*std::move(found));
  return true;
}

void Finder::Line(std::string_view line) {
  if (!extract_.pointer.empty()) {
    FromJson(line);
  } else if (extract_.pattern != nullptr) {
    re2::StringPiece rest(line.data(), line.size());
    re2::StringPiece group;
    // An empty match would be found for ever.
    while (RE2::FindAndConsume(&rest, *extract_.pattern, &group)) {
      Take(std::string(group.data(), group.size()));
      if (group.empty()) break;
    }
  }
}

void Finder::Document(std::string_view text) {
  if (!extract_.pointer.empty() && FromJson(text)) return;
  LineCutter cutter;
  const auto each = [this](std::string_view line) { Line(line); };
  cutter.Push(text, each);
  cutter.Finish(each);
}

std::optional<double> Finder::amount() const {
  if (extract_.sum) return summed_ ? std::optional<double>(sum_) : std::nullopt;
  return text_.has_value() ? ParseAmount(*text_) : std::nullopt;
}

}  // namespace switchyard::executor::external
