#include "services/executor/models/credential_policy.h"

#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::executor::models {
namespace {

absl::Status NotAllowed(std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, "CREDENTIAL_NOT_ALLOWED", message);
}

bool IsReference(const std::string& text) {
  return (absl::StartsWith(text, "env:") && text.size() > 4) || (absl::StartsWith(text, "file:") && text.size() > 5);
}

}  // namespace

absl::StatusOr<CredentialPolicy> CredentialPolicy::Make(const std::vector<std::string>& lines, bool insecure,
                                                        Resolve resolve) {
  CredentialPolicy policy;
  policy.insecure_ = insecure;
  policy.resolve_ = std::move(resolve);
  std::vector<FieldViolation> faults;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string field = absl::StrCat("backends.models.credentials[", i, "]");
    // Paths may hold blanks, URLs do not.
    const std::size_t blank = lines[i].rfind(' ');
    std::string reference = lines[i].substr(0, blank == std::string::npos ? 0 : blank);
    while (!reference.empty() && reference.back() == ' ') reference.pop_back();
    // A line may be a secret by mistake: it is not repeated.
    if (!IsReference(reference)) {
      faults.push_back({field, "is written `env:NAME URL` or `file:PATH URL`"});
      continue;
    }
    absl::StatusOr<EndpointUrl> url = ParseEndpointUrl(lines[i].substr(blank + 1));
    if (!url.ok()) {
      faults.push_back({field, std::string(url.status().message())});
      continue;
    }
    if (!url->tls && !insecure && !IsLoopback(*url)) {
      faults.push_back({field, "would be sent without encryption: use https://, or allow_insecure_credentials"});
      continue;
    }
    policy.lines_.push_back({.reference = std::move(reference), .url = *std::move(url)});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return policy;
}

absl::Status CredentialPolicy::Check(const std::string& reference, std::string_view url) const {
  SY_ASSIGN_OR_RETURN(const EndpointUrl parsed, ParseEndpointUrl(url));
  if (reference.empty()) return absl::OkStatus();
  bool listed = false;
  for (const Line& line : lines_) {
    if (line.reference != reference) continue;
    listed = true;
    if (!IsBelow(parsed, line.url)) continue;
    if (!parsed.tls && !insecure_ && !IsLoopback(parsed)) {
      return NotAllowed("the credential would be sent without encryption");
    }
    return absl::OkStatus();
  }
  return NotAllowed(listed ? absl::StrCat(reference, " may not be sent to ", parsed.host,
                                          ": backends.models.credentials of this executor names other URLs for it")
                           : absl::StrCat(reference, " is not in backends.models.credentials of this executor"));
}

absl::StatusOr<std::string> CredentialPolicy::SecretFor(const std::string& reference, std::string_view url) const {
  SY_RETURN_IF_ERROR(Check(reference, url));
  if (reference.empty()) return std::string();
  return resolve_(reference);
}

std::vector<CredentialPolicy::Entry> CredentialPolicy::Probe() const {
  std::vector<Entry> entries;
  std::set<std::string> seen;
  for (const Line& line : lines_) {
    if (seen.insert(line.reference).second) entries.push_back({line.reference, resolve_(line.reference).status()});
  }
  return entries;
}

std::vector<std::string> CredentialPolicy::Files() const {
  std::vector<std::string> files;
  for (const Line& line : lines_) {
    if (absl::StartsWith(line.reference, "file:")) files.push_back(line.reference.substr(5));
  }
  return files;
}

}  // namespace switchyard::executor::models
