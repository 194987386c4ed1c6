// From the model registry's contract to what routing goes by, nothing else.
#pragma once

#include "services/router/catalogue.h"
#include "switchyard/model_registry/v1/model_registry.pb.h"

namespace switchyard::router {

Endpoint FromProto(const model_registry::v1::Endpoint& endpoint);
ModelRow FromProto(const model_registry::v1::Model& model);
Role FromProto(const model_registry::v1::RoleProfile& profile);
Price FromProto(bool free, const model_registry::v1::Rates& rates,
                const google::protobuf::RepeatedPtrField<model_registry::v1::PriceStep>& steps);

}  // namespace switchyard::router
