#include "services/executor/repository/repository_policy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::executor::repository {
namespace {

constexpr std::size_t kMaxUrl = 2048;

absl::Status Invalid(std::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument, "INVALID_URL",
                   absl::StrCat("the repository's URL ", ToAbsl(why)));
}

int DefaultPort(std::string_view scheme) {
  if (scheme == "https") return 443;
  if (scheme == "http") return 80;
  return scheme == "ssh" ? 22 : -1;
}

bool IsPlain(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [more](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || more.find(c) != std::string_view::npos;
  });
}

absl::Status ReadHost(std::string_view authority, RepositoryUrl& url) {
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.user = std::string(authority.substr(0, at));
    authority.remove_prefix(at + 1);
    if (url.scheme != "ssh") return Invalid("names a user: secrets are configured, never written into URLs");
    if (url.user.empty() || url.user.front() == '-' || !IsPlain(url.user, "._-"))
      return Invalid("names no proper user");
  }
  std::string_view port;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos || !IsPlain(authority.substr(1, end - 1), ":."))
      return Invalid("has no proper host");
    url.host = std::string(authority.substr(0, end + 1));
    port = authority.substr(end + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = std::string(authority.substr(0, colon));
    port = authority.substr(colon);
    if (url.host.empty() || url.host.front() == '-' || url.host.front() == '.' || !IsPlain(url.host, ".-_")) {
      return Invalid("has no proper host");
    }
  }
  absl::AsciiStrToLower(&url.host);
  if (port.empty()) return absl::OkStatus();
  if (port.front() != ':' || port.size() > 6 || !IsPlain(port.substr(1), "") ||
      !absl::SimpleAtoi(ToAbsl(port.substr(1)), &url.port) || url.port < 1 || url.port > 65535) {
    return Invalid("has no proper port");
  }
  if (url.port == DefaultPort(url.scheme)) url.port = -1;
  return absl::OkStatus();
}

absl::Status ReadPath(std::string_view path, RepositoryUrl& url) {
  for (std::size_t from = 0; from < path.size();) {
    const std::size_t slash = std::min(path.find('/', from), path.size());
    const std::string_view segment = path.substr(from, slash - from);
    from = slash + 1;
    if (segment.empty()) {
      if (from > 1) return Invalid("has an empty segment");
      continue;
    }
    if (segment == "." || segment == "..") return Invalid("has a segment \".\" or \"..\"");
    absl::StrAppend(&url.path, "/", ToAbsl(segment));
  }
  return absl::OkStatus();
}

// "USER@HOST:PATH", as people write it.
std::optional<std::string> FromShort(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::size_t colon = text.find(':');
  if (at == std::string_view::npos || colon == std::string_view::npos || colon < at) return std::nullopt;
  if (text.find('/') < colon || text.substr(colon, 3) == "://" || text.substr(colon, 2) == "::") return std::nullopt;
  std::string_view path = text.substr(colon + 1);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  return absl::StrCat("ssh://", ToAbsl(text.substr(0, colon)), "/", ToAbsl(path));
}

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 100 && absl::ascii_isalnum(static_cast<unsigned char>(text.front())) &&
         IsPlain(text, "._-/");
}

bool IsReference(std::string_view text) {
  return (text.substr(0, 4) == "env:" && text.size() > 4) || (text.substr(0, 5) == "file:" && text.size() > 5);
}

bool IsLoopback(const RepositoryUrl& url) {
  return url.host == "localhost" || url.host == "[::1]" || absl::StartsWith(url.host, "127.");
}

}  // namespace

std::string RepositoryUrl::ToString() const {
  std::string text = absl::StrCat(scheme, "://");
  if (!user.empty()) absl::StrAppend(&text, user, "@");
  text += host;
  if (port > 0) absl::StrAppend(&text, ":", port);
  return text + path;
}

std::string RepositoryUrl::Key() const {
  std::string text = ToString();
  if (absl::EndsWith(text, ".git")) text.resize(text.size() - 4);
  return text;
}

absl::StatusOr<RepositoryUrl> ParseRepositoryUrl(std::string_view text) {
  if (text.empty() || text.size() > kMaxUrl) return Invalid("is empty or too long");
  if (text.front() == '-') return Invalid("begins with \"-\"");
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || std::string_view("\\%?#\"'`<>{}|^$;&*").find(c) != std::string_view::npos) {
      return Invalid("has a character that is not taken");
    }
  }
  std::string full(text);
  if (text.front() == '/') {
    full = absl::StrCat("file://", ToAbsl(text));
  } else if (std::optional<std::string> longer = FromShort(text); longer.has_value()) {
    full = *std::move(longer);
  }
  const std::size_t colon = full.find("://");
  if (colon == std::string::npos) return Invalid("is none: https://, ssh:// or file://, or a name that is configured");
  RepositoryUrl url;
  url.scheme = absl::AsciiStrToLower(full.substr(0, colon));
  if (url.scheme != "https" && url.scheme != "http" && url.scheme != "ssh" && url.scheme != "file") {
    return Invalid("has a transport that is not taken");
  }
  const std::string_view rest = std::string_view(full).substr(colon + 3);
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  if (url.scheme == "file") {
    if (slash != 0) return Invalid("of a file names a host");
  } else {
    SY_RETURN_IF_ERROR(ReadHost(rest.substr(0, slash), url));
  }
  SY_RETURN_IF_ERROR(ReadPath(rest.substr(slash), url));
  return url;
}

