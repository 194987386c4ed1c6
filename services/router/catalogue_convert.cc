#include "services/router/catalogue_convert.h"

#include <algorithm>
#include <string_view>

#include "services/router/proto_time.h"

namespace switchyard::router {
namespace {

namespace mr = model_registry::v1;

Rates FromProto(const mr::Rates& rates) {
  Rates out;
  if (rates.has_input()) out.input = rates.input();
  if (rates.has_output()) out.output = rates.output();
  if (rates.has_cache_read()) out.cache_read = rates.cache_read();
  if (rates.has_cache_write_5m()) out.cache_write_5m = rates.cache_write_5m();
  if (rates.has_cache_write_1h()) out.cache_write_1h = rates.cache_write_1h();
  return out;
}

PlacedModel FromProto(const mr::PlacedModel& placed) {
  PlacedModel out;
  out.model = placed.model();
  out.warmth = mr::Warmth_IsValid(placed.warmth()) ? static_cast<Warmth>(placed.warmth()) : Warmth::kAbsent;
  out.disabled = placed.disabled();
  out.context_window = placed.context_window();
  out.capabilities = {placed.capabilities().begin(), placed.capabilities().end()};
  out.in_flight = placed.in_flight();
  out.capacity = placed.capacity();
  out.load_p50 = ToDuration(placed.latencies().load_p50());
  out.first_token_p50 = ToDuration(placed.latencies().first_token_p50());
  out.total_p50 = ToDuration(placed.latencies().total_p50());
  out.tokens_per_second = placed.latencies().tokens_per_second();
  out.timeouts = {.connect = ToDuration(placed.timeouts().connect()),
                  .load = ToDuration(placed.timeouts().load()),
                  .first_token = ToDuration(placed.timeouts().first_token()),
                  .between_tokens = ToDuration(placed.timeouts().between_tokens())};
  out.options = {placed.options().begin(), placed.options().end()};
  out.priced_as = placed.priced_as();
  out.free = placed.free();
  out.remote = placed.remote();
  return out;
}

// The host of "scheme://host:port/…".
std::string HostOfUrl(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find('/'));
  if (!url.empty() && url.front() == '[') return std::string(url.substr(0, url.find(']') + 1));
  return std::string(url.substr(0, url.find(':')));
}

}  // namespace

Price FromProto(bool free, const mr::Rates& rates, const google::protobuf::RepeatedPtrField<mr::PriceStep>& steps) {
  Price price{.free = free, .rates = FromProto(rates)};
  for (const mr::PriceStep& step : steps) {
    price.steps.push_back({.above_input_tokens = step.above_input_tokens(), .rates = FromProto(step.rates())});
  }
  return price;
}

Endpoint FromProto(const mr::Endpoint& endpoint) {
  const mr::EndpointSpec& spec = endpoint.spec();
  const mr::EndpointStatus& status = endpoint.status();
  Endpoint out;
  out.id = EndpointId::Parse(endpoint.endpoint_id()).value_or(EndpointId());
  out.name = spec.name();
  out.kind = mr::EndpointKind_IsValid(spec.kind()) && spec.kind() != 0 ? static_cast<EndpointKind>(spec.kind())
                                                                       : EndpointKind::kOllama;
  out.url = spec.url();
  out.credential = spec.credential();
  out.local = spec.local();
  out.agent = spec.agent();
  out.host = spec.host().empty() ? HostOfUrl(spec.url()) : spec.host();
  out.free = spec.free();
  out.state = mr::EndpointState_IsValid(status.state()) && status.state() != 0
                  ? static_cast<EndpointState>(status.state())
                  : EndpointState::kUnknown;
  out.cause = status.cause();
  out.failures_in_row = status.breaker().failures_in_row();
  out.failure_rate = status.breaker().failure_rate();
  if (status.has_retry_time()) {
    out.retry_time = ToTime(status.retry_time());
  } else if (status.breaker().has_open_until()) {
    out.retry_time = ToTime(status.breaker().open_until());
  }
  out.in_flight = status.in_flight();
  out.capacity = status.capacity();
  out.urgent_slots = status.urgent_slots();
  for (const mr::PlacedModel& placed : status.models()) out.models.push_back(FromProto(placed));
  return out;
}

ModelRow FromProto(const mr::Model& model) {
  ModelRow out;
  out.model = model.model();
  out.aliases = {model.aliases().begin(), model.aliases().end()};
  out.provider = model.provider();
  out.tier = mr::ModelTier_IsValid(model.tier()) ? static_cast<ModelTier>(model.tier()) : ModelTier::kNone;
  out.context_window = model.context_window();
  out.max_output = model.max_output();
  out.price = FromProto(model.free(), model.rates(), model.steps());
  out.capabilities = {model.capabilities().begin(), model.capabilities().end()};
  out.deprecated = model.deprecated();
  out.disabled = model.disabled();
  return out;
}

Role FromProto(const mr::RoleProfile& profile) {
  Role out;
  out.role = profile.role();
  out.version = profile.version();
  out.aliases = {profile.aliases().begin(), profile.aliases().end()};
  out.tier = mr::ModelTier_IsValid(profile.tier()) ? static_cast<ModelTier>(profile.tier()) : ModelTier::kNone;
  out.models = {profile.models().begin(), profile.models().end()};
  out.local_only = profile.local_only();
  out.max_output = profile.max_output();
  out.deprecated = profile.deprecated();
  return out;
}

}  // namespace switchyard::router
