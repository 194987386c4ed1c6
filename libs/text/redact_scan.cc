#include "libs/text/redact_scan.h"

#include <algorithm>
#include <array>

#include "libs/text/redact.h"

namespace switchyard::text::internal {
namespace {

enum CharClass : std::uint8_t { kWordChar = 1, kToken68Char = 2, kRunEnd = 4, kTrigger = 8 };

constexpr bool IsDigit(int c) { return c >= '0' && c <= '9'; }
constexpr bool IsUpper(int c) { return c >= 'A' && c <= 'Z'; }
constexpr bool IsLower(int c) { return c >= 'a' && c <= 'z'; }
constexpr bool IsAlpha(int c) { return IsUpper(c) || IsLower(c); }
constexpr bool IsQuote(int c) { return c == '"' || c == '\'' || c == '`'; }
constexpr bool IsBlank(int c) { return c == ' ' || c == '\t'; }
constexpr char Lower(char c) { return IsUpper(c) ? static_cast<char>(c + 32) : c; }

constexpr std::array<std::uint8_t, 256> MakeClasses() {
  std::array<std::uint8_t, 256> classes{};
  for (int c = 0; c < 256; ++c) {
    std::uint8_t bits = 0;
    if (IsDigit(c) || IsAlpha(c) || c == '_' || c == '-') bits |= kWordChar | kToken68Char;
    if (c == '.' || c == '~' || c == '+' || c == '/' || c == '=') bits |= kToken68Char;
    if (c <= ' ' || c == 0x7F || IsQuote(c) || c == ',' || c == ';') bits |= kRunEnd;
    if (c == 's' || c == 'g' || c == 'x' || c == 'A' || c == 'e' || c == 'h' || c == 'n') bits |= kTrigger;
    classes[static_cast<std::size_t>(c)] = bits;
  }
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = MakeClasses();

bool Is(char c, CharClass wanted) { return (kClasses[static_cast<std::uint8_t>(c)] & wanted) != 0; }

bool EqualsIgnoringCase(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) { return Lower(a) == b; });
}

template <std::size_t n>
bool IsOneOf(std::string_view text, const std::string_view (&words)[n]) {
  return std::any_of(std::begin(words), std::end(words),
                     [&](std::string_view word) { return EqualsIgnoringCase(text, word); });
}

// Text that remembers whether somebody asked for a byte behind its end.
struct View {
  std::string_view text;
  bool touched_end = false;

  int At(std::size_t i) {
    if (i < text.size()) return static_cast<std::uint8_t>(text[i]);
    touched_end = true;
    return -1;
  }
  bool StartsWith(std::size_t i, std::string_view what) {
    for (std::size_t k = 0; k < what.size(); ++k) {
      if (At(i + k) != static_cast<std::uint8_t>(what[k])) return false;
    }
    return true;
  }
  std::size_t SkipBlanks(std::size_t i) {
    for (int k = 0; k < 16 && IsBlank(At(i)); ++k) ++i;
    return i;
  }
  std::size_t End(std::size_t from, OpenSecret& open) {
    const std::size_t end = SkipSecret(text, from, open);
    if (end == text.size()) touched_end = true;
    return end;
  }
};

struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;
  OpenSecret open;
  bool found() const { return end > begin; }
};

struct Quote {
  char quote = 0;
  std::uint8_t escapes = 0;
  std::size_t next = 0;
};

Quote ReadQuote(View& view, std::size_t i) {
  std::size_t at = i;
  while (at - i < 3 && view.At(at) == '\\') ++at;
  const int c = view.At(at);
  if (!IsQuote(c)) return {.next = i};
  return {.quote = static_cast<char>(c), .escapes = static_cast<std::uint8_t>(at - i), .next = at + 1};
}

