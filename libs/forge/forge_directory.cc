#include "libs/forge/forge_directory.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "libs/forge/rest_forge.h"
#include "libs/http/endpoint_url.h"

namespace switchyard::forge {
namespace {

bool IsReference(const std::string& text) {
  return (absl::StartsWith(text, "env:") && text.size() > 4) || (absl::StartsWith(text, "file:") && text.size() > 5);
}

// Takes the first word off; "" when none is left.
std::string TakeWord(std::string_view& text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const std::size_t end = std::min(text.find(' '), text.size());
  std::string word(text.substr(0, end));
  text.remove_prefix(end);
  return word;
}

std::string Written(const http::EndpointUrl& url) {
  const bool usual = url.port == (url.tls ? 443 : 80);
  return absl::StrCat(url.tls ? "https://" : "http://", url.host, usual ? "" : absl::StrCat(":", url.port), url.path);
}

std::string KeyOf(const RepositoryUrl& url) {
  return absl::StrCat(url.scheme, "://", url.host, ":", url.port, "/", absl::StrJoin(url.segments, "/"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ForgeDirectory>> ForgeDirectory::Make(const std::vector<std::string>& lines,
                                                                     std::string_view field, Resolve resolve,
                                                                     http::HttpTransport& transport,
                                                                     const Clock& clock) {
  std::unique_ptr<ForgeDirectory> directory(new ForgeDirectory());
  directory->resolve_ = std::move(resolve);
  std::vector<FieldViolation> faults;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    // A line may hold a secret by mistake: no part of it is repeated.
    const auto fault = [&](std::string_view what) {
      faults.push_back({absl::StrCat(ToAbsl(field), "[", i, "]"), std::string(what)});
    };
    std::string_view rest = lines[i];
    const std::string api = TakeWord(rest);
    const std::string prefix_text = TakeWord(rest);
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    while (!rest.empty() && rest.back() == ' ') rest.remove_suffix(1);
    // Paths may hold blanks.
    const std::string reference(rest);
    if (!IsReference(reference)) {
      fault("is written `API_URL URL_PREFIX env:NAME` or `API_URL URL_PREFIX file:PATH`");
      continue;
    }
    const absl::StatusOr<http::EndpointUrl> url = http::ParseEndpointUrl(api);
    if (!url.ok()) {
      fault(absl::StrCat("its API URL: ", url.status().message()));
      continue;
    }
    if (absl::Status status = http::CheckEndpointUrl(api); !status.ok()) {
      fault(absl::StrCat("its API URL: ", status.message()));
      continue;
    }
    if (!url->tls && !http::IsLoopback(*url)) {
      fault("its token would be sent without encryption: the API URL has to begin with https://");
      continue;
    }
    absl::StatusOr<RepositoryUrl> prefix = ParseRepositoryUrl(prefix_text);
    if (!prefix.ok()) {
      fault(absl::StrCat("its URL prefix: ", prefix.status().message()));
      continue;
    }
    if (!seen.insert(KeyOf(*prefix)).second) {
      fault("its URL prefix stands on another line too");
      continue;
    }
    RestForgeOptions options;
    options.api_url = Written(*url);
    options.manner = absl::EndsWith(url->path, "/api/v1") ? Manner::kGitea : Manner::kGitHub;
    options.token = [resolve = directory->resolve_, reference] { return resolve(reference); };
    directory->lines_.push_back({.prefix = *std::move(prefix),
                                 .api_url = options.api_url,
                                 .reference = reference,
                                 .forge = std::make_unique<RestForge>(options, transport, clock)});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return directory;
}

absl::StatusOr<const ForgeDirectory::Line*> ForgeDirectory::LineFor(const RepositoryUrl& url) const {
  const Line* best = nullptr;
  for (const Line& line : lines_) {
    if (!IsBelow(url, line.prefix)) continue;
    if (best == nullptr || line.prefix.segments.size() > best->prefix.segments.size()) best = &line;
  }
  if (best == nullptr) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "FORGE_NOT_CONFIGURED",
                     "no forge is configured for the repository: none of the URL prefixes covers it");
  }
  return best;
}

absl::StatusOr<Place> ForgeDirectory::Find(std::string_view clone_url) const {
  SY_ASSIGN_OR_RETURN(const RepositoryUrl url, ParseRepositoryUrl(clone_url));
  SY_ASSIGN_OR_RETURN(const Line* const line, LineFor(url));
  SY_ASSIGN_OR_RETURN(RepositoryName name, NameOf(url));
  return Place{.forge = line->forge.get(), .repository = std::move(name)};
}

absl::Status ForgeDirectory::Check(std::string_view clone_url) const {
  SY_RETURN_IF_ERROR(Find(clone_url).status());
  SY_ASSIGN_OR_RETURN(const RepositoryUrl url, ParseRepositoryUrl(clone_url));
  SY_ASSIGN_OR_RETURN(const Line* const line, LineFor(url));
  return resolve_(line->reference).status();
}

std::vector<ForgeDirectory::Entry> ForgeDirectory::Probe() const {
  std::vector<Entry> entries;
  for (const Line& line : lines_) {
    entries.push_back(
        {.api_url = line.api_url, .reference = line.reference, .status = resolve_(line.reference).status()});
  }
  return entries;
}

std::vector<std::string> ForgeDirectory::Files() const {
  std::vector<std::string> files;
  for (const Line& line : lines_) {
    if (absl::StartsWith(line.reference, "file:")) files.push_back(line.reference.substr(5));
  }
  return files;
}

}  // namespace switchyard::forge
