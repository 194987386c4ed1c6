// A sink that keeps what it is told, and a route to begin with.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libs/base/mutex.h"
#include "services/executor/backend.h"
#include "switchyard/router/v1/routing.pb.h"
#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::executor::models {

// Read by the test's thread once the end has come, or while nothing runs.
struct TestSink final : BackendSink {
  void OnPhase(WorkPhase phase) override { phases.push_back(phase); }
  void OnLog(LogChunk chunk) override { (chunk.stream == LogStream::kOutput ? out : err) += chunk.text; }
  void OnProgress(std::string message) override { progress.push_back(std::move(message)); }
  void OnRouteQuestion(RouteQuestion question) override { questions.push_back(std::move(question)); }
  void OnFinished(Evidence ended) override {
    MutexLock lock(mutex);
    ++ends;
    evidence = std::move(ended);
    changed.NotifyAll();
  }
  Evidence Await() {
    MutexLock lock(mutex);
    while (!evidence.has_value()) changed.Wait(mutex);
    return *evidence;
  }

  std::vector<WorkPhase> phases;
  std::vector<std::string> progress;
  std::vector<RouteQuestion> questions;
  std::string out;
  std::string err;
  Mutex mutex;
  CondVar changed;
  int ends = 0;
  std::optional<Evidence> evidence;
};

// Of an Ollama endpoint that costs nothing, for the model "m:7b".
inline router::v1::Routing TestRouting(std::string_view url, std::string_view name) {
  router::v1::Routing routing;
  routing.set_schema_version(1);
  routing.set_decision_id("d-1");
  routing.set_strategy(router::v1::STRATEGY_LOCAL_LLM);
  router::v1::RoutedEndpoint& endpoint = *routing.mutable_endpoint();
  endpoint.set_endpoint(std::string(name));
  endpoint.set_kind(model_registry::v1::ENDPOINT_KIND_OLLAMA);
  endpoint.set_url(std::string(url));
  endpoint.set_local(true);
  endpoint.set_model("m:7b");
  endpoint.set_free(true);
  (*endpoint.mutable_options())["num_ctx"] = 8192;
  return routing;
}

}  // namespace switchyard::executor::models
