#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/http/http_transport.h"
#include "libs/model_probe/prober.h"

namespace switchyard::model_probe {

struct ProberRules {
  absl::Duration connect = absl::Seconds(2);
  // Per question.
  absl::Duration response = absl::Seconds(3);
  absl::Duration generate = absl::Seconds(20);
  absl::Duration load = absl::Seconds(180);
  absl::Duration keep_warm = absl::Minutes(30);
};

// Asks the three kinds of endpoints over HTTP. Credentials are read at each use and kept nowhere. Thread-safe.
//
//   Ollama     /api/version, /api/tags, /api/ps (which answers late while a model is being loaded), /api/chat
//   OpenAI     /v1/models, of local ones /props (llama.cpp), /v1/chat/completions
//   Anthropic  /v1/models, /v1/messages
class HttpProber final : public Prober {
 public:
  // What stands behind the target's credential, which is not empty.
  using ResolveSecret = std::function<absl::StatusOr<std::string>(const ProbeTarget& target)>;

  // Borrows both. Every exchange ends with the transport's Stop, so it outlives what `done` uses.
  HttpProber(http::HttpTransport& transport, const Clock& clock, ProberRules rules, ResolveSecret resolve);

  void Check(ProbeRequest request, std::function<void(CheckResult)> done) override;
  void KeepWarm(const ProbeTarget& target, const std::string& model, std::function<void(absl::Status)> done) override;

 private:
  class Run;

  http::HttpTransport& transport_;
  const Clock& clock_;
  const ProberRules rules_;
  const ResolveSecret resolve_;
};

}  // namespace switchyard::model_probe
