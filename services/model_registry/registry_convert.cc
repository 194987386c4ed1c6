#include "services/model_registry/registry_convert.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {
namespace {

using ::switchyard::model_registry::FromProto;
using ::switchyard::model_registry::ToProto;

std::string At(std::string_view prefix, std::string_view field) {
  return prefix.empty() ? std::string(field) : absl::StrCat(ToAbsl(prefix), ".", ToAbsl(field));
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

// Never below zero: an unknown span is zero.
absl::Duration Span(const google::protobuf::Duration& duration, const std::string& field,
                    std::vector<FieldViolation>& faults) {
  return std::max(FromProto(duration, field, faults).value_or(absl::ZeroDuration()), absl::ZeroDuration());
}

Rates FromProto(const v1::Rates& rates) {
  Rates out;
  if (rates.has_input()) out.input = rates.input();
  if (rates.has_output()) out.output = rates.output();
  if (rates.has_cache_read()) out.cache_read = rates.cache_read();
  if (rates.has_cache_write_5m()) out.cache_write_5m = rates.cache_write_5m();
  if (rates.has_cache_write_1h()) out.cache_write_1h = rates.cache_write_1h();
  return out;
}

void ToProto(const Rates& rates, v1::Rates& out) {
  if (rates.input.has_value()) out.set_input(*rates.input);
  if (rates.output.has_value()) out.set_output(*rates.output);
  if (rates.cache_read.has_value()) out.set_cache_read(*rates.cache_read);
  if (rates.cache_write_5m.has_value()) out.set_cache_write_5m(*rates.cache_write_5m);
  if (rates.cache_write_1h.has_value()) out.set_cache_write_1h(*rates.cache_write_1h);
}

Verdict FromProto(v1::Verdict verdict) {
  switch (verdict) {
    case v1::VERDICT_GOOD:
      return Verdict::kGood;
    case v1::VERDICT_BAD:
      return Verdict::kBad;
    default:
      return Verdict::kUnknown;
  }
}

void ToProto(const Level& level, v1::CheckLevel& out) {
  out.set_verdict(static_cast<v1::Verdict>(level.verdict));
  if (level.verdict == Verdict::kUnknown) return;
  ToProto(level.time, *out.mutable_time());
  out.set_message(level.message);
}

void ToProto(const Quantiles& quantiles, google::protobuf::Duration* p50, google::protobuf::Duration* p95) {
  ToProto(quantiles.p50, *p50);
  ToProto(quantiles.p95, *p95);
}

void ToProto(const BreakerStatus& breaker, v1::Breaker& out) {
  out.set_open(breaker.open);
  out.set_failures_in_row(breaker.failures_in_row);
  out.set_failure_rate(breaker.failure_rate);
  if (breaker.open_until.has_value()) ToProto(*breaker.open_until, *out.mutable_open_until());
  out.set_allowance(breaker.allowance);
  out.set_times_opened(breaker.times_opened);
  if (breaker.last_probe.has_value()) ToProto(*breaker.last_probe, *out.mutable_last_probe_time());
  out.set_last_failure(breaker.last_failure);
}

void ToProto(const EndpointHost& host, v1::EndpointStatus& out) {
  out.set_host_message(host.message);
  if (host.report == nullptr) return;
  const HostReport& said = *host.report;
  v1::HostResources& resources = *out.mutable_host();
  resources.set_host(said.host);
  resources.set_agent(said.agent);
  ToProto(said.time, *resources.mutable_report_time());
  resources.set_aged(host.aged);
  resources.set_cpus(said.cpus);
  resources.set_cpu_used(said.cpu_used);
  resources.set_memory_bytes(said.memory_bytes);
  resources.set_memory_free_bytes(said.memory_free_bytes);
  resources.set_disk_bytes(said.disk_bytes);
  resources.set_disk_free_bytes(said.disk_free_bytes);
  for (const HostGpu& gpu : said.gpus) {
    v1::HostGpu& made = *resources.add_gpus();
    made.set_name(gpu.name);
    made.set_memory_bytes(gpu.memory_bytes);
    made.set_memory_free_bytes(gpu.memory_free_bytes);
    made.set_used(gpu.used);
  }
}

void ToProto(const EndpointStatus& status, v1::EndpointStatus& out) {
  out.set_state(static_cast<v1::EndpointState>(status.state));
  ToProto(status.state_time, *out.mutable_state_time());
  out.set_cause(status.cause);
  ToProto(status.process, *out.mutable_process());
  ToProto(status.credentials, *out.mutable_credentials());
  ToProto(status.models_known, *out.mutable_models_known());
  ToProto(status.progress, *out.mutable_progress());
  if (status.check_time.has_value()) ToProto(*status.check_time, *out.mutable_check_time());
  if (status.next_check_time.has_value()) ToProto(*status.next_check_time, *out.mutable_next_check_time());
  out.set_server(status.server);
  ToProto(status.breaker, *out.mutable_breaker());
  if (status.retry_time.has_value()) ToProto(*status.retry_time, *out.mutable_retry_time());
  out.set_in_flight(status.in_flight);
  out.set_capacity(status.capacity);
  out.set_full_capacity(status.full_capacity);
  out.set_urgent_slots(status.urgent_slots);
  for (const PlacedModel& placed : status.models) ToProto(placed, *out.add_models());
}

}  // namespace

std::optional<absl::Duration> FromProto(const google::protobuf::Duration& duration, std::string_view field,
                                        std::vector<FieldViolation>& faults) {
  constexpr std::int64_t kMaxSeconds = 315'576'000'000;
  if (duration.seconds() < -kMaxSeconds || duration.seconds() > kMaxSeconds || duration.nanos() <= -1'000'000'000 ||
      duration.nanos() >= 1'000'000'000 || (duration.seconds() > 0 && duration.nanos() < 0) ||
      (duration.seconds() < 0 && duration.nanos() > 0)) {
    faults.push_back({.field = std::string(field), .description = "is not a valid duration"});
    return std::nullopt;
  }
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

EndpointSpec FromProto(const v1::EndpointSpec& spec, std::string_view prefix, std::vector<FieldViolation>& faults) {
  EndpointSpec out;
  out.name = spec.name();
  if (spec.kind() < v1::ENDPOINT_KIND_OLLAMA || spec.kind() > v1::ENDPOINT_KIND_ANTHROPIC) {
    faults.push_back({At(prefix, "kind"), "must be one of OLLAMA, OPENAI and ANTHROPIC"});
  } else {
    out.kind = static_cast<EndpointKind>(spec.kind());
  }
  out.url = spec.url();
  out.credential = spec.credential();
  out.local = spec.local();
  out.host = spec.host();
  out.agent = spec.agent();
  out.capacity = spec.capacity();
  out.max_capacity = spec.max_capacity();
  out.free = spec.free();
  out.disabled = spec.disabled();
  for (const v1::ModelSettings& settings : spec.models()) {
    out.models.push_back({.model = settings.model(),
                          .keep_warm = settings.keep_warm(),
                          .capacity = settings.capacity(),
                          .options = {settings.options().begin(), settings.options().end()}});
  }
  return out;
}

void ToProto(const EndpointSpec& spec, v1::EndpointSpec& out) {
  out.set_name(spec.name);
  out.set_kind(static_cast<v1::EndpointKind>(spec.kind));
  out.set_url(spec.url);
  out.set_credential(spec.credential);
  out.set_local(spec.local);
  out.set_host(spec.host);
  out.set_agent(spec.agent);
  out.set_capacity(spec.capacity);
  out.set_max_capacity(spec.max_capacity);
  out.set_free(spec.free);
  out.set_disabled(spec.disabled);
  for (const ModelSettings& settings : spec.models) {
    v1::ModelSettings& made = *out.add_models();
    made.set_model(settings.model);
    made.set_keep_warm(settings.keep_warm);
    made.set_capacity(settings.capacity);
    for (const auto& [name, value] : settings.options) (*made.mutable_options())[name] = value;
  }
}

ModelInfo FromProto(const v1::Model& model, std::string_view prefix, std::vector<FieldViolation>& faults) {
  ModelInfo out;
  out.model = model.model();
  out.aliases = {model.aliases().begin(), model.aliases().end()};
  out.provider = model.provider();
  if (!v1::ModelTier_IsValid(model.tier())) faults.push_back({At(prefix, "tier"), "is none that is known"});
  out.tier = static_cast<ModelTier>(model.tier());
  out.context_window = model.context_window();
  out.max_output = model.max_output();
  out.free = model.free();
  out.rates = FromProto(model.rates());
  for (const v1::PriceStep& step : model.steps()) {
    out.steps.push_back({.above_input_tokens = step.above_input_tokens(), .rates = FromProto(step.rates())});
  }
  out.capabilities = {model.capabilities().begin(), model.capabilities().end()};
  out.effective_from = model.effective_from();
  out.source = model.source();
  out.origin = Origin::kApi;
  out.deprecated = model.deprecated();
  return out;
}

void ToProto(const ModelInfo& model, v1::Model& out) {
  out.set_model(model.model);
  for (const std::string& alias : model.aliases) out.add_aliases(alias);
  out.set_provider(model.provider);
  out.set_tier(static_cast<v1::ModelTier>(model.tier));
  out.set_context_window(model.context_window);
  out.set_max_output(model.max_output);
  out.set_free(model.free);
  ToProto(model.rates, *out.mutable_rates());
  for (const PriceStep& step : model.steps) {
    v1::PriceStep& made = *out.add_steps();
    made.set_above_input_tokens(step.above_input_tokens);
    ToProto(step.rates, *made.mutable_rates());
  }
  for (const std::string& capability : model.capabilities) out.add_capabilities(capability);
  out.set_effective_from(model.effective_from);
  out.set_source(model.source);
  out.set_origin(static_cast<v1::Origin>(model.origin));
  out.set_deprecated(model.deprecated);
  out.set_disabled(model.disabled);
}

Observation FromProto(const v1::Observation& observation, std::string_view prefix,
                      std::vector<FieldViolation>& faults) {
  Observation out;
  out.model = observation.model();
  if (out.model.empty() || out.model.size() > 200) faults.push_back({At(prefix, "model"), "must be 1 to 200 bytes"});
  if (observation.outcome() < v1::OUTCOME_SUCCESS || observation.outcome() > v1::OUTCOME_NEUTRAL) {
    faults.push_back({At(prefix, "outcome"), "is none that is known"});
  } else {
    out.outcome = static_cast<Outcome>(observation.outcome());
  }
  if (!observation.has_begin_time()) faults.push_back({At(prefix, "begin_time"), "is needed"});
  out.began = FromProto(observation.begin_time());
  out.load = Span(observation.load(), At(prefix, "load"), faults);
  out.first_token = Span(observation.first_token(), At(prefix, "first_token"), faults);
  out.total = Span(observation.total(), At(prefix, "total"), faults);
  out.queue_wait = Span(observation.queue_wait(), At(prefix, "queue_wait"), faults);
  out.output_tokens = std::max<std::int64_t>(observation.output_tokens(), 0);
  if (observation.has_retry_after()) {
    out.retry_after = Span(observation.retry_after(), At(prefix, "retry_after"), faults);
  }
  out.message = observation.message();
  return out;
}

CheckResult FromProto(const v1::EndpointCheck& check, std::string_view prefix, std::vector<FieldViolation>& faults) {
  constexpr int kMaxModels = 1'000;
  CheckResult out;
  out.process = FromProto(check.process());
  out.credentials = FromProto(check.credentials());
  out.models_known = FromProto(check.models_known());
  out.progress = FromProto(check.progress());
  out.loading = check.loading();
  out.message = check.message();
  out.server = check.server();
  if (check.models_size() > kMaxModels) {
    faults.push_back({At(prefix, "models"), "has more than 1000 items"});
    return out;
  }
  for (const v1::FoundModel& found : check.models()) {
    if (found.model().empty() || found.model().size() > 200) continue;
    FoundModel& made = out.models.emplace_back();
    made.model = found.model();
    made.loaded = found.loaded();
    if (found.has_expire_time()) made.expire_time = FromProto(found.expire_time());
    made.size_bytes = found.size_bytes();
    made.vram_bytes = found.vram_bytes();
    made.context_window = found.context_window();
    made.capabilities = {found.capabilities().begin(),
                         found.capabilities().begin() + std::min(found.capabilities_size(), 50)};
    made.remote = found.remote();
  }
  return out;
}

void ToProto(const PlacedModel& placed, v1::PlacedModel& out) {
  out.set_model(placed.model);
  out.set_warmth(static_cast<v1::Warmth>(placed.warmth));
  out.set_disabled(placed.disabled);
  out.set_keep_warm(placed.keep_warm);
  out.set_size_bytes(placed.size_bytes);
  out.set_vram_bytes(placed.vram_bytes);
  out.set_context_window(placed.context_window);
  if (placed.expire_time.has_value()) ToProto(*placed.expire_time, *out.mutable_expire_time());
  for (const std::string& capability : placed.capabilities) out.add_capabilities(capability);
  out.set_in_flight(placed.in_flight);
  out.set_capacity(placed.capacity);
  const LatencySummary& took = placed.latencies;
  v1::Latencies& latencies = *out.mutable_latencies();
  latencies.set_requests(took.requests);
  if (took.load.count > 0) ToProto(took.load, latencies.mutable_load_p50(), latencies.mutable_load_p95());
  if (took.first_token.count > 0) {
    ToProto(took.first_token, latencies.mutable_first_token_p50(), latencies.mutable_first_token_p95());
  }
  if (took.total.count > 0) ToProto(took.total, latencies.mutable_total_p50(), latencies.mutable_total_p95());
  latencies.set_tokens_per_second(took.tokens_per_second);
  v1::Timeouts& timeouts = *out.mutable_timeouts();
  ToProto(placed.timeouts.connect, *timeouts.mutable_connect());
  ToProto(placed.timeouts.load, *timeouts.mutable_load());
  ToProto(placed.timeouts.first_token, *timeouts.mutable_first_token());
  ToProto(placed.timeouts.between_tokens, *timeouts.mutable_between_tokens());
  for (const auto& [name, value] : placed.options) (*out.mutable_options())[name] = value;
  out.set_priced_as(placed.priced_as);
  out.set_free(placed.free);
  out.set_remote(placed.remote);
}

void ToProto(const EndpointView& view, v1::Endpoint& out) {
  const EndpointRecord& record = view.record;
  out.set_endpoint_id(record.id.ToString());
  ToProto(record.spec, *out.mutable_spec());
  out.set_origin(static_cast<v1::Origin>(record.origin));
  out.set_origin_detail(record.origin_detail);
  ToProto(record.create_time, *out.mutable_create_time());
  ToProto(record.update_time, *out.mutable_update_time());
  out.set_created_by(record.created_by);
  out.set_revision(record.revision);
  ToProto(view.status, *out.mutable_status());
  ToProto(view.host, *out.mutable_status());
}

void ToProto(const RoleProfile& profile, v1::RoleProfile& out) {
  out.set_role(profile.role);
  out.set_version(profile.version);
  for (const std::string& alias : profile.aliases) out.add_aliases(alias);
  out.set_description(profile.description);
  out.set_tier(static_cast<v1::ModelTier>(profile.tier));
  for (const std::string& model : profile.models) out.add_models(model);
  out.set_local_only(profile.local_only);
  out.set_max_output(profile.max_output);
  out.set_deprecated(profile.deprecated);
  out.set_file(profile.file);
}

void ToProto(const Reservation& reservation, v1::Reservation& out) {
  out.set_endpoint_id(reservation.key.endpoint.ToString());
  out.set_model(reservation.model);
  out.set_task_id(reservation.key.task.ToString());
  out.set_generation(reservation.key.generation);
  out.set_urgent(reservation.urgent);
  ToProto(reservation.create_time, *out.mutable_create_time());
  ToProto(reservation.expire_time, *out.mutable_expire_time());
}

void ToProto(const Refusal& refusal, v1::Refusal& out) {
  out.set_reason(static_cast<v1::RefusalReason>(refusal.reason));
  out.set_message(refusal.message);
  if (refusal.retry_time.has_value()) ToProto(*refusal.retry_time, *out.mutable_retry_time());
  if (refusal.preempt.has_value()) ToProto(*refusal.preempt, *out.mutable_preempt());
}

void ToProto(absl::Time time, google::protobuf::Timestamp& out) {
  const std::int64_t micros = absl::ToUnixMicros(time);
  std::int64_t seconds = micros / 1'000'000;
  std::int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<std::int32_t>(rest * 1'000));
}

void ToProto(absl::Duration duration, google::protobuf::Duration& out) {
  const std::int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  out.set_seconds(seconds);
  out.set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration)));
}

std::string Serialize(const EndpointSpec& spec) {
  v1::EndpointSpec out;
  ToProto(spec, out);
  return out.SerializeAsString();
}

EndpointSpec ParseStoredSpec(std::string_view bytes) {
  v1::EndpointSpec spec;
  std::vector<FieldViolation> ignored;
  // What cannot be read is an endpoint without a URL, which every check calls wrong.
  if (!spec.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) spec.Clear();
  return FromProto(spec, "", ignored);
}

std::string Serialize(const ModelInfo& model) {
  v1::Model out;
  ToProto(model, out);
  return out.SerializeAsString();
}

ModelInfo ParseStoredModel(std::string_view bytes) {
  v1::Model model;
  std::vector<FieldViolation> ignored;
  if (!model.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) model.Clear();
  return FromProto(model, "", ignored);
}

}  // namespace switchyard::model_registry
