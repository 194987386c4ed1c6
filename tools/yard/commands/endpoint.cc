#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/model_view.h"
#include "tools/yard/paging.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;

void ShowEndpoints(Session& session, const mr::ListEndpointsResponse& endpoints) {
  Answer answer;
  answer.table = EndpointTable(endpoints.endpoints(), session.times());
  answer.whole = ToJson(endpoints);
  if (!answer.whole.contains("endpoints")) answer.whole["endpoints"] = Json::array();
  for (const mr::Endpoint& endpoint : endpoints.endpoints()) {
    answer.items.push_back(ToJson(endpoint));
    answer.names.push_back(endpoint.spec().name());
  }
  session.Show(answer);
}

void ShowEndpoint(Session& session, const mr::Endpoint& endpoint, Json whole) {
  Answer answer;
  answer.whole = std::move(whole);
  answer.names = {endpoint.spec().name()};
  answer.card = EndpointCard(endpoint, session.times(), session.style());
  session.Show(answer);
}

absl::Status ListEndpointsOnce(Session& session) {
  mr::ListEndpointsRequest request;
  request.set_page_size(500);
  for (const std::string& state : session.invocation().All("state")) {
    request.add_states(Parse<mr::EndpointState>(state));
  }
  request.set_model(session.invocation().Get("model"));
  mr::ListEndpointsResponse all;
  do {
    SY_ASSIGN_OR_RETURN(mr::ListEndpointsResponse page, session.Call(&ModelRegistryStub::ListEndpoints, request));
    all.mutable_endpoints()->MergeFrom(page.endpoints());
    *all.mutable_snapshot_time() = page.snapshot_time();
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  ShowEndpoints(session, all);
  return absl::OkStatus();
}

mr::ModelSettings& SettingsOf(mr::EndpointSpec& spec, std::string_view model) {
  for (mr::ModelSettings& settings : *spec.mutable_models()) {
    if (settings.model() == model) return settings;
  }
  mr::ModelSettings& made = *spec.add_models();
  made.set_model(std::string(model));
  return made;
}

// What was given on the command line, over what stands there.
absl::Status Apply(const Invocation& invocation, mr::EndpointSpec& spec) {
  if (invocation.Has("kind")) spec.set_kind(Parse<mr::EndpointKind>(invocation.Get("kind")));
  if (invocation.Has("url")) spec.set_url(invocation.Get("url"));
  if (invocation.Has("credential")) spec.set_credential(invocation.Get("credential"));
  if (invocation.Has("local")) spec.set_local(invocation.Get("local") == "yes");
  if (invocation.Has("free")) spec.set_free(invocation.Get("free") == "yes");
  if (invocation.Has("host")) spec.set_host(invocation.Get("host"));
  if (invocation.Has("agent")) spec.set_agent(invocation.Get("agent"));
  if (const auto n = invocation.Number("capacity")) spec.set_capacity(static_cast<int>(std::min(*n, 1'000'000L)));
  if (const auto n = invocation.Number("max-capacity")) {
    spec.set_max_capacity(static_cast<int>(std::min(*n, 1'000'000L)));
  }
  for (const std::string& model : invocation.All("keep-warm")) SettingsOf(spec, model).set_keep_warm(true);
  for (const std::string& option : invocation.All("option")) {
    const std::size_t equals = option.rfind('=');
    const std::size_t slash = equals == std::string::npos ? equals : option.rfind('/', equals);
    std::int64_t value = 0;
    if (slash == std::string::npos || !absl::SimpleAtoi(option.substr(equals + 1), &value)) {
      return UsageError("BAD_VALUE", absl::StrCat("--option ", option, " is not MODEL/KEY=NUMBER"),
                        "--option my-model/num_ctx=8192");
    }
    (*SettingsOf(spec, option.substr(0, slash)).mutable_options())[option.substr(slash + 1, equals - slash - 1)] =
        value;
  }
  return absl::OkStatus();
}

// Does the same to every endpoint that was named, up to the first failure, and shows how they are then.
template <class Request, class Response>
absl::Status ToEach(Session& session,
                    grpc::Status (ModelRegistryStub::*method)(grpc::ClientContext*, const Request&, Response*)) {
  mr::ListEndpointsResponse changed;
  absl::Status failure;
  for (const std::string& endpoint : session.invocation().arguments) {
    Request request;
    request.set_endpoint(endpoint);
    auto answer = session.Call(method, request);
    if (!answer.ok()) {
      failure = answer.status();
      break;
    }
    *changed.add_endpoints() = std::move(*answer->mutable_endpoint());
  }
  if (!changed.endpoints().empty()) ShowEndpoints(session, changed);
  return failure;
}

}  // namespace