// The quote that stands directly before `begin`.
Quote QuoteBefore(std::string_view text, std::size_t begin) {
  if (begin == 0 || !IsQuote(text[begin - 1])) return {};
  Quote quote{.quote = text[begin - 1], .next = begin};
  for (std::size_t i = begin - 1; i > 0 && quote.escapes < 3 && text[i - 1] == '\\'; --i) ++quote.escapes;
  return quote;
}

OpenSecret Quoted(const Quote& quote) {
  return {.until = Until::kQuote, .quote = quote.quote, .escapes = quote.escapes};
}

Match PemKey(View& view, std::size_t b, std::size_t e) {
  constexpr std::string_view kBegin = "-----BEGIN";
  if (e - b < kBegin.size() || view.text.substr(e - kBegin.size(), kBegin.size()) != kBegin) return {};
  std::size_t i = e;
  while (i - e < 48 && (view.At(i) == ' ' || IsUpper(view.At(i)) || IsDigit(view.At(i)))) ++i;
  const std::string_view label = view.text.substr(e, i - e);
  if (label.find("PRIVATE KEY") == label.npos || !view.StartsWith(i, "-----")) return {};
  Match match{.begin = e - kBegin.size(), .open = {.until = Until::kPemEnd}};
  match.end = SkipSecret(view.text, i + 5, match.open);
  return match;
}

// Whether a token may begin at p: not in the middle of a plain word; `\n` before it in escaped text is no part of it.
bool AtBoundary(std::string_view text, std::size_t b, std::size_t p) {
  if (p == b) return true;
  const char before = text[p - 1];
  if (before == '-' || before == '_') return true;
  return p == b + 1 && b > 0 && text[b - 1] == '\\' && (before == 'n' || before == 't' || before == 'r');
}

bool HasDigitOrUpper(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return IsDigit(c) || IsUpper(c); });
}

Until KnownTokenAt(View& view, std::size_t b, std::size_t p, std::size_t e) {
  const std::string_view rest = view.text.substr(p, e - p);
  const auto begins = [&](std::string_view prefix, std::size_t least) {
    return rest.size() >= prefix.size() + least && rest.substr(0, prefix.size()) == prefix;
  };
  const auto at_boundary = [&] { return AtBoundary(view.text, b, p); };
  bool known = false;
  switch (rest[0]) {
    case 's':
      known = ((begins("sk-", 16) || begins("sk_live_", 12) || begins("sk_test_", 12)) && at_boundary()) ||
              (begins("sy_", 16) && at_boundary() && (rest.size() >= 35 || HasDigitOrUpper(rest.substr(3))));
      break;
    case 'g':
      known = begins("github_pat_", 20) || begins("glpat-", 16) ||
              (rest.size() >= 24 && rest[1] == 'h' && rest[3] == '_' &&
               std::string_view("pousr").find(rest[2]) != rest.npos);
      break;
    case 'x':
      known = rest.size() >= 15 && rest[1] == 'o' && rest[2] == 'x' && IsLower(rest[3]) && rest[4] == '-';
      break;
    case 'A':
      known = (begins("AKIA", 16) || begins("ASIA", 16)) && at_boundary() &&
              std::all_of(rest.begin() + 4, rest.begin() + 20, [](char c) { return IsUpper(c) || IsDigit(c); });
      known = known || (begins("AIza", 30) && at_boundary());
      break;
    case 'h':
      known = begins("hf_", 20) && at_boundary();
      break;
    case 'n':
      known = begins("npm_", 30) && at_boundary();
      break;
    case 'e': {
      if (!begins("eyJ", 7) || view.At(e) != '.') return Until::kNothing;
      for (std::size_t i = e + 1; i < e + 9; ++i) {
        const int c = view.At(i);
        if (c < 0 || !Is(static_cast<char>(c), kWordChar)) return Until::kNothing;
      }
      return Until::kJwt;
    }
    default:
      break;
  }
  return known ? Until::kWord : Until::kNothing;
}

