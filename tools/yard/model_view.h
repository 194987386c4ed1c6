// Endpoints, models and roles as tables and cards.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "switchyard/model_registry/v1/model_registry_service.pb.h"
#include "tools/yard/output.h"
#include "tools/yard/task_view.h"

namespace switchyard::yard {

Table EndpointTable(const google::protobuf::RepeatedPtrField<model_registry::v1::Endpoint>& endpoints,
                    const ViewTimes& times);
std::string EndpointCard(const model_registry::v1::Endpoint& endpoint, const ViewTimes& times,
                         const OutputStyle& style);
Table ModelTable(const google::protobuf::RepeatedPtrField<model_registry::v1::ModelView>& models);
std::string ModelCard(const model_registry::v1::ModelView& model, const OutputStyle& style);
Table RoleTable(const google::protobuf::RepeatedPtrField<model_registry::v1::RoleProfile>& profiles);

// "3.75" for 3750000, and back; nothing for what is no amount of at most six places.
std::string DollarText(std::int64_t micros);
std::optional<std::int64_t> ParseDollars(std::string_view text);

}  // namespace switchyard::yard
