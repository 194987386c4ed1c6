#include "libs/model_probe/probe_answers.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/redact.h"
#include "libs/text/terminal.h"
#include "libs/text/utf8.h"
#include "nlohmann/json.hpp"

namespace switchyard::model_probe {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxMessage = 300;
constexpr std::size_t kMaxModels = 2'000;
constexpr std::size_t kMaxName = 200;

std::string Clean(std::string_view text) {
  const std::string shown = text::EscapeForTerminalLine(text::Redact(text.substr(0, 4 * kMaxMessage)));
  return std::string(text::TruncateUtf8(shown, kMaxMessage));
}

Json Parse(std::string_view body) { return Json::parse(body.begin(), body.end(), nullptr, false); }

const Json& Member(const Json& json, const char* name) {
  static const Json& none = *new Json();
  if (!json.is_object()) return none;
  const auto found = json.find(name);
  return found == json.end() ? none : *found;
}
std::string Text(const Json& json) { return json.is_string() ? json.get<std::string>() : std::string(); }
std::int64_t Number(const Json& json) {
  constexpr double kMost = 1e15;
  if (!json.is_number()) return 0;
  const double value = json.get<double>();
  return value > 0 && value < kMost ? static_cast<std::int64_t>(value) : 0;
}

// Ollama lists models of its cloud among its own, and passes requests for them on.
bool IsRemote(const Json& item) {
  return !Text(Member(item, "remote_model")).empty() || !Text(Member(item, "remote_host")).empty();
}

bool IsModelName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxName && std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) == 0x7f;
  });
}

std::vector<std::string> Capabilities(const Json& list) {
  std::vector<std::string> out;
  if (!list.is_array()) return out;
  for (const Json& item : list) {
    if (std::string name = Text(item); IsModelName(name) && out.size() < 50) out.push_back(std::move(name));
  }
  return out;
}

// Adds each entry of a list that `read` makes a model of.
template <class Read>
std::optional<std::vector<FoundModel>> ReadList(std::string_view body, const char* member, Read read) {
  const Json json = Parse(body);
  const Json& list = Member(json, member);
  if (!list.is_array()) return std::nullopt;
  std::vector<FoundModel> models;
  for (const Json& item : list) {
    FoundModel model = read(item);
    if (IsModelName(model.model) && models.size() < kMaxModels) models.push_back(std::move(model));
  }
  return models;
}

// Errors that mean "there is no money left", however they are coded.
bool SaysNoMoney(std::string_view text) {
  const std::string lower = absl::AsciiStrToLower(ToAbsl(text));
  for (const char* phrase : {"insufficient_quota", "spend limit", "spend_limit", "usage limit", "credit balance",
                             "billing", "exceeded your current quota"}) {
    if (absl::StrContains(lower, phrase)) return true;
  }
  return false;
}

}  // namespace

std::string ErrorText(std::string_view body) {
  const Json json = Parse(body);
  const Json& error = Member(json, "error");
  if (error.is_string()) return Clean(Text(error));
  std::string text = Text(Member(error, "message"));
  for (const char* name : {"code", "type"}) {
    if (const std::string label = Text(Member(error, name)); !label.empty()) text = absl::StrCat(label, ": ", text);
  }
  const std::string code = Text(Member(Member(error, "details"), "error_code"));
  if (!code.empty()) text = absl::StrCat(code, ": ", text);
  return Clean(text);
}

bool TakeFailure(const http::HttpOutcome& outcome, absl::Time now, CheckResult& result) {
  if (outcome.failure != http::HttpFailure::kNone) {
    // Ours, not the endpoint's: it was not asked.
    const bool ours = outcome.failure == http::HttpFailure::kCancelled ||
                      outcome.failure == http::HttpFailure::kQueueTimeout ||
                      outcome.failure == http::HttpFailure::kInternal;
    result.process = ours ? Verdict::kUnknown : Verdict::kBad;
    result.message = Clean(outcome.detail.empty() ? http::FailureName(outcome.failure) : outcome.detail);
    return true;
  }
  if (outcome.ok()) {
    result.process = Verdict::kGood;
    return false;
  }
  const int status = outcome.head.status;
  const std::string error = ErrorText(outcome.body);
  const std::string message = absl::StrCat("status ", status, error.empty() ? "" : ": ", error);
  const auto refused = [&] {
    result.process = Verdict::kGood;
    result.credentials = Verdict::kBad;
    result.message = message;
    return true;
  };
  const std::optional<absl::Duration> rest = http::RetryAfter(outcome.head.headers, now);
  switch (status) {
    case 401:
    case 402:
    case 403:
      return refused();
    case 404:
      result.process = Verdict::kGood;
      return false;
    case 429:
      if (!rest.has_value() && SaysNoMoney(error)) return refused();
      result.process = Verdict::kGood;
      result.retry_after = rest.value_or(absl::ZeroDuration());
      result.message = message;
      return true;
    case 503:
      result.process = Verdict::kGood;
      if (absl::StrContains(absl::AsciiStrToLower(error), "loading")) {
        result.loading = true;
      } else {
        result.busy = true;
      }
      result.message = message;
      return true;
    case 529:
      result.process = Verdict::kGood;
      result.busy = true;
      result.message = message;
      return true;
    default:
      break;
  }
  if (status >= 400 && status < 500) {
    if (SaysNoMoney(error)) return refused();
    result.process = Verdict::kGood;
    result.models_known = Verdict::kBad;
    result.message = message;
    return true;
  }
  result.process = Verdict::kBad;
  result.message = message;
  return true;
}

