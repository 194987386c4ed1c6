#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/model_view.h"
#include "tools/yard/paging.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace mr = model_registry::v1;

absl::Status ListModelsOnce(Session& session) {
  mr::ListModelsRequest request;
  request.set_page_size(500);
  request.set_placed_only(session.invocation().Has("placed"));
  mr::ListModelsResponse all;
  do {
    SY_ASSIGN_OR_RETURN(mr::ListModelsResponse page, session.Call(&ModelRegistryStub::ListModels, request));
    all.mutable_models()->MergeFrom(page.models());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  Answer answer;
  answer.table = ModelTable(all.models());
  answer.whole = ToJson(all);
  if (!answer.whole.contains("models")) answer.whole["models"] = Json::array();
  for (const mr::ModelView& view : all.models()) {
    answer.items.push_back(ToJson(view));
    answer.names.push_back(view.model().model());
  }
  session.Show(answer);
  return absl::OkStatus();
}

void ShowModel(Session& session, const mr::ModelView& view) {
  Answer answer;
  answer.whole = ToJson(view);
  answer.names = {view.model().model()};
  answer.card = ModelCard(view, session.style());
  session.Show(answer);
}

absl::StatusOr<mr::ModelView> Find(Session& session, const std::string& name) {
  mr::GetModelRequest request;
  request.set_model(name);
  SY_ASSIGN_OR_RETURN(const mr::GetModelResponse shown, session.Call(&ModelRegistryStub::GetModel, request));
  return shown.model();
}

absl::Status SetRates(const Invocation& invocation, mr::Rates& rates) {
  using Set = void (mr::Rates::*)(std::int64_t);
  for (const auto& [flag, set] :
       std::initializer_list<std::pair<std::string_view, Set>>{{"input-price", &mr::Rates::set_input},
                                                               {"output-price", &mr::Rates::set_output},
                                                               {"cache-read", &mr::Rates::set_cache_read},
                                                               {"cache-write-5m", &mr::Rates::set_cache_write_5m},
                                                               {"cache-write-1h", &mr::Rates::set_cache_write_1h}}) {
    if (!invocation.Has(flag)) continue;
    const std::optional<std::int64_t> value = ParseDollars(invocation.Get(flag));
    if (!value.has_value()) {
      return UsageError("BAD_VALUE",
                        absl::StrCat("--", ToAbsl(flag), " wants dollars per million tokens, such as 3.75"));
    }
    (rates.*set)(*value);
  }
  return absl::OkStatus();
}

bool SetsPrice(const Invocation& invocation) {
  for (const char* flag : {"input-price", "output-price", "cache-read", "cache-write-5m", "cache-write-1h"}) {
    if (invocation.Has(flag)) return true;
  }
  return false;
}

absl::Status RemovePrice(Session& session, const std::string& name) {
  mr::RemovePriceRequest request;
  request.set_model(name);
  SY_RETURN_IF_ERROR(session.Call(&ModelRegistryStub::RemovePrice, request, Repeat::kNever).status());
  Answer answer;
  answer.whole = {{"model", name}, {"removed", true}};
  answer.names = {name};
  answer.card = absl::StrCat(OneLine(name), " is again as the file of models says\n");
  session.Show(answer);
  return absl::OkStatus();
}

}  // namespace

absl::Status ModelList(Session& session) { return ListAgainAndAgain(session, ListModelsOnce); }

absl::Status ModelShow(Session& session) {
  SY_ASSIGN_OR_RETURN(const mr::ModelView view, Find(session, session.invocation().arguments[0]));
  ShowModel(session, view);
  return absl::OkStatus();
}

absl::Status ModelDisable(Session& session) {
  mr::DisableModelRequest request;
  request.set_model(session.invocation().arguments[0]);
  request.set_endpoint(session.invocation().Get("endpoint"));
  SY_ASSIGN_OR_RETURN(const mr::DisableModelResponse done, session.Call(&ModelRegistryStub::DisableModel, request));
  ShowModel(session, done.model());
  return absl::OkStatus();
}

absl::Status ModelEnable(Session& session) {
  mr::EnableModelRequest request;
  request.set_model(session.invocation().arguments[0]);
  request.set_endpoint(session.invocation().Get("endpoint"));
  SY_ASSIGN_OR_RETURN(const mr::EnableModelResponse done, session.Call(&ModelRegistryStub::EnableModel, request));
  ShowModel(session, done.model());
  return absl::OkStatus();
}

absl::Status ModelPrice(Session& session) {
  const Invocation& invocation = session.invocation();
  const std::string& name = invocation.arguments[0];
  if (invocation.Has("remove")) return RemovePrice(session, name);
  absl::StatusOr<mr::ModelView> known = Find(session, name);
  const bool asks_only = std::none_of(invocation.command->flags.begin(), invocation.command->flags.end(),
                                      [&](const Flag& flag) { return invocation.Has(flag.name); });
  if (asks_only) {
    SY_RETURN_IF_ERROR(known.status());
    ShowModel(session, *known);
    return absl::OkStatus();
  }
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  mr::SetPriceRequest request;
  mr::Model& model = *request.mutable_model();
  if (known.ok() && known->in_table()) model = known->model();
  if (model.model().empty()) model.set_model(name);
  if (invocation.Has("free")) {
    model.set_free(true);
    model.clear_rates();
    model.clear_steps();
  }
  if (SetsPrice(invocation)) {
    model.set_free(false);
    SY_RETURN_IF_ERROR(SetRates(invocation, *model.mutable_rates()));
  }
  if (const auto n = invocation.Number("context-window")) model.set_context_window(*n);
  if (const auto n = invocation.Number("max-output")) model.set_max_output(*n);
  if (invocation.Has("tier")) model.set_tier(Parse<mr::ModelTier>(invocation.Get("tier")));
  if (invocation.Has("provider")) model.set_provider(invocation.Get("provider"));
  if (invocation.Has("since")) model.set_effective_from(invocation.Get("since"));
  if (invocation.Has("source")) model.set_source(invocation.Get("source"));
  SY_RETURN_IF_ERROR(session.Call(&ModelRegistryStub::SetPrice, request).status());
  SY_ASSIGN_OR_RETURN(const mr::ModelView now, Find(session, model.model()));
  ShowModel(session, now);
  return absl::OkStatus();
}

absl::Status RoleList(Session& session) {
  SY_ASSIGN_OR_RETURN(const mr::ListRoleProfilesResponse roles, session.Call(&ModelRegistryStub::ListRoleProfiles, {}));
  Answer answer;
  answer.table = RoleTable(roles.profiles());
  answer.whole = ToJson(roles);
  if (!answer.whole.contains("profiles")) answer.whole["profiles"] = Json::array();
  for (const mr::RoleProfile& profile : roles.profiles()) {
    answer.items.push_back(ToJson(profile));
    answer.names.push_back(profile.role());
  }
  session.Show(answer);
  return absl::OkStatus();
}

absl::Status RoleShow(Session& session) {
  mr::GetRoleProfileRequest request;
  request.set_role(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(const mr::GetRoleProfileResponse shown,
                      session.Call(&ModelRegistryStub::GetRoleProfile, request));
  Answer answer;
  google::protobuf::RepeatedPtrField<mr::RoleProfile> one;
  *one.Add() = shown.profile();
  answer.table = RoleTable(one);
  answer.whole = ToJson(shown);
  answer.names = {shown.profile().role()};
  session.Show(answer);
  return absl::OkStatus();
}

}  // namespace switchyard::yard
