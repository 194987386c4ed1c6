#pragma once

#include "libs/http/endpoint_url.h"

namespace switchyard::executor::models {

using http::CheckEndpointUrl;
using http::EndpointUrl;
using http::IsBelow;
using http::IsLoopback;
using http::ParseEndpointUrl;

}  // namespace switchyard::executor::models
