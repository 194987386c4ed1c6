#include "services/router/model_match.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace switchyard::router {
namespace {

std::string Plain(std::string_view name) {
  std::string plain = absl::AsciiStrToLower(ToAbsl(name));
  if (absl::EndsWith(plain, ":latest")) plain.resize(plain.size() - 7);
  return plain;
}

// "-20250929", "-2025-09-29", "@20250929".
bool IsDate(std::string_view suffix) {
  if (suffix.empty() || (suffix.front() != '-' && suffix.front() != '@')) return false;
  suffix.remove_prefix(1);
  const bool dashed = suffix.size() == 10 && suffix[4] == '-' && suffix[7] == '-';
  if (!dashed && suffix.size() != 8) return false;
  return std::all_of(suffix.begin(), suffix.end(), [](char c) { return absl::ascii_isdigit(c) || c == '-'; }) &&
         absl::StartsWith(ToAbsl(suffix), "20");
}

bool SameOrDated(const std::string& wanted, const std::string& said) {
  return said == wanted || (absl::StartsWith(said, wanted) && IsDate(std::string_view(said).substr(wanted.size())));
}

std::string WithoutProvider(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? std::string() : name.substr(slash + 1);
}

bool Same(const std::string& wanted, const std::string& said) {
  if (SameOrDated(wanted, said)) return true;
  const std::string short_wanted = WithoutProvider(wanted), short_said = WithoutProvider(said);
  // Two providers that are named are compared whole.
  if (!short_wanted.empty() && !short_said.empty()) return false;
  return (!short_wanted.empty() && SameOrDated(short_wanted, said)) ||
         (!short_said.empty() && SameOrDated(wanted, short_said));
}

}  // namespace

bool IsSameModel(std::string_view assigned, std::string_view reported, const std::vector<std::string>& aliases) {
  if (reported.empty() || assigned.empty()) return true;
  const std::string said = Plain(reported);
  return Same(Plain(assigned), said) || std::any_of(aliases.begin(), aliases.end(),
                                                    [&](const std::string& alias) { return Same(Plain(alias), said); });
}

}  // namespace switchyard::router
