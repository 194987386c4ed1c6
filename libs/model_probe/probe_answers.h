// What the answers of the three protocols to a check mean. Bodies are of strangers: whatever they hold, nothing here
// throws, and what is taken from them is bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/http/http_transport.h"
#include "libs/model_probe/model_probe.h"

namespace switchyard::model_probe {

// What went wrong with one exchange, taken into `result`: false when nothing did and the body can be read. 404 is left
// to the caller, who knows what was asked for.
bool TakeFailure(const http::HttpOutcome& outcome, absl::Time now, CheckResult& result);

// The text of an error of any of the protocols, fit to be shown; "" when there is none.
std::string ErrorText(std::string_view body);

// Each is nothing when the body is not of that shape.
std::optional<std::string> ParseOllamaVersion(std::string_view body);
std::optional<std::vector<FoundModel>> ParseOllamaTags(std::string_view body);
std::optional<std::vector<FoundModel>> ParseOllamaPs(std::string_view body);
// Of OpenAI and of Anthropic: both list under "data".
std::optional<std::vector<FoundModel>> ParseModelList(std::string_view body);

// "/props" of llama.cpp; zeros where it says nothing.
struct ServerProps {
  int slots = 0;
  std::int64_t context_window = 0;
};
ServerProps ParseProps(std::string_view body);

// Whether the answer to the request for one word is a whole one.
bool IsWord(EndpointKind kind, std::string_view body);

// Adds to what `/api/tags` lists what `/api/ps` says of it.
void MergeLoaded(const std::vector<FoundModel>& loaded, std::vector<FoundModel>& models);

}  // namespace switchyard::model_probe