bool IsBelow(const RepositoryUrl& url, const RepositoryUrl& prefix) {
  if (url.scheme != prefix.scheme || url.user != prefix.user || url.host != prefix.host || url.port != prefix.port) {
    return false;
  }
  if (url.Key() == prefix.Key()) return true;
  return absl::StartsWith(url.path, prefix.path) && url.path.size() > prefix.path.size() &&
         url.path[prefix.path.size()] == '/';
}

absl::StatusOr<RepositoryPolicy> RepositoryPolicy::Make(const std::vector<std::string>& repositories,
                                                        const std::vector<std::string>& credentials, Resolve resolve) {
  RepositoryPolicy policy;
  policy.resolve_ = std::move(resolve);
  std::vector<FieldViolation> faults;
  for (std::size_t i = 0; i < repositories.size(); ++i) {
    const std::string field = absl::StrCat("workspace.repositories[", i, "]");
    const std::string& line = repositories[i];
    const std::size_t equals = line.find('=');
    absl::StatusOr<RepositoryUrl> url =
        ParseRepositoryUrl(std::string_view(line).substr(equals == std::string::npos ? 0 : equals + 1));
    if (!url.ok()) {
      faults.push_back({field, std::string(url.status().message())});
    } else if (equals == std::string::npos) {
      policy.prefixes_.push_back(*std::move(url));
    } else if (!IsName(line.substr(0, equals))) {
      faults.push_back({field, "is written NAME=URL, NAME of letters, digits and ._-/"});
    } else if (url->path.empty()) {
      faults.push_back({field, "names a host and no repository"});
    } else {
      policy.names_.push_back({.name = line.substr(0, equals), .url = *std::move(url)});
    }
  }
  for (std::size_t i = 0; i < credentials.size(); ++i) {
    const std::string field = absl::StrCat("workspace.credentials[", i, "]");
    // Paths may hold blanks, URLs do not.
    const std::size_t blank = credentials[i].rfind(' ');
    std::string reference = credentials[i].substr(0, blank == std::string::npos ? 0 : blank);
    absl::StripAsciiWhitespace(&reference);
    if (!IsReference(reference)) {
      faults.push_back({field, "is written `env:NAME URL_PREFIX` or `file:PATH URL_PREFIX`"});
      continue;
    }
    absl::StatusOr<RepositoryUrl> prefix = ParseRepositoryUrl(std::string_view(credentials[i]).substr(blank + 1));
    if (!prefix.ok()) {
      faults.push_back({field, std::string(prefix.status().message())});
    } else if (prefix->scheme == "file") {
      faults.push_back({field, "a repository on this host takes no credential"});
    } else if (prefix->scheme == "ssh" && !absl::StartsWith(reference, "file:/")) {
      faults.push_back({field, "ssh takes the absolute path of a key, `file:PATH`"});
    } else if (prefix->scheme == "http" && !IsLoopback(*prefix)) {
      faults.push_back({field, "would be sent without encryption: use https://"});
    } else {
      policy.secrets_.push_back({.reference = std::move(reference), .prefix = *std::move(prefix)});
    }
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return policy;
}

absl::StatusOr<RepositoryUrl> RepositoryPolicy::Find(std::string_view repository) const {
  for (const Name& name : names_) {
    if (name.name == repository) return name.url;
  }
  const auto refused = [this] {
    return MakeError(absl::StatusCode::kPermissionDenied, "REPOSITORY_NOT_ALLOWED",
                     empty() ? "this executor works in no repository: its workspace.repositories lists none"
                             : "this repository is not in workspace.repositories of this executor");
  };
  absl::StatusOr<RepositoryUrl> url = ParseRepositoryUrl(repository);
  // A name that nobody configured.
  if (!url.ok() && IsName(repository)) return refused();
  if (!url.ok()) return url;
  for (const RepositoryUrl& prefix : prefixes_) {
    if (!url->path.empty() && IsBelow(*url, prefix)) return url;
  }
  for (const Name& name : names_) {
    if (name.url.Key() == url->Key()) return url;
  }
  return refused();
}

bool RepositoryPolicy::MayUseFiles() const {
  const auto is_file = [](const RepositoryUrl& url) { return url.scheme == "file"; };
  return std::any_of(prefixes_.begin(), prefixes_.end(), is_file) ||
         std::any_of(names_.begin(), names_.end(), [&](const Name& name) { return is_file(name.url); });
}

absl::StatusOr<RepositoryPolicy::Credential> RepositoryPolicy::CredentialFor(const RepositoryUrl& url) const {
  const Secret* best = nullptr;
  for (const Secret& secret : secrets_) {
    if (!IsBelow(url, secret.prefix)) continue;
    if (best == nullptr || secret.prefix.path.size() > best->prefix.path.size()) best = &secret;
  }
  Credential credential;
  if (best == nullptr) return credential;
  if (url.scheme == "ssh") {
    credential.key_file = best->reference.substr(5);
    return credential;
  }
  SY_ASSIGN_OR_RETURN(credential.secret, resolve_(best->reference));
  if (credential.secret.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "SECRET_UNREADABLE",
                     absl::StrCat(best->reference, " holds more than one line"));
  }
  return credential;
}

std::vector<std::string> RepositoryPolicy::Files() const {
  std::vector<std::string> files;
  for (const Secret& secret : secrets_) {
    if (absl::StartsWith(secret.reference, "file:")) files.push_back(secret.reference.substr(5));
  }
  return files;
}

}  // namespace switchyard::executor::repository
