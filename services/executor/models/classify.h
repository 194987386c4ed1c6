// What an endpoint means when it does not answer: status first, then the words of the body.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "libs/http/http_transport.h"
#include "services/executor/models/call_outcome.h"
#include "services/executor/models/conversation.h"
#include "services/executor/models/json_reader.h"

namespace switchyard::executor::models {

struct Trouble {
  CallOutcome outcome = CallOutcome::kSuccess;
  // For people: at most 500 bytes, redacted, printable.
  std::string detail;
  // How long it asks to be left alone.
  std::optional<absl::Duration> retry_after;
};

// Text of strangers, fit to be shown.
std::string ShownError(std::string_view text);

// A whole answer whose status is none of success.
Trouble ClassifyStatus(Protocol protocol, int status, const http::HttpHeaders& headers, std::string_view body,
                       absl::Time now);

// An exchange that broke, or never came about. kFirstByteTimeout and kIdleTimeout are told by the protocol's own
// clocks.
Trouble ClassifyFailure(http::HttpFailure failure, std::string_view detail);

// The member "error" of something in a stream of status 200: text, or an object.
Trouble ClassifyStreamError(const Json& error);

}  // namespace switchyard::executor::models
