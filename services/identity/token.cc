#include "services/identity/token.h"

#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::identity {
namespace {

constexpr std::array<std::pair<Scope, std::string_view>, 5> kScopes = {{
    {Scope::kAdmin, "admin"},
    {Scope::kSubmit, "submit"},
    {Scope::kRead, "read"},
    {Scope::kService, "service"},
    {Scope::kAgent, "agent"},
}};

constexpr std::size_t kRandomCharacters = 43;

}  // namespace

Scopes Scopes::FromBits(std::uint32_t bits) {
  Scopes scopes;
  for (const auto& [scope, name] : kScopes) {
    if ((bits & (1u << static_cast<unsigned>(scope))) != 0) scopes.Add(scope);
  }
  return scopes;
}

std::vector<Scope> Scopes::List() const {
  std::vector<Scope> list;
  for (const auto& [scope, name] : kScopes) {
    if (Has(scope)) list.push_back(scope);
  }
  return list;
}

std::string_view NameOf(Scope scope) {
  for (const auto& [known, name] : kScopes) {
    if (known == scope) return name;
  }
  return "unknown";
}

absl::StatusOr<Scope> ParseScope(std::string_view name) {
  for (const auto& [scope, known] : kScopes) {
    if (known == name) return scope;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", ToAbsl(name), "\" is not a scope: write admin, submit, read, service or agent"));
}

bool LooksLikeToken(std::string_view text) {
  if (text.size() != kTokenPrefix.size() + kRandomCharacters || text.substr(0, kTokenPrefix.size()) != kTokenPrefix) {
    return false;
  }
  for (const char c : text.substr(kTokenPrefix.size())) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) return false;
  }
  return true;
}

std::string HashOfToken(std::string_view text) {
  const std::array<std::uint8_t, 32> hash = Sha256(text);
  return std::string(hash.begin(), hash.end());
}

}  // namespace switchyard::identity
