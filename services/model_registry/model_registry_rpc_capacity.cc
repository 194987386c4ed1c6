#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/clean_text.h"
#include "services/model_registry/model_registry_rpc.h"
#include "services/model_registry/registry_convert.h"

namespace switchyard::model_registry {
namespace {

constexpr int kMaxItems = 500;
constexpr int kMaxChecks = 100;
constexpr std::size_t kMaxMessage = 500;

absl::Status CheckCount(int count, int most, const char* field) {
  if (count >= 1 && count <= most) return absl::OkStatus();
  return InvalidFields({{.field = field, .description = absl::StrCat("must be 1 to ", most, " items")}});
}

absl::Duration HoldOf(bool given, const google::protobuf::Duration& hold, const std::string& field,
                      std::vector<FieldViolation>& faults) {
  if (!given) return absl::Seconds(60);
  const absl::Duration value = FromProto(hold, field, faults).value_or(absl::Seconds(60));
  if (value < absl::Seconds(1) || value > absl::Hours(1)) faults.push_back({field, "must be from 1s to 1h"});
  return value;
}

absl::StatusOr<std::vector<NamedKey>> KeysOf(const google::protobuf::RepeatedPtrField<v1::ReservationKey>& keys) {
  SY_RETURN_IF_ERROR(CheckCount(keys.size(), kMaxItems, "keys"));
  std::vector<FieldViolation> faults;
  std::vector<NamedKey> out;
  for (int i = 0; i < keys.size(); ++i) {
    const absl::StatusOr<TaskId> task = TaskId::Parse(keys[i].task_id());
    if (!task.ok()) faults.push_back({absl::StrCat("keys[", i, "].task_id"), "is not the id of a task"});
    out.push_back({keys[i].endpoint(), task.value_or(TaskId()), keys[i].generation()});
  }
  if (!faults.empty()) return InvalidFields(std::move(faults));
  return out;
}

}  // namespace

grpc::ServerUnaryReactor* ModelRegistryRpc::ReserveCapacity(grpc::CallbackServerContext* context,
                                                            const v1::ReserveCapacityRequest* request,
                                                            v1::ReserveCapacityResponse* response) {
  return Blocking(reserve_, context, request, response,
                  [this](const rpc::CallContext&, const v1::ReserveCapacityRequest& request,
                         v1::ReserveCapacityResponse& response) -> absl::Status {
                    SY_RETURN_IF_ERROR(CheckCount(request.items_size(), kMaxItems, "items"));
                    std::vector<FieldViolation> faults;
                    std::vector<ReserveItem> items;
                    for (int i = 0; i < request.items_size(); ++i) {
                      const v1::ReserveItem& item = request.items(i);
                      const std::string at = absl::StrCat("items[", i, "]");
                      const absl::StatusOr<TaskId> task = TaskId::Parse(item.task_id());
                      if (!task.ok()) faults.push_back({at + ".task_id", "is not the id of a task"});
                      if (item.generation() < 1) faults.push_back({at + ".generation", "must be at least 1"});
                      if (item.model().empty()) faults.push_back({at + ".model", "is needed"});
                      items.push_back({.task = task.value_or(TaskId()),
                                       .generation = item.generation(),
                                       .endpoint = item.endpoint(),
                                       .model = item.model(),
                                       .urgent = item.urgent(),
                                       .hold = HoldOf(item.has_hold(), item.hold(), at + ".hold", faults)});
                    }
                    if (!faults.empty()) return InvalidFields(std::move(faults));
                    SY_ASSIGN_OR_RETURN(const std::vector<ReserveResult> results, deps_.admin.Reserve(items));
                    for (const ReserveResult& result : results) {
                      v1::ReserveResult& out = *response.add_results();
                      if (result.reservation) model_registry::ToProto(*result.reservation, *out.mutable_reservation());
                      if (result.refusal) model_registry::ToProto(*result.refusal, *out.mutable_refusal());
                    }
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ReleaseCapacity(grpc::CallbackServerContext* context,
                                                            const v1::ReleaseCapacityRequest* request,
                                                            v1::ReleaseCapacityResponse* response) {
  return Blocking(release_, context, request, response,
                  [this](const rpc::CallContext&, const v1::ReleaseCapacityRequest& request,
                         v1::ReleaseCapacityResponse& response) -> absl::Status {
                    SY_ASSIGN_OR_RETURN(const std::vector<NamedKey> keys, KeysOf(request.keys()));
                    SY_ASSIGN_OR_RETURN(const int released, deps_.admin.Release(keys));
                    response.set_released(released);
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::RenewReservations(grpc::CallbackServerContext* context,
                                                              const v1::RenewReservationsRequest* request,
                                                              v1::RenewReservationsResponse* response) {
  return Blocking(renew_, context, request, response,
                  [this](const rpc::CallContext&, const v1::RenewReservationsRequest& request,
                         v1::RenewReservationsResponse& response) -> absl::Status {
                    std::vector<FieldViolation> faults;
                    const absl::Duration hold = HoldOf(request.has_hold(), request.hold(), "hold", faults);
                    if (!faults.empty()) return InvalidFields(std::move(faults));
                    SY_ASSIGN_OR_RETURN(const std::vector<NamedKey> keys, KeysOf(request.keys()));
                    SY_ASSIGN_OR_RETURN(const std::vector<NamedKey> lost, deps_.admin.Renew(keys, hold));
                    for (const NamedKey& key : lost) {
                      v1::ReservationKey& out = *response.add_lost();
                      out.set_endpoint(key.endpoint);
                      out.set_task_id(key.task.ToString());
                      out.set_generation(key.generation);
                    }
                    return absl::OkStatus();
                  });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ReportObservations(grpc::CallbackServerContext* context,
                                                               const v1::ReportObservationsRequest* request,
                                                               v1::ReportObservationsResponse* response) {
  return Reading(observe_, context, request, response,
                 [this](const Snapshot& snapshot, const v1::ReportObservationsRequest& request,
                        v1::ReportObservationsResponse&) -> absl::Status {
                   SY_RETURN_IF_ERROR(CheckCount(request.observations_size(), kMaxItems, "observations"));
                   std::vector<FieldViolation> faults;
                   std::vector<std::pair<EndpointId, Observation>> taken;
                   for (int i = 0; i < request.observations_size(); ++i) {
                     const v1::Observation& one = request.observations(i);
                     Observation observation = FromProto(one, absl::StrCat("observations[", i, "]"), faults);
                     observation.message = rpc::CleanText(observation.message, kMaxMessage);
                     const EndpointView* const view = snapshot.Find(one.endpoint());
                     if (view != nullptr) taken.emplace_back(view->record.id, std::move(observation));
                   }
                   if (!faults.empty()) return InvalidFields(std::move(faults));
                   for (const auto& [id, observation] : taken) deps_.registry.Observe(id, observation);
                   return absl::OkStatus();
                 });
}

grpc::ServerUnaryReactor* ModelRegistryRpc::ReportEndpointChecks(grpc::CallbackServerContext* context,
                                                                 const v1::ReportEndpointChecksRequest* request,
                                                                 v1::ReportEndpointChecksResponse* response) {
  return Reading(checks_, context, request, response,
                 [this](const Snapshot& snapshot, const v1::ReportEndpointChecksRequest& request,
                        v1::ReportEndpointChecksResponse&) -> absl::Status {
                   if (request.checks_size() > kMaxChecks) {
                     return InvalidFields({{.field = "checks", .description = "has more than 100 items"}});
                   }
                   std::vector<FieldViolation> faults;
                   std::vector<std::pair<EndpointId, CheckResult>> taken;
                   for (int i = 0; i < request.checks_size(); ++i) {
                     CheckResult result = FromProto(request.checks(i), absl::StrCat("checks[", i, "]"), faults);
                     result.message = rpc::CleanText(result.message, kMaxMessage);
                     result.server = rpc::CleanText(result.server, 100);
                     const EndpointView* const view = snapshot.Find(request.checks(i).endpoint());
                     if (view != nullptr) taken.emplace_back(view->record.id, std::move(result));
                   }
                   if (!faults.empty()) return InvalidFields(std::move(faults));
                   for (const auto& [id, result] : taken) deps_.registry.AgentReported(id, request.agent(), result);
                   return absl::OkStatus();
                 });
}

grpc::ServerWriteReactor<v1::WatchRegistryResponse>* ModelRegistryRpc::WatchRegistry(
    grpc::CallbackServerContext* context, const v1::WatchRegistryRequest* request) {
  return rpc_.Stream<v1::WatchRegistryResponse>(
      context, watch_, request, rpc::StreamLimits{.max_messages = 4, .max_bytes = 8u << 20},
      [this](const rpc::CallContext&, const v1::WatchRegistryRequest&,
             std::shared_ptr<RegistryWatchers::Stream> stream) { return deps_.watchers.Add(std::move(stream)); });
}

}  // namespace switchyard::model_registry
