#include "services/executor/models/route_convert.h"

#include <algorithm>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "libs/base/status.h"
#include "libs/text/utf8.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "switchyard/router/v1/routing.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::executor::models {
namespace {

namespace registry = model_registry::v1;
namespace router = switchyard::router::v1;

constexpr int kSchemaVersion = 1;
constexpr std::size_t kLineBytes = 200;
constexpr std::size_t kMessageBytes = 500;
constexpr std::size_t kMostObservations = 16;
// Ollama tells of a load for warm models too.
constexpr absl::Duration kRealLoad = absl::Seconds(1);

absl::Status Unroutable(std::string_view reason, std::string_view message) {
  return MakeError(absl::StatusCode::kFailedPrecondition, reason, message);
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

void SetDuration(absl::Duration duration, google::protobuf::Duration& out) {
  const std::int64_t nanos = std::max<std::int64_t>(absl::ToInt64Nanoseconds(duration), 0);
  out = google::protobuf::util::TimeUtil::NanosecondsToDuration(nanos);
}

// Without one, what stands there stays.
void Take(const google::protobuf::Duration& from, absl::Duration& to) {
  if (const absl::Duration given = ToDuration(from); given > absl::ZeroDuration()) to = given;
}

std::string Line(std::string_view text, std::size_t bytes = kLineBytes) {
  std::string line = text::ReplaceInvalidUtf8(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return std::string(text::TruncateUtf8(line, bytes));
}

TokenRates ToRates(const registry::Rates& from) {
  TokenRates rates;
  if (from.has_input()) rates.input = from.input();
  if (from.has_output()) rates.output = from.output();
  if (from.has_cache_read()) rates.cache_read = from.cache_read();
  if (from.has_cache_write_5m()) rates.cache_write_5m = from.cache_write_5m();
  if (from.has_cache_write_1h()) rates.cache_write_1h = from.cache_write_1h();
  return rates;
}

std::optional<Protocol> ToProtocol(registry::EndpointKind kind) {
  switch (kind) {
    case registry::ENDPOINT_KIND_OLLAMA:
      return Protocol::kOllama;
    case registry::ENDPOINT_KIND_OPENAI:
      return Protocol::kOpenAi;
    case registry::ENDPOINT_KIND_ANTHROPIC:
      return Protocol::kAnthropic;
    default:
      return std::nullopt;
  }
}

registry::Outcome ToOutcome(EndpointVerdict verdict) {
  switch (verdict) {
    case EndpointVerdict::kSuccess:
      return registry::OUTCOME_SUCCESS;
    case EndpointVerdict::kFailure:
      return registry::OUTCOME_FAILURE;
    case EndpointVerdict::kNoProgress:
      return registry::OUTCOME_NO_PROGRESS;
    case EndpointVerdict::kRateLimited:
      return registry::OUTCOME_RATE_LIMITED;
    case EndpointVerdict::kBusy:
      return registry::OUTCOME_BUSY;
    case EndpointVerdict::kRefused:
      return registry::OUTCOME_REFUSED;
    case EndpointVerdict::kLoading:
      return registry::OUTCOME_LOADING;
    case EndpointVerdict::kNeutral:
      break;
  }
  return registry::OUTCOME_NEUTRAL;
}

void FillObservation(const CallRecord& record, registry::Observation& out) {
  out.set_endpoint(Line(record.endpoint));
  out.set_model(Line(record.model));
  out.set_outcome(ToOutcome(VerdictOn(record.outcome)));
  *out.mutable_begin_time() = google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(record.sent));
  if (record.load.has_value()) SetDuration(*record.load, *out.mutable_load());
  if (record.times.first_token.has_value()) {
    // What the load took is told apart.
    const absl::Duration load = record.load.value_or(absl::ZeroDuration());
    SetDuration(*record.times.first_token - (load >= kRealLoad ? load : absl::ZeroDuration()),
                *out.mutable_first_token());
  }
  SetDuration(record.times.total, *out.mutable_total());
  if (record.queue_wait.has_value()) SetDuration(*record.queue_wait, *out.mutable_queue_wait());
  out.set_output_tokens(record.output_tokens);
  if (record.retry_after.has_value()) SetDuration(*record.retry_after, *out.mutable_retry_after());
  if (record.outcome != CallOutcome::kSuccess) {
    std::string message(OutcomeReason(record.outcome));
    out.set_message(Line(message.append(": ").append(record.message), kMessageBytes));
  }
}

void FillUsage(const Spent& spent, const Route& route, task_queue::v1::Usage& out) {
  out.set_model(Line(spent.model));
  out.set_provider(Line(route.provider));
  out.set_endpoint(Line(route.endpoint));
  out.set_assigned_model(Line(route.model));
  out.set_fallback_reason(Line(route.fallback ? route.fallback_reason : ""));
  out.set_model_mismatch(spent.mismatch);
  out.set_input_tokens(spent.input);
  out.set_cached_input_tokens(spent.cached_input);
  out.set_cache_write_tokens(spent.cache_write);
  out.set_output_tokens(spent.output);
  out.set_cost_micros(spent.cost_unknown ? 0 : spent.cost_micros);
  out.set_cost_unknown(spent.cost_unknown);
  SetDuration(spent.load, *out.mutable_load_time());
  SetDuration(spent.first_token, *out.mutable_first_token_time());
  SetDuration(spent.generation, *out.mutable_generation_time());
}

}  // namespace

absl::StatusOr<Route> ToRoute(std::string_view routing) {
  if (routing.empty()) return Unroutable("UNROUTED", "the task needs a model, and no route came with it");
  router::Routing message;
  if (!message.ParseFromArray(routing.data(), static_cast<int>(routing.size()))) {
    return Unroutable("ROUTING_UNKNOWN", "the route cannot be read");
  }
  if (message.schema_version() != kSchemaVersion) {
    return Unroutable("ROUTING_UNKNOWN", "the route is of another version than this executor knows");
  }
  if (message.strategy() != router::STRATEGY_LOCAL_LLM && message.strategy() != router::STRATEGY_CLOUD_LLM) {
    return Unroutable("UNROUTED", "the task needs a model, and its route names none");
  }
  const router::RoutedEndpoint& endpoint = message.endpoint();
  const std::optional<Protocol> protocol = ToProtocol(endpoint.kind());
  if (!protocol.has_value() || endpoint.url().empty() || endpoint.model().empty()) {
    return Unroutable("ROUTING_UNKNOWN", "the route's endpoint is of a kind that this executor does not know");
  }
  Route route;
  route.decision_id = message.decision_id();
  route.endpoint = endpoint.endpoint();
  route.protocol = *protocol;
  route.url = endpoint.url();
  route.credential = endpoint.credential();
  route.local = endpoint.local();
  route.agent = endpoint.agent();
  route.model = endpoint.model();
  route.canonical_model = endpoint.canonical_model();
  route.aliases.assign(endpoint.aliases().begin(), endpoint.aliases().end());
  route.provider = endpoint.provider();
  route.options.insert(endpoint.options().begin(), endpoint.options().end());
  Take(endpoint.timeouts().connect(), route.timeouts.connect);
  Take(endpoint.timeouts().load(), route.timeouts.load);
  Take(endpoint.timeouts().first_token(), route.timeouts.first_token);
  Take(endpoint.timeouts().between_tokens(), route.timeouts.between_tokens);
  route.has_next = message.fallbacks_size() > 0;
  // Without anybody to ask there is no point in less patience.
  if (route.has_next) Take(message.fallback_after(), route.timeouts.patience);
  route.context_window = endpoint.context_window();
  route.max_output_tokens = endpoint.max_output_tokens();
  route.pricing.free = endpoint.free();
  route.pricing.rates = ToRates(endpoint.rates());
  for (const registry::PriceStep& step : endpoint.steps()) {
    route.pricing.steps.push_back({step.above_input_tokens(), ToRates(step.rates())});
  }
  route.warm = endpoint.warm();
  route.fallback = message.fallback();
  route.fallback_reason = message.fallback_reason();
  route.least_tokens_per_second = message.least_tokens_per_second();
  route.mismatch_fails = message.mismatch_fails();
  route.local_only = message.local_only();
  route.persona = message.persona();
  return route;
}

CallRecord ToRecord(const Route& route, const CallResult& result) {
  const Answer& answer = result.answer;
  CallRecord record{.endpoint = route.endpoint, .model = route.model, .outcome = result.outcome};
  record.sent = result.times.sent;
  record.times = result.times;
  record.load = answer.load;
  if (answer.total.has_value() && answer.load.has_value()) {
    const absl::Duration known = *answer.load + answer.prompt_eval.value_or(absl::ZeroDuration()) +
                                 answer.generation.value_or(absl::ZeroDuration());
    record.queue_wait = std::max(*answer.total - known, absl::ZeroDuration());
  }
  record.output_tokens = answer.usage.output.value_or(0);
  record.retry_after = result.retry_after;
  record.message = result.detail;
  return record;
}

void AddTo(Spent& spent, const Route& route, const CallResult& result) {
  const Answer& answer = result.answer;
  if (!answer.model.empty()) spent.model = answer.model;
  spent.mismatch = !IsAssignedModel(route, answer.model);
  const TokenUsage& usage = answer.usage;
  spent.input += usage.input.value_or(0);
  spent.cached_input += usage.cached_input;
  spent.cache_write += usage.cache_write_5m + usage.cache_write_1h;
  spent.output += usage.output.value_or(0);
  const absl::Duration first = result.times.first_token.value_or(absl::ZeroDuration());
  spent.load = answer.load.value_or(absl::ZeroDuration());
  spent.first_token = first;
  spent.generation = answer.generation.value_or(result.times.first_token.has_value() ? result.times.total - first
                                                                                     : absl::ZeroDuration());
  // A request that was turned away costs nothing; one that was answered, if only in part, does.
  const bool worked = result.times.first_token.has_value() || usage.input.has_value() || usage.output.has_value() ||
                      result.outcome == CallOutcome::kSuccess;
  if (!worked) return;
  if (const std::optional<std::int64_t> cost = CostOf(route.pricing, usage); cost.has_value()) {
    spent.cost_micros += *cost;
  } else {
    spent.cost_unknown = true;
  }
}

std::string ToObservation(const CallRecord& record) {
  registry::Observation observation;
  FillObservation(record, observation);
  return observation.SerializeAsString();
}

std::string ToUsage(const Spent& spent, const Route& route) {
  task_queue::v1::Usage usage;
  FillUsage(spent, route, usage);
  return usage.SerializeAsString();
}

std::string ToRouteReport(const std::vector<CallRecord>& records, const Spent& spent, const Route& route) {
  router::RouteReport report;
  const std::size_t skipped = records.size() > kMostObservations ? records.size() - kMostObservations : 0;
  for (std::size_t i = skipped; i < records.size(); ++i) FillObservation(records[i], *report.add_observations());
  FillUsage(spent, route, *report.mutable_usage());
  return report.SerializeAsString();
}

}  // namespace switchyard::executor::models
