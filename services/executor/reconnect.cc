#include "services/executor/reconnect.h"

#include <algorithm>
#include <cmath>

#include "libs/base/status.h"

namespace switchyard::executor {
namespace {

std::string Advice(const StreamEnd& end) {
  const std::string reason = ReasonOf(end.status);
  if (reason == "VERSION_UNSUPPORTED") return "install a yard-agent that speaks a version of this hub";
  if (reason == "AGENT_REMOVED") return "this agent was removed; enrol it again: yard-agent enroll STRING";
  if (reason == "SCOPE_MISSING") return "the token is not one of an agent; enrol: yard-agent enroll STRING";
  if (reason == "TOKEN_MISSING" || reason == "TOKEN_INVALID" ||
      end.status.code() == absl::StatusCode::kUnauthenticated) {
    return "the hub refuses the token: it was revoked or has expired; enrol again: yard-agent enroll STRING";
  }
  if (end.permanent) return "the hub says not to come back";
  return "";
}

}  // namespace

Reconnect::Reconnect(std::size_t addresses, Rng& rng, Options options)
    : addresses_(std::max<std::size_t>(1, addresses)), rng_(rng), options_(options) {
  address_ = static_cast<std::size_t>(rng_.Below(addresses_));
}

absl::Duration Reconnect::Backoff() const {
  // Each address gets its turn before the pause grows.
  const double round = static_cast<double>((failures_ - 1) / static_cast<int>(addresses_));
  return std::min(options_.max, options_.initial * std::pow(2.0, std::min(round, 20.0)));
}

NextTry Reconnect::After(const StreamEnd& end) {
  NextTry next;
  next.advice = Advice(end);
  if (!next.advice.empty()) {
    next.stop = true;
    return next;
  }
  address_ = (address_ + 1) % addresses_;
  next.address = address_;
  if (end.welcomed) {
    failures_ = 0;
    next.wait = options_.spread * rng_.Unit();
  } else {
    ++failures_;
    next.wait = Backoff() * (0.5 + 0.5 * rng_.Unit());
  }
  if (ReasonOf(end.status) == "SESSION_SUPERSEDED") next.wait = options_.superseded * (1.0 + rng_.Unit());
  const absl::Duration asked = std::max(end.retry_after, DetailsOf(end.status).retry_after);
  if (asked > absl::ZeroDuration()) next.wait = std::max(next.wait, asked * (1.0 + 0.25 * rng_.Unit()));
  return next;
}

}  // namespace switchyard::executor
