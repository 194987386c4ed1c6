#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/id.h"

namespace switchyard::identity {

using TokenId = Id<struct TokenIdTag>;
// Who holds a token: the id of the first token of a chain of rotations.
using PrincipalId = Id<struct PrincipalIdTag>;

// The numbers are those of the contract and of the database.
enum class Scope : std::int8_t { kAdmin = 1, kSubmit = 2, kRead = 3, kService = 4, kAgent = 5 };

// The scopes that were asked for; what they imply is the business of whoever checks them.
class Scopes {
 public:
  Scopes() = default;
  Scopes(std::initializer_list<Scope> scopes) {
    for (const Scope scope : scopes) Add(scope);
  }
  // From bits(); unknown bits are dropped.
  static Scopes FromBits(std::uint32_t bits);

  void Add(Scope scope) { bits_ |= 1u << static_cast<unsigned>(scope); }
  bool Has(Scope scope) const { return (bits_ & (1u << static_cast<unsigned>(scope))) != 0; }
  bool empty() const { return bits_ == 0; }
  std::uint32_t bits() const { return bits_; }
  // Ascending.
  std::vector<Scope> List() const;

  friend bool operator==(const Scopes&, const Scopes&) = default;

 private:
  std::uint32_t bits_ = 0;
};

std::string_view NameOf(Scope scope);
absl::StatusOr<Scope> ParseScope(std::string_view name);

// All that is kept of a token: never its text.
struct Token {
  TokenId id;
  PrincipalId principal;
  std::string name;
  Scopes scopes;
  absl::Time create_time;
  absl::Time expire_time;
  std::optional<absl::Time> revoke_time;
  std::string revoke_reason;
  std::optional<absl::Time> last_used_time;
  std::string created_by;
  // The token that this one replaced; nil when none.
  TokenId rotated_from;

  bool IsLive(absl::Time now) const { return !revoke_time.has_value() && now < expire_time; }
  friend bool operator==(const Token&, const Token&) = default;
};

// Texts are "sy_" and 43 characters of [0-9A-Za-z]; anything else need not be looked up.
inline constexpr std::string_view kTokenPrefix = "sy_";
bool LooksLikeToken(std::string_view text);
// What is stored and looked up: its SHA-256, 32 bytes.
std::string HashOfToken(std::string_view text);

}  // namespace switchyard::identity
