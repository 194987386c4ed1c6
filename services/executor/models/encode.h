// What is sent to an endpoint.
#pragma once

#include <string>
#include <string_view>

#include "libs/http/http_transport.h"
#include "services/executor/models/conversation.h"

namespace switchyard::executor::models {

// "https://host/team/v1/" of an OpenAI-compatible endpoint is "https://host/team": users give the address that their
// client library wants.
std::string BaseUrl(Protocol protocol, std::string_view url);

// POST to the base URL; without time-outs and bounds. `secret` is empty where none is sent. System messages go where
// the protocol has them. Invalid UTF-8 is replaced.
http::HttpRequest Encode(Protocol protocol, std::string_view url, std::string_view secret, const ChatRequest& request);

// The body alone.
std::string EncodeBody(Protocol protocol, const ChatRequest& request);

}  // namespace switchyard::executor::models
