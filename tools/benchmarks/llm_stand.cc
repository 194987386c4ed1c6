#include "tools/benchmarks/llm_stand.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status_convert.h"
#include "switchyard/model_registry/v1/model_registry_service.grpc.pb.h"
#include "switchyard/router/v1/router_service.grpc.pb.h"

namespace switchyard::bench {
namespace {

namespace mr = model_registry::v1;
namespace rt = router::v1;

constexpr absl::Duration kStandPatience = absl::Seconds(60);
constexpr absl::Duration kPause = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<std::unique_ptr<LlmStand>> LlmStand::Create(const Settings& settings) {
  std::unique_ptr<LlmStand> stand(new LlmStand);
  SY_ASSIGN_OR_RETURN(stand->installation_, Installation::Create({.agents = true, .models = true}));
  SY_ASSIGN_OR_RETURN(stand->client_, Client::Connect(*stand->installation_, 1));
  SY_RETURN_IF_ERROR(stand->AddEndpoints(settings));
  SY_ASSIGN_OR_RETURN(stand->executors_, Executors::Start(*stand->installation_, *stand->client_,
                                                          {.prefix = "llm-",
                                                           .count = settings.agents,
                                                           .slots = settings.slots,
                                                           .config = "backends: {local_exec: {enabled: false}}\n",
                                                           .allowlist = ""}));
  SY_RETURN_IF_ERROR(stand->AwaitKnown(settings.endpoints.size()));
  return stand;
}

absl::Status LlmStand::AddEndpoints(const Settings& settings) {
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({.target = installation_->registry_target()}));
  const auto registry = mr::ModelRegistryService::NewStub(channel);
  for (std::size_t i = 0; i < settings.endpoints.size(); ++i) {
    SY_ASSIGN_OR_RETURN(endpoints_.emplace_back(), ModelEndpoint::Start(settings.endpoints[i]));
    const std::string& model = settings.endpoints[i].model;
    grpc::ClientContext price_call;
    client_->Prepare(price_call);
    mr::SetPriceRequest price;
    price.mutable_model()->set_model(model);
    price.mutable_model()->set_provider("simulated");
    price.mutable_model()->set_tier(mr::MODEL_TIER_LARGE);
    price.mutable_model()->set_context_window(8192);
    price.mutable_model()->set_free(true);
    mr::SetPriceResponse priced;
    SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(registry->SetPrice(&price_call, price, &priced)));
    grpc::ClientContext add_call;
    client_->Prepare(add_call);
    mr::AddEndpointRequest add;
    mr::EndpointSpec& spec = *add.mutable_spec();
    spec.set_name(absl::StrCat("simulated-", i));
    spec.set_kind(mr::ENDPOINT_KIND_OLLAMA);
    spec.set_url(endpoints_.back()->url());
    // Of a local one a part is kept for urgent work.
    spec.set_local(false);
    spec.set_free(true);
    spec.set_capacity(settings.capacity);
    spec.add_models()->set_model(model);
    spec.mutable_models(0)->set_capacity(settings.capacity);
    mr::AddEndpointResponse added;
    SY_RETURN_IF_ERROR(rpc::FromGrpcStatus(registry->AddEndpoint(&add_call, add, &added)));
  }
  return absl::OkStatus();
}

absl::Status LlmStand::AwaitKnown(std::size_t endpoints) {
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::Channel> channel,
                      rpc::MakeChannel({.target = installation_->router_target()}));
  const auto router = rt::RouterService::NewStub(channel);
  const absl::Time deadline = absl::Now() + kStandPatience;
  rt::ExplainRouteResponse response;
  while (absl::Now() < deadline) {
    grpc::ClientContext context;
    client_->Prepare(context);
    rt::ExplainRouteRequest request;
    request.mutable_spec()->mutable_prompt()->set_instruction(StampedInstruction(0));
    response.Clear();
    if (router->ExplainRoute(&context, request, &response).ok()) {
      std::size_t open = 0;
      for (const rt::Candidate& candidate : response.explanation().candidates()) open += candidate.rejection().empty();
      if (open == endpoints && !response.explanation().has_hold()) return absl::OkStatus();
    }
    absl::SleepFor(kPause);
  }
  return absl::InternalError(absl::StrCat("the router does not take the endpoints: ", response.ShortDebugString()));
}

}  // namespace switchyard::bench