Match KnownToken(View& view, std::size_t b, std::size_t e) {
  for (std::size_t p = b; p < e; ++p) {
    if (!Is(view.text[p], kTrigger)) continue;
    const Until until = KnownTokenAt(view, b, p, e);
    if (until == Until::kNothing) continue;
    Match match{.begin = p, .open = {.until = until}};
    match.end = view.End(p, match.open);
    return match;
  }
  return {};
}

Match Bearer(View& view, std::size_t b, std::size_t e) {
  constexpr std::string_view kBearer = "bearer";
  if (e - b < kBearer.size() || !EqualsIgnoringCase(view.text.substr(e - kBearer.size(), kBearer.size()), kBearer)) {
    return {};
  }
  const std::size_t begin = view.SkipBlanks(e);
  if (begin == e) return {};
  Match match{.begin = begin, .open = {.until = Until::kToken68}};
  match.end = view.End(begin, match.open);
  // Shorter runs of small letters are prose: "bearer authentication failed".
  const std::string_view token = view.text.substr(begin, match.end - begin);
  const bool plain = std::all_of(token.begin(), token.end(), IsLower);
  return token.size() < 8 || (plain && token.size() < 16) ? Match{} : match;
}

// A value without quotes: up to a space or separator, behind a scheme such as "Bearer" when there is one.
Match BareValue(View& view, std::size_t b, std::size_t i, KeyKind key, bool prose_possible) {
  const Quote enclosing = QuoteBefore(view.text, b);
  const OpenSecret to_end = enclosing.quote != 0 ? Quoted(enclosing) : OpenSecret{.until = Until::kLine};
  const bool in_query = b > 0 && (view.text[b - 1] == '?' || view.text[b - 1] == '&');
  Match match{.begin = i, .open = {.until = in_query ? Until::kQueryRun : Until::kRun}};
  if (key == KeyKind::kCookie) match.open = to_end;
  const OpenSecret run = match.open;
  match.end = view.End(i, match.open);
  std::string_view value = view.text.substr(i, match.end - i);
  static constexpr std::string_view kSchemes[] = {"bearer", "basic", "token", "negotiate", "ntlm", "apikey"};
  static constexpr std::string_view kLongSchemes[] = {"digest", "aws4-hmac-sha256", "oauth", "hawk", "signature"};
  if (key == KeyKind::kAuthorization && IsOneOf(value, kLongSchemes)) {
    match.open = to_end;
    match.end = view.End(i, match.open);
    return match;
  }
  if (IsOneOf(value, kSchemes) && IsBlank(view.At(match.end))) {
    match.open = run;
    match.end = view.End(view.SkipBlanks(match.end), match.open);
    return match;
  }
  static constexpr std::string_view kNothings[] = {"true", "false", "null", "none", "nil", "undefined"};
  if (IsOneOf(value, kNothings)) return {};
  if (key == KeyKind::kToken) {
    if (std::all_of(value.begin(), value.end(), IsDigit)) return {};
    // "unexpected token: expired at noon" tells no secret.
    if (prose_possible && std::all_of(value.begin(), value.end(), IsLower) && view.At(match.end) == ' ' &&
        IsAlpha(view.At(match.end + 1))) {
      return {};
    }
  }
  return match;
}

