#include "services/executor/models/classify.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/terminal.h"
#include "libs/text/utf8.h"

namespace switchyard::executor::models {
namespace {

constexpr std::size_t kShownBytes = 500;
constexpr std::size_t kReadBytes = 4'000;

bool SaysAny(std::string_view lower, std::initializer_list<const char*> phrases) {
  for (const char* phrase : phrases) {
    if (absl::StrContains(ToAbsl(lower), phrase)) return true;
  }
  return false;
}

// What an error says of itself.
struct Words {
  std::string message;
  std::string type;
  std::string code;
  // All of it, in lower case.
  std::string all;
};

Words WordsOf(const Json& error) {
  Words words;
  if (error.is_string()) {
    words.message = TextOf(error);
  } else {
    words.message = TextOf(Member(error, "message"));
    if (words.message.empty()) words.message = TextOf(Member(error, "detail"));
    words.type = TextOf(Member(error, "type"));
    const Json& code = Member(error, "code");
    words.code = TextOf(code);
    if (code.is_number_integer()) words.code = absl::StrCat(code.get<std::int64_t>());
    const std::string& detailed = TextOf(Member(Member(error, "details"), "error_code"));
    if (!detailed.empty()) words.code = detailed;
  }
  words.message.resize(std::min(words.message.size(), kReadBytes));
  words.all = absl::AsciiStrToLower(absl::StrCat(words.type, " ", words.code, " ", words.message));
  return words;
}

std::string ShownWords(const Words& words) {
  std::string text;
  for (const std::string* part : {&words.code, &words.type, &words.message}) {
    if (!part->empty()) absl::StrAppend(&text, text.empty() ? "" : ": ", *part);
  }
  return ShownError(text);
}

bool SaysNoMoney(const Words& words) {
  return SaysAny(words.all, {"insufficient_quota", "spend limit", "spend_limit", "usage limit", "credit balance",
                             "billing", "exceeded your current quota", "insufficient credits", "budget has been"});
}

bool SaysContext(const Words& words) {
  return SaysAny(words.all,
                 {"context_length_exceeded", "context length", "context window", "context size", "prompt is too long",
                  "exceed_context_size", "maximum context", "input length exceeds", "too many tokens",
                  "exceeds the available context", "contextwindowexceeded", "reduce the length"});
}

bool SaysFilter(const Words& words) {
  return SaysAny(words.all, {"content_filter", "content filter", "content_policy", "content policy",
                             "responsible ai policy", "safety policy"});
}

bool SaysLoading(const Words& words) { return SaysAny(words.all, {"loading model", "model is loading"}); }

bool SaysQueueFull(const Words& words) {
  return SaysAny(words.all, {"server busy", "pending requests", "queue is full", "queue full", "no slot available"});
}

bool SaysModelAbsent(const Words& words) {
  return SaysAny(words.all, {"model_not_found", "not_found_error"}) ||
         (SaysAny(words.all, {"model"}) && SaysAny(words.all, {"not found", "does not exist", "not exist"}));
}

CallOutcome OutcomeOf400(const Words& words) {
  if (SaysNoMoney(words)) return CallOutcome::kSpendLimit;
  if (SaysContext(words)) return CallOutcome::kContextExceeded;
  if (SaysFilter(words)) return CallOutcome::kRefused;
  if (SaysModelAbsent(words)) return CallOutcome::kModelNotFound;
  return CallOutcome::kInvalidRequest;
}

CallOutcome OutcomeOf(int status, const Words& words, bool has_retry_after) {
  switch (status) {
    case 401:
    case 407:
      return CallOutcome::kUnauthorized;
    case 402:
      return CallOutcome::kPaymentRequired;
    case 403:
      return SaysNoMoney(words) ? CallOutcome::kSpendLimit : CallOutcome::kForbidden;
    case 404:
      return CallOutcome::kModelNotFound;
    // The client went away, says Ollama; conflicts and slow requests pass.
    case 408:
    case 409:
    case 425:
    case 499:
      return CallOutcome::kServerFailure;
    case 413:
      return CallOutcome::kContextExceeded;
    case 429:
      // One that names a time clears by itself, whatever it is about.
      if (SaysNoMoney(words) && !has_retry_after) return CallOutcome::kSpendLimit;
      return CallOutcome::kRateLimited;
    case 503:
      if (SaysLoading(words)) return CallOutcome::kLoading;
      return SaysQueueFull(words) ? CallOutcome::kQueueFull : CallOutcome::kOverloaded;
    case 529:
      return CallOutcome::kOverloaded;
    default:
      break;
  }
  if (status >= 400 && status < 500) return OutcomeOf400(words);
  if (status >= 500) {
    // Ollama says so with 500 when it finds out late.
    if (SaysContext(words)) return CallOutcome::kContextExceeded;
    return CallOutcome::kServerFailure;
  }
  // A redirect is not followed, since it would take the credentials along.
  return CallOutcome::kNonsense;
}

}  // namespace

std::string ShownError(std::string_view text) {
  const std::string shown = text::EscapeForTerminalLine(text::Redact(text.substr(0, kReadBytes)));
  return std::string(text::TruncateUtf8(shown, kShownBytes));
}

Trouble ClassifyStatus(Protocol protocol, int status, const http::HttpHeaders& headers, std::string_view body,
                       absl::Time now) {
  const std::optional<Json> json = ParseJson(body);
  Words words;
  if (json.has_value()) {
    const Json& error = Member(*json, "error");
    // Some say it without a wrapper.
    words = WordsOf(error.is_null() ? *json : error);
  } else {
    words.message = std::string(body.substr(0, kReadBytes));
    words.all = absl::AsciiStrToLower(words.message);
  }
  Trouble trouble;
  trouble.retry_after = http::RetryAfter(headers, now);
  trouble.outcome = OutcomeOf(status, words, trouble.retry_after.has_value());
  const std::string shown = ShownWords(words);
  trouble.detail =
      absl::StrCat(std::string(ProtocolName(protocol)), " status ", status, shown.empty() ? "" : ": ", shown);
  return trouble;
}

Trouble ClassifyFailure(http::HttpFailure failure, std::string_view detail) {
  Trouble trouble;
  trouble.detail = ShownError(detail.empty() ? http::FailureName(failure) : detail);
  switch (failure) {
    case http::HttpFailure::kNone:
      break;
    case http::HttpFailure::kNotResolved:
    case http::HttpFailure::kRefused:
      trouble.outcome = CallOutcome::kNoConnection;
      break;
    case http::HttpFailure::kReset:
      trouble.outcome = CallOutcome::kConnectionReset;
      break;
    case http::HttpFailure::kTls:
      trouble.outcome = CallOutcome::kTlsFailed;
      break;
    case http::HttpFailure::kConnectTimeout:
      trouble.outcome = CallOutcome::kConnectTimeout;
      break;
    case http::HttpFailure::kFirstByteTimeout:
      trouble.outcome = CallOutcome::kFirstTokenTimeout;
      break;
    case http::HttpFailure::kIdleTimeout:
      trouble.outcome = CallOutcome::kTokenTimeout;
      break;
    case http::HttpFailure::kTotalTimeout:
      trouble.outcome = CallOutcome::kTotalTimeout;
      break;
    case http::HttpFailure::kTruncated:
      trouble.outcome = CallOutcome::kStreamCut;
      break;
    case http::HttpFailure::kTooLarge:
      trouble.outcome = CallOutcome::kTooLong;
      break;
    case http::HttpFailure::kProtocol:
      trouble.outcome = CallOutcome::kNonsense;
      break;
    case http::HttpFailure::kCancelled:
      trouble.outcome = CallOutcome::kCancelled;
      break;
    case http::HttpFailure::kQueueTimeout:
    case http::HttpFailure::kInternal:
      trouble.outcome = CallOutcome::kNotSent;
      break;
  }
  return trouble;
}

Trouble ClassifyStreamError(const Json& error) {
  const Words words = WordsOf(error);
  Trouble trouble;
  trouble.detail = ShownWords(words);
  if (SaysAny(words.all, {"overloaded"})) {
    trouble.outcome = CallOutcome::kOverloaded;
  } else if (SaysNoMoney(words)) {
    trouble.outcome = CallOutcome::kSpendLimit;
  } else if (SaysAny(words.all, {"rate_limit"})) {
    trouble.outcome = CallOutcome::kRateLimited;
  } else if (SaysAny(words.all, {"authentication_error", "invalid_api_key"})) {
    trouble.outcome = CallOutcome::kUnauthorized;
  } else if (SaysContext(words)) {
    trouble.outcome = CallOutcome::kContextExceeded;
  } else if (SaysFilter(words)) {
    trouble.outcome = CallOutcome::kRefused;
  } else if (SaysQueueFull(words)) {
    trouble.outcome = CallOutcome::kQueueFull;
  } else {
    trouble.outcome = CallOutcome::kErrorInStream;
  }
  return trouble;
}

}  // namespace switchyard::executor::models
