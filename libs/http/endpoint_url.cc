#include "libs/http/endpoint_url.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/http/link_local.h"

namespace switchyard::http {
namespace {

absl::Status Invalid(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_URL", what);
}

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' || c == '_';
}

bool IsAddressCharacter(char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.'; }

bool IsPathCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         std::string_view("/-._~!$&'()*+,;=:@").find(c) != std::string_view::npos;
}

template <class Is>
bool AllOf(std::string_view text, Is is) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is);
}

absl::Status ParseAuthority(std::string_view text, EndpointUrl& url) {
  if (text.find('@') != std::string_view::npos) return Invalid("it holds a user or password");
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return Invalid("its host cannot be read");
    host = text.substr(0, end + 1);
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return Invalid("its host cannot be read");
    if (has_port) port = rest.substr(1);
    if (!AllOf(host.substr(1, host.size() - 2), IsAddressCharacter)) return Invalid("its host cannot be read");
  } else {
    const std::size_t colon = text.find(':');
    has_port = colon != std::string_view::npos;
    if (has_port) {
      host = text.substr(0, colon);
      port = text.substr(colon + 1);
    }
    if (!AllOf(host, IsHostCharacter)) return Invalid("its host cannot be read");
  }
  url.host = absl::AsciiStrToLower(ToAbsl(host));
  // The root's dot names the same host.
  while (!url.host.empty() && url.host.back() == '.') url.host.pop_back();
  if (url.host.empty()) return Invalid("it has no host");
  if (has_port && (!AllOf(port, [](char c) { return c >= '0' && c <= '9'; }) ||
                   !absl::SimpleAtoi(ToAbsl(port), &url.port) || url.port < 1 || url.port > 65'535)) {
    return Invalid("its port cannot be read");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EndpointUrl> ParseEndpointUrl(std::string_view text) {
  EndpointUrl url;
  if (absl::StartsWithIgnoreCase(ToAbsl(text), "https://")) {
    url.tls = true;
    text.remove_prefix(8);
  } else if (absl::StartsWithIgnoreCase(ToAbsl(text), "http://")) {
    text.remove_prefix(7);
  } else {
    return Invalid("a URL begins with http:// or https://");
  }
  url.port = url.tls ? 443 : 80;
  const std::size_t slash = std::min(text.find('/'), text.size());
  SY_RETURN_IF_ERROR(ParseAuthority(text.substr(0, slash), url));
  std::string_view path = text.substr(slash);
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) return url;
  if (!AllOf(path, IsPathCharacter)) return Invalid("its path holds what a plain one does not");
  for (const absl::string_view segment : absl::StrSplit(ToAbsl(path.substr(1)), '/')) {
    if (segment.empty() || segment == "." || segment == "..") return Invalid("its path is not a plain one");
  }
  url.path = std::string(path);
  return url;
}

bool IsLoopback(const EndpointUrl& url) {
  if (url.host == "localhost" || url.host == "[::1]") return true;
  const std::vector<absl::string_view> parts = absl::StrSplit(url.host, '.');
  int number = 0;
  return parts.size() == 4 && parts[0] == "127" && std::all_of(parts.begin(), parts.end(), [&](absl::string_view part) {
           return part.size() <= 3 && absl::SimpleAtoi(part, &number) && number <= 255;
         });
}

absl::Status CheckEndpointUrl(std::string_view text) {
  SY_ASSIGN_OR_RETURN(const EndpointUrl url, ParseEndpointUrl(text));
  if (IsLinkLocal(std::string_view(url.host))) {
    return MakeError(absl::StatusCode::kPermissionDenied, "ADDRESS_REFUSED",
                     absl::StrCat(url.host, " is link-local: nothing is ever sent there"));
  }
  return absl::OkStatus();
}

bool IsBelow(const EndpointUrl& url, const EndpointUrl& prefix) {
  if (url.tls != prefix.tls || url.host != prefix.host || url.port != prefix.port) return false;
  if (!absl::StartsWith(url.path, prefix.path)) return false;
  return url.path.size() == prefix.path.size() || url.path[prefix.path.size()] == '/';
}

}  // namespace switchyard::http
