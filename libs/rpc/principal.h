#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/time/time.h"
#include "switchyard/options/v1/options.pb.h"

namespace switchyard::rpc {

using Scope = options::v1::Scope;

// What a token may do. ADMIN implies SUBMIT and READ, SUBMIT implies READ; SERVICE and AGENT are implied by nothing.
class ScopeSet {
 public:
  ScopeSet() = default;
  ScopeSet(std::initializer_list<Scope> scopes) {
    for (const Scope scope : scopes) Add(scope);
  }
  void Add(Scope scope) {
    bits_ |= Bit(scope);
    if (scope == options::v1::SCOPE_ADMIN) Add(options::v1::SCOPE_SUBMIT);
    if (scope == options::v1::SCOPE_SUBMIT) Add(options::v1::SCOPE_READ);
  }
  // SCOPE_UNSPECIFIED is never allowed, SCOPE_NONE always.
  bool Allows(Scope required) const {
    return required == options::v1::SCOPE_NONE ||
           (required != options::v1::SCOPE_UNSPECIFIED && (bits_ & Bit(required)) != 0);
  }

 private:
  static std::uint32_t Bit(Scope scope) { return 1u << (static_cast<unsigned>(scope) & 31u); }
  std::uint32_t bits_ = 0;
};

// Who calls. Immutable once made, so that one is shared by all calls with its token.
struct Principal {
  // Stable and unique; what ownership and request ids are keyed by.
  std::string id;
  // For people: logs, audit.
  std::string name;
  ScopeSet scopes;
  absl::Time expire_time = absl::InfiniteFuture();
};

}  // namespace switchyard::rpc
