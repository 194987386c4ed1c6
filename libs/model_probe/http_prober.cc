#include "libs/model_probe/http_prober.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model_probe/probe_answers.h"
#include "nlohmann/json.hpp"

namespace switchyard::model_probe {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxAnswer = std::size_t{4} << 20;
// A person's question may load the model first; and a person waits for it.
const absl::Duration kPatience = absl::Seconds(60);

// Users like to give the address that their client library wants.
std::string BaseOf(const ProbeTarget& target) {
  std::string base = target.url;
  while (!base.empty() && base.back() == '/') base.pop_back();
  if (target.kind != EndpointKind::kOllama && absl::EndsWith(base, "/v1")) base.resize(base.size() - 3);
  return base;
}

Json OptionsOf(const ProbeTarget& target, const std::string& model) {
  Json options = Json::object();
  const ModelSettings* const settings = FindSettings(target.kind, target.models, model);
  if (settings == nullptr) return options;
  for (const auto& [name, value] : settings->options) {
    if (name == "use_mmap") {
      options[name] = value != 0;
    } else {
      options[name] = value;
    }
  }
  return options;
}

bool CanSpeak(const FoundModel& model) {
  // It would say nothing about this endpoint, and cost.
  if (model.remote) return false;
  if (model.capabilities.empty()) return true;
  for (const std::string& capability : model.capabilities) {
    if (capability == "completion") return true;
  }
  return false;
}

}  // namespace

// One check, step after step; kept alive by the exchange that is under way.
class HttpProber::Run final : public std::enable_shared_from_this<Run> {
 public:
  Run(http::HttpTransport& transport, const Clock& clock, const ProberRules& rules, ProbeRequest request,
      std::string secret, std::function<void(CheckResult)> done)
      : transport_(transport),
        clock_(clock),
        rules_(rules),
        request_(std::move(request)),
        base_(BaseOf(request_.target)),
        secret_(std::move(secret)),
        done_(std::move(done)) {}

  void Start() {
    if (request_.target.kind == EndpointKind::kOllama) return AskVersion();
    AskList();
  }

  // Loads a model: an empty conversation.
  void Load(const std::string& model) {
    Json body = {{"model", model},
                 {"messages", Json::array()},
                 {"stream", false},
                 {"keep_alive", absl::ToInt64Seconds(rules_.keep_warm)}};
    if (Json options = OptionsOf(request_.target, model); !options.empty()) body["options"] = std::move(options);
    Send("POST", "/api/chat", body.dump(), rules_.load, [this](const http::HttpOutcome& outcome) {
      if (TakeFailure(outcome, clock_.Now(), result_)) {
        if (http::IsTimeout(outcome.failure)) result_.progress = Verdict::kBad;
      } else if (!IsWord(EndpointKind::kOllama, outcome.body)) {
        const std::string error = ErrorText(outcome.body);
        result_.message = error.empty() ? "the answer is not a whole one" : error;
      }
      Finish();
    });
  }

 private:
  using Then = std::function<void(const http::HttpOutcome&)>;

