#include "services/model_registry/registry_errors.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {
namespace {

absl::Status Make(absl::StatusCode code, std::string_view reason, std::string_view message,
                  std::vector<std::pair<std::string, std::string>> metadata) {
  return MakeError(
      code, message,
      {.reason = std::string(reason), .metadata = std::move(metadata), .violations = {}, .retry_after = {}});
}

absl::Status NotFound(std::string_view what, std::string_view reason, std::string_view name,
                      std::string_view suggestion) {
  std::vector<std::pair<std::string, std::string>> metadata = {{"name", std::string(name)}};
  if (!suggestion.empty()) metadata.emplace_back("suggestion", std::string(suggestion));
  return Make(absl::StatusCode::kNotFound, reason,
              absl::StrCat("there is no ", ToAbsl(what), " ", ToAbsl(name),
                           suggestion.empty() ? "" : absl::StrCat("; did you mean \"", ToAbsl(suggestion), "\"?")),
              std::move(metadata));
}

}  // namespace

absl::Status EndpointNotFound(std::string_view endpoint) {
  return Make(absl::StatusCode::kNotFound, "ENDPOINT_NOT_FOUND",
              absl::StrCat("no endpoint has the id or name ", ToAbsl(endpoint)), {{"endpoint", std::string(endpoint)}});
}

absl::Status EndpointNameTaken(std::string_view name) {
  return Make(absl::StatusCode::kAlreadyExists, "ENDPOINT_NAME_TAKEN",
              absl::StrCat("an endpoint has the name ", ToAbsl(name)), {{"name", std::string(name)}});
}

absl::Status EndpointFromFile(std::string_view name, std::string_view file) {
  return Make(absl::StatusCode::kFailedPrecondition, "ENDPOINT_FROM_FILE",
              absl::StrCat("endpoint ", ToAbsl(name), " is declared in ", ToAbsl(file), "; change it there"),
              {{"name", std::string(name)}, {"file", std::string(file)}});
}

absl::Status EndpointAgentOnly(std::string_view name, std::string_view agent) {
  return Make(absl::StatusCode::kFailedPrecondition, "ENDPOINT_AGENT_ONLY",
              absl::StrCat("only agent ", ToAbsl(agent), " reaches endpoint ", ToAbsl(name), "; it reports by itself"),
              {{"name", std::string(name)}, {"agent", std::string(agent)}});
}

absl::Status EndpointDisabled(std::string_view name) {
  return Make(absl::StatusCode::kFailedPrecondition, "ENDPOINT_DISABLED",
              absl::StrCat("endpoint ", ToAbsl(name), " is disabled; enable it first"), {{"name", std::string(name)}});
}

absl::Status RevisionChanged(std::string_view name) {
  return Make(absl::StatusCode::kAborted, "REVISION_CHANGED",
              absl::StrCat("endpoint ", ToAbsl(name), " was changed meanwhile; read it again"),
              {{"name", std::string(name)}});
}

absl::Status RequestIdReused(std::string_view request_id) {
  return Make(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED", "the request id came with other content before",
              {{"request_id", std::string(request_id)}});
}

absl::Status TooManyEndpoints(std::size_t bound) {
  return Make(
      absl::StatusCode::kResourceExhausted, "TOO_MANY_ENDPOINTS",
      absl::StrCat("there are already ", bound, " endpoints; remove some or raise model_registry.max_endpoints"),
      {{"bound", absl::StrCat(bound)}});
}

absl::Status ProbeUnderWay(std::string_view name) {
  return Make(absl::StatusCode::kResourceExhausted, "PROBE_UNDER_WAY",
              absl::StrCat("endpoint ", ToAbsl(name), " is being checked; try again in some seconds"),
              {{"name", std::string(name)}});
}

absl::Status ModelNotFound(std::string_view model, std::string_view suggestion) {
  return NotFound("model", "MODEL_NOT_FOUND", model, suggestion);
}

absl::Status RoleNotFound(std::string_view role, std::string_view suggestion) {
  return NotFound("role", "ROLE_NOT_FOUND", role, suggestion);
}

absl::Status PriceNotFound(std::string_view model) {
  return Make(absl::StatusCode::kNotFound, "PRICE_NOT_FOUND",
              absl::StrCat("no price of ", ToAbsl(model), " was set here; what a file says is changed there"),
              {{"model", std::string(model)}});
}

absl::Status RegistryLoading() {
  return MakeError(absl::StatusCode::kUnavailable, "REGISTRY_LOADING",
                   "this process has not read its configuration yet; try again");
}

absl::Status TooManyWatches(std::size_t bound) {
  return Make(absl::StatusCode::kResourceExhausted, "TOO_MANY_WATCHES",
              absl::StrCat("this replica already serves ", bound, " watches"), {});
}

}  // namespace switchyard::model_registry