Match KeyedValue(View& view, std::size_t b, std::size_t e) {
  const KeyKind key = ClassifyKey(view.text.substr(b, e - b));
  if (key == KeyKind::kNone || (b > 0 && view.text[b - 1] == '/')) return {};
  const Quote key_quote = ReadQuote(view, e);
  std::size_t i = key_quote.next;
  if (view.At(i) == ']') ++i;
  const std::size_t after_key = i;
  i = view.SkipBlanks(i);
  bool colon = false;
  const int separator = view.At(i);
  if (separator == '=') {
    const int next = view.At(i + 1);
    if (next == '=' || next == '~') return {};
    i += next == '>' ? 2 : 1;
  } else if (separator == ':') {
    const int next = view.At(i + 1);
    if (next == ':' || view.StartsWith(i + 1, "//")) return {};
    i += next == '=' ? 2 : 1;
    colon = true;
  } else if (view.text.substr(b, 2) != "--" || i == after_key || key_quote.quote != 0 || separator == '-') {
    return {};
  }
  const std::size_t after_separator = i;
  i = view.SkipBlanks(i);
  // Literals such as b'...' of some languages.
  if (IsAlpha(view.At(i)) && ReadQuote(view, i + 1).quote != 0) ++i;
  const Quote quote = ReadQuote(view, i);
  if (view.StartsWith(quote.next, kRedacted)) return {};
  if (quote.quote == 0) {
    const bool prose_possible = colon && i > after_separator && key_quote.quote == 0;
    return BareValue(view, b, i, key, prose_possible);
  }
  Match match{.begin = quote.next, .open = Quoted(quote)};
  match.end = view.End(quote.next, match.open);
  return match;
}

Match InWord(View& view, std::size_t b, std::size_t e) {
  if (Match match = PemKey(view, b, e); match.found()) return match;
  if (Match match = KnownToken(view, b, e); match.found()) return match;
  if (Match match = Bearer(view, b, e); match.found()) return match;
  return KeyedValue(view, b, e);
}

// The password of scheme://user:password@host, or a long lone token before the @.
Match UrlPassword(View& view, std::size_t colon) {
  if (!view.StartsWith(colon + 1, "//")) return {};
  const std::size_t start = colon + 3;
  std::size_t divider = 0;
  std::size_t at = 0;
  for (std::size_t i = start; i < start + 512; ++i) {
    const int c = view.At(i);
    if (c <= ' ' || c == '/' || c == '?' || c == '#' || c == '<' || c == '>' || c == '\\' || IsQuote(c)) break;
    if (c == ':' && divider == 0) divider = i;
    if (c == '@') at = i;
  }
  if (at == 0) return {};
  const bool has_password = divider != 0 && divider < at;
  const std::size_t begin = has_password ? divider + 1 : start;
  if (view.text.substr(begin, at - begin) == kRedacted || (!has_password && at - begin < 20)) return {};
  return {.begin = begin, .end = at, .open = {}};
}

std::size_t SkipPem(std::string_view text, std::size_t from, OpenSecret& open) {
  for (std::size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (++open.seen > kMaxPem) return i;
    if (open.stage < 3) {
      constexpr char kEnd[] = {'E', 'N', 'D'};
      if (c == kEnd[open.stage] && open.dashes == 5) {
        if (++open.stage == 3) open.dashes = 0;
      } else {
        if (open.stage > 0 || c != '-') open.dashes = 0;
        open.stage = 0;
        if (c == '-' && open.dashes < 5) ++open.dashes;
      }
      continue;
    }
    if (open.dashes == 5 || c == '\n') return i;
    open.dashes = c == '-' ? static_cast<std::uint8_t>(open.dashes + 1) : 0;
  }
  return text.size();
}

std::size_t SkipQuoted(std::string_view text, std::size_t from, OpenSecret& open) {
  for (std::size_t i = from; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\n') return i;
    if (c == open.quote) {
      const bool closes = open.escapes == 0 ? open.backslashes % 2 == 0 : open.backslashes <= open.escapes;
      if (closes) return i - std::min<std::size_t>(i - from, open.escapes == 0 ? 0 : open.backslashes);
    }
    open.backslashes = c == '\\' ? static_cast<std::uint8_t>(std::min(open.backslashes + 1, 254)) : 0;
    if (c == '\\' && open.backslashes == 254) open.backslashes = 252;
  }
  return text.size();
}

}  // namespace