  void Bad(Verdict& level, std::string_view message) {
    level = Verdict::kBad;
    result_.message = std::string(message);
  }
  void Finish() {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(result_));
  }

  void Send(const char* method, std::string_view path, std::string body, absl::Duration response, Then then) {
    http::HttpRequest request;
    request.method = method;
    request.url = absl::StrCat(base_, ToAbsl(path));
    if (!body.empty()) request.headers.push_back({"Content-Type", "application/json"});
    if (request_.target.kind == EndpointKind::kAnthropic) {
      request.headers.push_back({"anthropic-version", "2023-06-01"});
      if (!secret_.empty()) request.headers.push_back({"x-api-key", secret_});
    } else if (!secret_.empty()) {
      request.headers.push_back({"Authorization", absl::StrCat("Bearer ", secret_)});
    }
    request.body = std::move(body);
    request.max_body_bytes = kMaxAnswer;
    request.timeouts = {.queue = rules_.connect,
                        .connect = rules_.connect,
                        .first_byte = response,
                        .idle = response,
                        .total = rules_.connect * 2 + response * 2};
    http::HttpCallbacks callbacks;
    callbacks.on_done = [self = shared_from_this(), then](const http::HttpOutcome& outcome) { then(outcome); };
    const absl::StatusOr<http::HttpCallId> sent = transport_.Send(std::move(request), std::move(callbacks));
    if (sent.ok()) return;
    // Ours, not the endpoint's: nothing is said about it but that it could not be asked.
    result_.message = std::string(sent.status().message());
    if (ReasonOf(sent.status()) == "INVALID_HTTP_REQUEST") result_.process = Verdict::kBad;
    Finish();
  }

  void AskVersion() {
    Send("GET", "/api/version", "", rules_.response, [this](const http::HttpOutcome& outcome) {
      if (TakeFailure(outcome, clock_.Now(), result_)) return Finish();
      const std::optional<std::string> version = ParseOllamaVersion(outcome.body);
      if (outcome.head.status == 404 || !version.has_value()) {
        Bad(result_.process, "what answers there is not Ollama");
        return Finish();
      }
      result_.server = *version;
      AskTags();
    });
  }

  void AskTags() {
    Send("GET", "/api/tags", "", rules_.response, [this](const http::HttpOutcome& outcome) {
      if (TakeFailure(outcome, clock_.Now(), result_)) return Finish();
      std::optional<std::vector<FoundModel>> models = ParseOllamaTags(outcome.body);
      if (!models.has_value()) {
        Bad(result_.models_known, "its list of models cannot be read");
        return Finish();
      }
      result_.credentials = Verdict::kGood;
      result_.models = *std::move(models);
      AskLoaded();
    });
  }

  void AskLoaded() {
    Send("GET", "/api/ps", "", rules_.response, [this](const http::HttpOutcome& outcome) {
      if (http::IsTimeout(outcome.failure)) {
        // It answers everything else: its scheduler is loading a model.
        result_.loading = true;
        result_.message = "the list of loaded models waits for a load";
        return Finish();
      }
      if (TakeFailure(outcome, clock_.Now(), result_)) return Finish();
      const std::optional<std::vector<FoundModel>> loaded = ParseOllamaPs(outcome.body);
      if (!loaded.has_value()) {
        Bad(result_.models_known, "its list of loaded models cannot be read");
        return Finish();
      }
      result_.models_known = Verdict::kGood;
      MergeLoaded(*loaded, result_.models);
      Speak();
    });
  }

  void AskList() {
    const bool anthropic = request_.target.kind == EndpointKind::kAnthropic;
    Send("GET", anthropic ? "/v1/models?limit=1000" : "/v1/models", "", rules_.response,
         [this](const http::HttpOutcome& outcome) {
           if (TakeFailure(outcome, clock_.Now(), result_)) return Finish();
           std::optional<std::vector<FoundModel>> models = ParseModelList(outcome.body);
           if (outcome.head.status == 404 || !models.has_value()) {
             Bad(result_.models_known, "what answers there has no list of models");
             return Finish();
           }
           result_.credentials = Verdict::kGood;
           result_.models_known = Verdict::kGood;
           result_.models = *std::move(models);
           if (request_.target.local && request_.target.kind == EndpointKind::kOpenAi) return AskProps();
           Speak();
         });
  }

  // Only llama.cpp has it; whatever else comes means nothing.
  void AskProps() {
    Send("GET", "/props", "", rules_.response, [this](const http::HttpOutcome& outcome) {
      if (outcome.ok()) {
        const ServerProps props = ParseProps(outcome.body);
        result_.slots = props.slots;
        for (FoundModel& model : result_.models) {
          if (model.context_window == 0) model.context_window = props.context_window;
        }
      }
      Speak();
    });
  }

  bool MayAsk(const FoundModel& model) const {
    const ProbeTarget& target = request_.target;
    return request_.generate != Generate::kIfLoadedAndKnown || target.kind != EndpointKind::kOllama ||
           FindSettings(target.kind, target.models, model.model) != nullptr;
  }

  std::string ModelToAsk() const {
    if (request_.generate == Generate::kAlways && !request_.model.empty()) return request_.model;
    for (const FoundModel& model : result_.models) {
      if (model.loaded && CanSpeak(model) && MayAsk(model)) return model.model;
    }
    if (request_.generate != Generate::kAlways) return "";
    for (const FoundModel& model : result_.models) {
      if (CanSpeak(model)) return model.model;
    }
    return "";
  }

  void Speak() {
    if (request_.generate == Generate::kNever) return Finish();
    const std::string model = ModelToAsk();
    if (model.empty()) return Finish();
    const EndpointKind kind = request_.target.kind;
    Json body = {{"model", model}, {"messages", {{{"role", "user"}, {"content", "Say ok."}}}}, {"stream", false}};
    std::string_view path = "/v1/chat/completions";
    if (kind == EndpointKind::kOllama) {
      path = "/api/chat";
      Json options = OptionsOf(request_.target, model);
      options["num_predict"] = 1;
      body["options"] = std::move(options);
      const ModelSettings* const settings = FindSettings(request_.target.kind, request_.target.models, model);
      if (settings != nullptr && settings->keep_warm) body["keep_alive"] = absl::ToInt64Seconds(rules_.keep_warm);
    } else {
      body["max_tokens"] = 1;
      if (kind == EndpointKind::kAnthropic) path = "/v1/messages";
    }
    const absl::Time asked = clock_.Now();
    const bool asked_for = request_.generate == Generate::kAlways;
    const absl::Duration patience = asked_for ? std::min(rules_.load, kPatience) : rules_.generate;
    Send("POST", path, body.dump(), patience, [this, asked, kind, model](const http::HttpOutcome& outcome) {
      const absl::Time now = clock_.Now();
      if (http::IsTimeout(outcome.failure)) {
        Bad(result_.progress, absl::StrCat(model, " said no word in time"));
        return Finish();
      }
      CheckResult word;
      if (TakeFailure(outcome, now, word)) {
        // The process has answered just before: what failed is the word.
        result_.message = absl::StrCat(model, ": ", word.message);
        result_.busy = word.busy;
        result_.loading = word.loading;
        result_.retry_after = word.retry_after;
        if (word.credentials == Verdict::kBad) result_.credentials = Verdict::kBad;
        const bool waits = word.busy || word.loading || word.retry_after.has_value();
        if (!waits && word.credentials != Verdict::kBad) result_.progress = Verdict::kBad;
      } else if (outcome.head.status == 404 || !IsWord(kind, outcome.body)) {
        const std::string error = ErrorText(outcome.body);
        Bad(result_.progress, absl::StrCat(model, ": ", error.empty() ? "the answer is not a whole one" : error));
      } else {
        result_.progress = Verdict::kGood;
        result_.generation = now - asked;
      }
      Finish();
    });
  }

  http::HttpTransport& transport_;
  const Clock& clock_;
  const ProberRules rules_;
  const ProbeRequest request_;
  const std::string base_;
  const std::string secret_;
  std::function<void(CheckResult)> done_;
  CheckResult result_;
};

