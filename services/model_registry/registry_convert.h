// Between the contract and the domain, nothing else.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "libs/base/status.h"
#include "services/model_registry/health.h"
#include "services/model_registry/model_table.h"
#include "services/model_registry/registry.h"
#include "services/model_registry/reservation.h"
#include "services/model_registry/role_profile.h"
#include "switchyard/model_registry/v1/model_registry.pb.h"
#include "switchyard/model_registry/v1/model_registry_service.pb.h"

namespace switchyard::model_registry {

// Faults are added for what has no counterpart in the domain; the rest is the rules' to check.
EndpointSpec FromProto(const v1::EndpointSpec& spec, std::string_view prefix, std::vector<FieldViolation>& faults);
ModelInfo FromProto(const v1::Model& model, std::string_view prefix, std::vector<FieldViolation>& faults);
Observation FromProto(const v1::Observation& observation, std::string_view prefix, std::vector<FieldViolation>& faults);
CheckResult FromProto(const v1::EndpointCheck& check, std::string_view prefix, std::vector<FieldViolation>& faults);
// Nothing, and a fault, for a duration outside what the contract allows.
std::optional<absl::Duration> FromProto(const google::protobuf::Duration& duration, std::string_view field,
                                        std::vector<FieldViolation>& faults);

void ToProto(const EndpointSpec& spec, v1::EndpointSpec& out);
void ToProto(const EndpointView& view, v1::Endpoint& out);
void ToProto(const PlacedModel& placed, v1::PlacedModel& out);
void ToProto(const ModelInfo& model, v1::Model& out);
void ToProto(const RoleProfile& profile, v1::RoleProfile& out);
void ToProto(const Reservation& reservation, v1::Reservation& out);
void ToProto(const Refusal& refusal, v1::Refusal& out);
void ToProto(absl::Time time, google::protobuf::Timestamp& out);
void ToProto(absl::Duration duration, google::protobuf::Duration& out);

// What the store keeps of them.
std::string Serialize(const EndpointSpec& spec);
EndpointSpec ParseStoredSpec(std::string_view bytes);
std::string Serialize(const ModelInfo& model);
ModelInfo ParseStoredModel(std::string_view bytes);

}  // namespace switchyard::model_registry