std::size_t SkipSecret(std::string_view text, std::size_t from, OpenSecret& open) {
  const auto skip_while = [&](auto goes_on) {
    std::size_t i = from;
    while (i < text.size() && goes_on(text[i])) ++i;
    return i;
  };
  switch (open.until) {
    case Until::kNothing:
      return from;
    case Until::kWord:
      return skip_while([](char c) { return Is(c, kWordChar); });
    case Until::kJwt:
      return skip_while([](char c) { return Is(c, kWordChar) || c == '.'; });
    case Until::kToken68:
      return skip_while([](char c) { return Is(c, kToken68Char); });
    case Until::kRun:
      return skip_while([](char c) { return !Is(c, kRunEnd); });
    case Until::kQueryRun:
      return skip_while([](char c) { return !Is(c, kRunEnd) && c != '&' && c != '#'; });
    case Until::kLine:
      return skip_while([](char c) { return c != '\n'; });
    case Until::kQuote:
      return SkipQuoted(text, from, open);
    case Until::kPemEnd:
      return SkipPem(text, from, open);
  }
  return from;
}

KeyKind ClassifyKey(std::string_view word) {
  if (word.size() < 3) return KeyKind::kNone;
  std::array<char, 24> lower;
  const std::size_t size = std::min(word.size(), lower.size());
  std::transform(word.end() - static_cast<std::ptrdiff_t>(size), word.end(), lower.begin(), Lower);
  std::string_view tail(lower.data(), size);
  const auto ends = [&](std::string_view suffix) {
    return tail.size() >= suffix.size() && tail.substr(tail.size() - suffix.size()) == suffix;
  };
  switch (tail.back()) {
    case 'd':
      // PWD and OLDPWD hold folders.
      return ends("password") || ends("passwd") || (ends("pwd") && !ends("oldpwd") && word != "PWD") ? KeyKind::kSecret
                                                                                                     : KeyKind::kNone;
    case 'e':
      if (ends("cookie")) return KeyKind::kCookie;
      return ends("passphrase") ? KeyKind::kSecret : KeyKind::kNone;
    case 't':
      return ends("secret") ? KeyKind::kToken : KeyKind::kNone;
    case 'l':
      return ends("credential") ? KeyKind::kToken : KeyKind::kNone;
    case 's':
      return ends("credentials") ? KeyKind::kToken : KeyKind::kNone;
    case 'n':
      if (ends("authorization")) return KeyKind::kAuthorization;
      return ends("token") ? KeyKind::kToken : KeyKind::kNone;
    case 'y': {
      if (!ends("key")) return KeyKind::kNone;
      tail.remove_suffix(3);
      if (!tail.empty() && (tail.back() == '_' || tail.back() == '-')) tail.remove_suffix(1);
      static constexpr std::string_view kOwners[] = {"api",     "access",     "private", "secret", "signing",
                                                     "account", "encryption", "auth",    "master"};
      return std::any_of(std::begin(kOwners), std::end(kOwners), ends) ? KeyKind::kSecret : KeyKind::kNone;
    }
    default:
      return KeyKind::kNone;
  }
}

std::size_t Scan(std::string_view text, std::size_t from, bool final, std::string& out, OpenSecret& open) {
  View view{.text = text};
  std::size_t copied = from;
  std::size_t i = from;
  while (i < text.size()) {
    const char c = text[i];
    std::size_t next = i + 1;
    Match match;
    if (Is(c, kWordChar)) {
      while (next < text.size() && Is(text[next], kWordChar)) ++next;
      if (next == text.size()) view.touched_end = true;
      match = InWord(view, i, next);
    } else if (c == ':') {
      match = UrlPassword(view, i);
    } else {
      i = next;
      continue;
    }
    // A private key is certain from its first line on: there is nothing to wait for.
    if (view.touched_end && !final && match.open.until != Until::kPemEnd) {
      out.append(text.substr(copied, i - copied));
      return i;
    }
    view.touched_end = false;
    if (match.found()) {
      out.append(text.substr(copied, match.begin - copied));
      out.append(kRedacted);
      copied = next = match.end;
      if (match.end == text.size()) open = match.open;
    }
    i = next;
  }
  out.append(text.substr(copied));
  return text.size();
}

}  // namespace switchyard::text::internal