HttpProber::HttpProber(http::HttpTransport& transport, const Clock& clock, ProberRules rules, ResolveSecret resolve)
    : transport_(transport), clock_(clock), rules_(rules), resolve_(std::move(resolve)) {}

void HttpProber::Check(ProbeRequest request, std::function<void(CheckResult)> done) {
  std::string secret;
  if (!request.target.credential.empty()) {
    absl::StatusOr<std::string> resolved = resolve_(request.target);
    if (!resolved.ok()) {
      CheckResult result;
      result.credentials = Verdict::kBad;
      // Names the reference, never what is behind it.
      result.message = std::string(resolved.status().message());
      return done(std::move(result));
    }
    secret = *std::move(resolved);
  }
  std::make_shared<Run>(transport_, clock_, rules_, std::move(request), std::move(secret), std::move(done))->Start();
}

void HttpProber::KeepWarm(const ProbeTarget& target, const std::string& model, std::function<void(absl::Status)> done) {
  std::string secret;
  if (!target.credential.empty()) {
    absl::StatusOr<std::string> resolved = resolve_(target);
    if (!resolved.ok()) return done(resolved.status());
    secret = *std::move(resolved);
  }
  const auto finish = [done = std::move(done)](const CheckResult& result) {
    if (result.progress == Verdict::kBad) return done(absl::DeadlineExceededError(result.message));
    done(result.message.empty() ? absl::OkStatus() : absl::UnavailableError(result.message));
  };
  std::make_shared<Run>(transport_, clock_, rules_,
                        ProbeRequest{.target = target, .generate = Generate::kNever, .model = ""}, std::move(secret),
                        finish)
      ->Load(model);
}

}  // namespace switchyard::model_probe
