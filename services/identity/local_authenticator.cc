#include "services/identity/local_authenticator.h"

#include <memory>
#include <string>
#include <utility>

#include "libs/base/status.h"
#include "services/identity/identity_convert.h"

namespace switchyard::identity {

void LocalAuthenticator::Authenticate(std::string_view token, Answer answer) {
  // Nothing that is no token of ours costs a question.
  if (!LooksLikeToken(token)) return answer(rpc::TokenInvalid());
  // The executor drops what it refuses, so the answer is shared with this frame.
  const auto shared = std::make_shared<Answer>(std::move(answer));
  const absl::Status taken = blocking_.Run([this, token = std::string(token), shared] {
    const absl::StatusOr<Token> found = identity_.Verify(token);
    if (found.ok()) {
      (*shared)(std::make_shared<const rpc::Principal>(ToPrincipal(*found)));
    } else {
      (*shared)(ReasonOf(found.status()) == "TOKEN_UNKNOWN" ? rpc::TokenInvalid() : found.status());
    }
  });
  if (!taken.ok()) (*shared)(taken);
}

}  // namespace switchyard::identity
