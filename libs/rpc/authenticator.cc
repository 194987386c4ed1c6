#include "libs/rpc/authenticator.h"

#include <utility>

#include "libs/base/status.h"

namespace switchyard::rpc {

absl::Status TokenMissing() {
  return MakeError(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING",
                   "the call carries no bearer token in its authorization metadata");
}

absl::Status TokenInvalid() {
  return MakeError(absl::StatusCode::kUnauthenticated, "TOKEN_INVALID",
                   "the token is malformed, unknown, expired or revoked");
}

void StaticAuthenticator::Add(std::string_view token, Principal principal) {
  auto made = std::make_shared<const Principal>(std::move(principal));
  MutexLock lock(mutex_);
  principals_.insert_or_assign(std::string(token), std::move(made));
}

void StaticAuthenticator::Remove(std::string_view token) {
  MutexLock lock(mutex_);
  if (const auto found = principals_.find(token); found != principals_.end()) principals_.erase(found);
}

std::shared_ptr<const Principal> StaticAuthenticator::Cached(std::string_view token) {
  MutexLock lock(mutex_);
  const auto found = principals_.find(token);
  return found == principals_.end() ? nullptr : found->second;
}

void StaticAuthenticator::Authenticate(std::string_view token, Answer answer) {
  std::shared_ptr<const Principal> principal = Cached(token);
  if (principal == nullptr) {
    answer(TokenInvalid());
  } else {
    answer(std::move(principal));
  }
}

}  // namespace switchyard::rpc
