#include "services/executor/checks/secret_scan.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"

namespace switchyard::executor::checks {
namespace {

constexpr std::string_view kPrivateKey = "a private key";
constexpr std::string_view kToken = "a token";
constexpr std::string_view kUrl = "a password in a URL";
constexpr std::string_view kNamed = "the value of a key that names a secret";
constexpr std::size_t kLeastNamed = 8;
constexpr double kLeastEntropy = 2.5;
constexpr std::size_t kLookBack = 512;

bool IsPlaceholder(std::string_view value) {
  static constexpr std::string_view kNames[] = {"pass", "password", "passwd", "pwd", "secret", "token", "user"};
  static constexpr std::string_view kWords[] = {
      "example", "changeme", "change-me", "change_me", "placeholder", "redacted", "xxxx", "your", "dummy",
      "fake",    "sample",   "test",      "insert",    "....",        "****",     "0000", "1234"};
  const std::string low = absl::AsciiStrToLower(ToAbsl(value));
  if (std::find(std::begin(kNames), std::end(kNames), low) != std::end(kNames)) return true;
  for (const std::string_view word : kWords) {
    if (low.find(word) != low.npos) return true;
  }
  // Filled in elsewhere: ${NAME}, {{ name }}, <name>, %(name)s, $NAME.
  return value.find_first_of("<>{}$%") != value.npos;
}

double Entropy(std::string_view value) {
  std::array<int, 256> counts{};
  for (const char c : value) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (const int count : counts) {
    if (count == 0) continue;
    const double share = static_cast<double>(count) / static_cast<double>(value.size());
    bits -= share * std::log2(share);
  }
  return bits;
}

bool IsMixed(std::string_view value) {
  const auto is = [](auto test) { return [test](char c) { return test(static_cast<unsigned char>(c)) != 0; }; };
  return std::any_of(value.begin(), value.end(), is([](int c) { return isdigit(c); })) &&
         std::any_of(value.begin(), value.end(), is([](int c) { return isalpha(c); }));
}

bool IsWordLike(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("+/_=-~!@#^&*").find(c) != std::string_view::npos;
  });
}

// Where a key in PEM says what it is; without a body it is talk about keys, which no redaction should start at.
std::string WithoutBareHeaders(std::string_view text) {
  constexpr std::string_view kHeader = "PRIVATE KEY-----";
  constexpr std::size_t kBody = 40;
  std::string out(text);
  for (std::size_t at = out.find(kHeader); at != out.npos; at = out.find(kHeader, at + 1)) {
    const std::string_view before = std::string_view(out).substr(at < 40 ? 0 : at - 40, std::min<std::size_t>(at, 40));
    const std::size_t begins = before.rfind("-----BEGIN");
    if (begins == before.npos || before.find("-----END", begins) != before.npos) continue;
    std::size_t body = 0;
    for (std::size_t i = at + kHeader.size(); i < out.size() && body < kBody; ++i) {
      const char c = out[i];
      if (isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/' || c == '=') {
        ++body;
      } else if (std::string_view(" \t\r\n\\\"',").find(c) == std::string_view::npos) {
        break;
      }
    }
    // Words with blanks between them are no body, whatever they are made of.
    const std::string_view first = std::string_view(out).substr(at + kHeader.size(), 2 * kBody);
    if (body < kBody || std::count(first.begin(), first.end(), ' ') > 8) out.replace(at, 7, "private");
  }
  return out;
}