std::optional<std::string> ParseOllamaVersion(std::string_view body) {
  const Json json = Parse(body);
  const Json& version = Member(json, "version");
  if (!version.is_string()) return std::nullopt;
  return Clean(absl::StrCat("ollama ", Text(version)));
}

std::optional<std::vector<FoundModel>> ParseOllamaTags(std::string_view body) {
  return ReadList(body, "models", [](const Json& item) {
    FoundModel model;
    model.model = Text(Member(item, "name"));
    model.size_bytes = Number(Member(item, "size"));
    model.context_window = Number(Member(Member(item, "details"), "context_length"));
    model.capabilities = Capabilities(Member(item, "capabilities"));
    model.remote = IsRemote(item);
    return model;
  });
}

std::optional<std::vector<FoundModel>> ParseOllamaPs(std::string_view body) {
  return ReadList(body, "models", [](const Json& item) {
    FoundModel model;
    model.model = Text(Member(item, "name"));
    model.loaded = true;
    model.size_bytes = Number(Member(item, "size"));
    model.vram_bytes = Number(Member(item, "size_vram"));
    model.remote = IsRemote(item);
    model.context_window = Number(Member(item, "context_length"));
    absl::Time time;
    std::string error;
    if (absl::ParseTime(absl::RFC3339_full, Text(Member(item, "expires_at")), &time, &error)) {
      // Kept loaded for ever is some date in the 24th century, or the year 1.
      if (time > absl::UnixEpoch() && time < absl::FromUnixSeconds(9'000'000'000)) model.expire_time = time;
    }
    return model;
  });
}

std::optional<std::vector<FoundModel>> ParseModelList(std::string_view body) {
  return ReadList(body, "data", [](const Json& item) {
    FoundModel model;
    model.model = Text(Member(item, "id"));
    model.loaded = true;
    model.context_window = Number(Member(item, "max_model_len"));
    if (model.context_window == 0) model.context_window = Number(Member(item, "max_input_tokens"));
    return model;
  });
}

ServerProps ParseProps(std::string_view body) {
  const Json json = Parse(body);
  return {static_cast<int>(std::min<std::int64_t>(Number(Member(json, "total_slots")), 1'000)),
          Number(Member(Member(json, "default_generation_settings"), "n_ctx"))};
}

bool IsWord(EndpointKind kind, std::string_view body) {
  const Json json = Parse(body);
  if (!Member(json, "error").is_null()) return false;
  switch (kind) {
    case EndpointKind::kOllama: {
      const Json& done = Member(json, "done");
      return done.is_boolean() && done.get<bool>();
    }
    case EndpointKind::kOpenAi: {
      const Json& choices = Member(json, "choices");
      return choices.is_array() && !choices.empty() && Member(choices.front(), "finish_reason").is_string();
    }
    case EndpointKind::kAnthropic:
      return Member(json, "stop_reason").is_string();
  }
  return false;
}

void MergeLoaded(const std::vector<FoundModel>& loaded, std::vector<FoundModel>& models) {
  for (const FoundModel& ps : loaded) {
    const auto found = std::find_if(models.begin(), models.end(), [&](const FoundModel& model) {
      return SameModel(EndpointKind::kOllama, model.model, ps.model);
    });
    if (found == models.end()) {
      models.push_back(ps);
      continue;
    }
    found->loaded = true;
    found->expire_time = ps.expire_time;
    found->vram_bytes = ps.vram_bytes;
    found->remote = found->remote || ps.remote;
    if (ps.context_window > 0) found->context_window = ps.context_window;
  }
}

}  // namespace switchyard::model_probe