absl::Status EndpointList(Session& session) { return ListAgainAndAgain(session, ListEndpointsOnce); }

absl::Status EndpointShow(Session& session) {
  mr::GetEndpointRequest request;
  request.set_endpoint(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(const mr::GetEndpointResponse shown, session.Call(&ModelRegistryStub::GetEndpoint, request));
  ShowEndpoint(session, shown.endpoint(), ToJson(shown));
  return absl::OkStatus();
}

absl::Status EndpointAdd(Session& session) {
  const Invocation& invocation = session.invocation();
  if (!invocation.Has("kind") || !invocation.Has("url")) {
    return UsageError("MISSING_VALUE", "say what it speaks and where it is: --kind KIND --url URL",
                      "yard endpoint add --help");
  }
  mr::AddEndpointRequest request;
  request.set_request_id(session.request_id());
  request.mutable_spec()->set_name(invocation.arguments[0]);
  SY_RETURN_IF_ERROR(Apply(invocation, *request.mutable_spec()));
  SY_ASSIGN_OR_RETURN(const mr::AddEndpointResponse added, session.Call(&ModelRegistryStub::AddEndpoint, request));
  ShowEndpoint(session, added.endpoint(), ToJson(added));
  session.Remark(absl::StrCat("it is being checked; yard endpoint show ", request.spec().name()));
  return absl::OkStatus();
}

absl::Status EndpointUpdate(Session& session) {
  mr::GetEndpointRequest get;
  get.set_endpoint(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(const mr::GetEndpointResponse shown, session.Call(&ModelRegistryStub::GetEndpoint, get));
  mr::UpdateEndpointRequest request;
  request.set_endpoint(shown.endpoint().endpoint_id());
  request.set_revision(shown.endpoint().revision());
  *request.mutable_spec() = shown.endpoint().spec();
  SY_RETURN_IF_ERROR(Apply(session.invocation(), *request.mutable_spec()));
  SY_ASSIGN_OR_RETURN(const mr::UpdateEndpointResponse updated,
                      session.Call(&ModelRegistryStub::UpdateEndpoint, request, Repeat::kNever));
  ShowEndpoint(session, updated.endpoint(), ToJson(updated));
  return absl::OkStatus();
}

absl::Status EndpointRemove(Session& session) { return ToEach(session, &ModelRegistryStub::RemoveEndpoint); }
absl::Status EndpointDisable(Session& session) { return ToEach(session, &ModelRegistryStub::DisableEndpoint); }
absl::Status EndpointEnable(Session& session) { return ToEach(session, &ModelRegistryStub::EnableEndpoint); }

absl::Status EndpointProbe(Session& session) {
  mr::ProbeEndpointRequest request;
  request.set_endpoint(session.invocation().arguments[0]);
  request.set_generate(session.invocation().Has("generate"));
  request.set_model(session.invocation().Get("model"));
  if (!request.model().empty() && !request.generate()) {
    return UsageError("BAD_COMBINATION", "--model goes with --generate");
  }
  SY_ASSIGN_OR_RETURN(const mr::ProbeEndpointResponse probed,
                      session.Call(&ModelRegistryStub::ProbeEndpoint, request, Repeat::kSafe, absl::Minutes(2)));
  ShowEndpoint(session, probed.endpoint(), ToJson(probed));
  session.Remark(absl::StrCat("checked in ", SpanText(FromProto(probed.duration()))));
  return absl::OkStatus();
}

}  // namespace switchyard::yard