// What the text between is, by itself and by what stands around it; "" when it is nothing to speak of.
std::string_view KindOf(std::string_view text, std::size_t from, std::size_t to) {
  std::string_view value = text.substr(from, to - from);
  if (value.find("PRIVATE KEY-----") != value.npos) return kPrivateKey;
  while (!value.empty() && isspace(static_cast<unsigned char>(value.back())) != 0) value.remove_suffix(1);
  if (value.empty()) return "";
  if (text::Redact(value) != value) {
    return absl::StrContains(absl::AsciiStrToLower(ToAbsl(value)), "example") ? "" : kToken;
  }
  const std::size_t begin = from < kLookBack ? 0 : from - kLookBack;
  std::string_view before = text.substr(begin, from - begin);
  before = before.substr(before.rfind('\n') + 1);
  if (to < text.size() && text[to] == '@' && before.find("://") != before.npos) {
    return IsPlaceholder(value) || value.size() < 4 ? "" : kUrl;
  }
  if (value.size() < kLeastNamed || !IsMixed(value) || IsPlaceholder(value) || Entropy(value) < kLeastEntropy)
    return "";
  if (value.find_first_of(" \t\r\n") != value.npos) return "";
  const auto is_quote = [](char c) { return c == '"' || c == '\'' || c == '`'; };
  if (to < text.size() && (is_quote(text[to]) || text[to] == '\\') && from > 0 && is_quote(text[from - 1]))
    return kNamed;
  // NAME=value and `name: value`, to the end of the line; with blanks around its `=` it is code more often than not.
  const bool ends = to >= text.size() || text[to] == '\n' || text[to] == '\r';
  const bool assigned =
      !before.empty() && (before.back() == '=' || (before.size() > 1 && before.substr(before.size() - 2) == ": "));
  return ends && assigned && IsWordLike(value) ? kNamed : "";
}

}  // namespace

std::vector<FoundSecret> FindSecrets(std::string_view given) {
  std::vector<FoundSecret> found;
  const std::string text = WithoutBareHeaders(given);
  const std::string redacted = text::Redact(text);
  if (redacted == text) return found;
  const std::string_view mark = text::kRedacted;
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < text.size() && j < redacted.size()) {
    const auto [a, b] = std::mismatch(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(),
                                      redacted.begin() + static_cast<std::ptrdiff_t>(j), redacted.end());
    if (b == redacted.end()) break;
    std::size_t at = static_cast<std::size_t>(a - text.begin());
    std::size_t marked = static_cast<std::size_t>(b - redacted.begin());
    // A secret may begin as the mark does.
    for (std::size_t k = 0; k < mark.size() && marked > j && redacted.compare(marked, mark.size(), mark) != 0; ++k) {
      --marked;
      --at;
    }
    if (redacted.compare(marked, mark.size(), mark) != 0) break;
    // What follows up to the next mark stands in the text as it is.
    std::size_t after = marked + mark.size();
    while (redacted.compare(after, mark.size(), mark) == 0) after += mark.size();
    const std::size_t next = std::min(redacted.find(mark, after), redacted.size());
    std::size_t end = text.size();
    if (next > after) {
      // Linear whatever stands there, as std::string's search is not.
      const void* const hit = memmem(text.data() + at + 1, text.size() - at - 1, redacted.data() + after, next - after);
      if (hit != nullptr) end = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
    }
    if (const std::string_view kind = KindOf(text, at, end); !kind.empty()) {
      found.push_back({.offset = at, .value = text.substr(at, end - at), .kind = kind});
    }
    i = end;
    j = after;
  }
  return found;
}

void SecretScanner::Push(std::string_view piece) {
  while (!piece.empty()) {
    const std::size_t room = kWindow + kOverlap - window_.size();
    const std::size_t take = std::min(room, piece.size());
    window_.append(piece.substr(0, take));
    piece.remove_prefix(take);
    if (window_.size() >= kWindow + kOverlap) Scan(false);
  }
}

void SecretScanner::Finish() { Scan(true); }

void SecretScanner::Scan(bool last) {
  // What begins in the last part is left to the next window, which sees it whole.
  const std::size_t sure = last ? window_.size() : window_.size() - kOverlap;
  std::uint64_t line = line_;
  std::size_t counted = 0;
  for (const FoundSecret& secret : FindSecrets(window_)) {
    const std::uint64_t offset = offset_ + secret.offset;
    if (secret.offset >= sure || offset < told_) continue;
    line += static_cast<std::uint64_t>(std::count(window_.begin() + static_cast<std::ptrdiff_t>(counted),
                                                  window_.begin() + static_cast<std::ptrdiff_t>(secret.offset), '\n'));
    counted = secret.offset;
    FoundSecret whole = secret;
    whole.offset = offset;
    told_ = offset + secret.value.size();
    hear_(whole, line);
  }
  if (last) return;
  // From the begin of a line, so that keys stand before their values; a line without an end is cut.
  std::size_t cut = window_.rfind('\n', sure);
  cut = cut == std::string::npos || sure - cut > kOverlap ? sure : cut + 1;
  line_ +=
      static_cast<std::uint64_t>(std::count(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(cut), '\n'));
  offset_ += cut;
  window_.erase(0, cut);
}

}  // namespace switchyard::executor::checks
