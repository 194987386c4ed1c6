#include "libs/forge/repository_url.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/text/utf8.h"

namespace switchyard::forge {
namespace {

constexpr std::size_t kMaxRepositoryUrl = 2048;
constexpr std::size_t kMaxName = 100;
constexpr std::size_t kMaxBranch = 200;

absl::Status NotARepository(std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_REPOSITORY", what);
}

bool IsAlnum(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

template <class Is>
bool AllOf(std::string_view text, Is is) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is);
}

bool IsNameCharacter(char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_'; }

bool IsPathCharacter(char c) {
  return IsNameCharacter(c) || std::string_view("~+@=,").find(c) != std::string_view::npos;
}

bool IsUser(std::string_view text) { return text.front() != '-' && AllOf(text, IsNameCharacter); }

absl::Status TakeHost(std::string_view text, RepositoryUrl& url) {
  std::string_view host = text;
  std::string_view port;
  bool has_port = false;
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return NotARepository("its host cannot be read");
    host = text.substr(0, end + 1);
    const auto is_address = [](char c) {
      return absl::ascii_isxdigit(static_cast<unsigned char>(c)) || c == ':' || c == '.';
    };
    if (!AllOf(host.substr(1, host.size() - 2), is_address)) return NotARepository("its host cannot be read");
    const std::string_view rest = text.substr(end + 1);
    has_port = !rest.empty();
    if (has_port && rest.front() != ':') return NotARepository("its host cannot be read");
    if (has_port) port = rest.substr(1);
  } else {
    const std::size_t colon = text.find(':');
    has_port = colon != std::string_view::npos;
    host = text.substr(0, colon);
    if (has_port) port = text.substr(colon + 1);
    if (!AllOf(host, IsNameCharacter) || host.front() == '-') return NotARepository("its host cannot be read");
  }
  url.host = absl::AsciiStrToLower(ToAbsl(host));
  while (!url.host.empty() && url.host.back() == '.') url.host.pop_back();
  if (url.host.empty()) return NotARepository("its host cannot be read");
  if (has_port && (!AllOf(port, [](char c) { return c >= '0' && c <= '9'; }) ||
                   !absl::SimpleAtoi(ToAbsl(port), &url.port) || url.port < 1 || url.port > 65'535)) {
    return NotARepository("its port cannot be read");
  }
  return absl::OkStatus();
}

// Without the slash that it begins with.
absl::Status TakePath(std::string_view path, RepositoryUrl& url) {
  while (!path.empty() && path.back() == '/') path.remove_suffix(1);
  if (path.empty()) return absl::OkStatus();
  for (const absl::string_view part : absl::StrSplit(ToAbsl(path), '/')) {
    const std::string_view segment = ToStd(part);
    if (segment.empty() || segment == "." || segment == ".." || segment.front() == '-' ||
        !AllOf(segment, IsPathCharacter)) {
      return NotARepository("its path is not a plain one");
    }
    url.segments.emplace_back(segment);
  }
  std::string& last = url.segments.back();
  if (last.size() > 4 && absl::EndsWith(last, ".git")) last.resize(last.size() - 4);
  return absl::OkStatus();
}

// user@host and what follows, of ssh.
absl::Status TakeUser(std::string_view& authority) {
  const std::size_t at = authority.find('@');
  if (at == std::string_view::npos) return absl::OkStatus();
  if (at == 0 || !IsUser(authority.substr(0, at)))
    return NotARepository("its user cannot be read, or a password stands there");
  authority.remove_prefix(at + 1);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RepositoryUrl> ParseRepositoryUrl(std::string_view text) {
  if (text.empty() || text.size() > kMaxRepositoryUrl) return NotARepository("it is empty or too long");
  RepositoryUrl url;
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) {
    // user@host:path, as scp has it.
    const std::size_t colon = text.find(':', text.find('[') == std::string_view::npos ? 0 : text.find(']'));
    const std::size_t at = text.find('@');
    if (at == std::string_view::npos || colon == std::string_view::npos || at > colon || text.find('/') < colon) {
      return NotARepository("a repository is written https://..., ssh://..., git@host:path or file:///...");
    }
    url.scheme = "ssh";
    url.port = 22;
    std::string_view authority = text.substr(0, colon);
    SY_RETURN_IF_ERROR(TakeUser(authority));
    SY_RETURN_IF_ERROR(TakeHost(authority, url));
    std::string_view path = text.substr(colon + 1);
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    SY_RETURN_IF_ERROR(TakePath(path, url));
    return url;
  }
  url.scheme = absl::AsciiStrToLower(ToAbsl(text.substr(0, mark)));
  text.remove_prefix(mark + 3);
  const std::size_t slash = std::min(text.find('/'), text.size());
  std::string_view authority = text.substr(0, slash);
  const std::string_view path = slash < text.size() ? text.substr(slash + 1) : std::string_view();
  if (url.scheme == "https") {
    url.port = 443;
  } else if (url.scheme == "http") {
    url.port = 80;
  } else if (url.scheme == "ssh") {
    url.port = 22;
    SY_RETURN_IF_ERROR(TakeUser(authority));
  } else if (url.scheme == "file") {
    if (!authority.empty()) return NotARepository("a file URL has no host");
    SY_RETURN_IF_ERROR(TakePath(path, url));
    return url;
  } else {
    return NotARepository("a repository is written https://..., ssh://..., git@host:path or file:///...");
  }
  if (authority.find('@') != std::string_view::npos) return NotARepository("it holds a user or password");
  SY_RETURN_IF_ERROR(TakeHost(authority, url));
  SY_RETURN_IF_ERROR(TakePath(path, url));
  return url;
}

bool IsBelow(const RepositoryUrl& url, const RepositoryUrl& prefix) {
  if (url.host != prefix.host) return false;
  const bool files = url.scheme == "file" || prefix.scheme == "file";
  if (url.scheme != prefix.scheme && (files || url.scheme != "ssh")) return false;
  if (url.scheme != "ssh" && url.port != prefix.port) return false;
  return url.segments.size() >= prefix.segments.size() &&
         std::equal(prefix.segments.begin(), prefix.segments.end(), url.segments.begin());
}

absl::StatusOr<RepositoryName> NameOf(const RepositoryUrl& url) {
  if (url.segments.size() < 2) return NotARepository("its path names no owner and repository");
  RepositoryName name{.owner = url.segments[url.segments.size() - 2], .name = url.segments.back()};
  for (const std::string* const part : {&name.owner, &name.name}) {
    if (part->size() > kMaxName || part->front() == '.' || !AllOf(*part, IsNameCharacter)) {
      return NotARepository("its path names no owner and repository");
    }
  }
  return name;
}

bool IsBranchName(std::string_view text) {
  if (text.empty() || text.size() > kMaxBranch || text.front() == '-' || text == "@" || text == "HEAD") return false;
  if (!text::IsValidUtf8(text) || text.back() == '.') return false;
  constexpr std::array<std::string_view, 2> kForbidden = {"..", "@{"};
  for (const std::string_view part : kForbidden) {
    if (text.find(part) != std::string_view::npos) return false;
  }
  const auto is_forbidden = [](char c) {
    const unsigned char byte = static_cast<unsigned char>(c);
    return byte <= 0x20 || byte == 0x7f || std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
  };
  if (std::any_of(text.begin(), text.end(), is_forbidden)) return false;
  for (const absl::string_view component : absl::StrSplit(ToAbsl(text), '/')) {
    if (component.empty() || component.front() == '.' || absl::EndsWith(component, ".lock")) return false;
  }
  return true;
}

bool IsCommit(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace switchyard::forge
