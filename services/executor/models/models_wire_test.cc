// The back end over real connections: a simulated endpoint for each protocol, and servers that break as no endpoint
// should.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/http/http_client.h"
#include "libs/http/testing/loopback_server.h"
#include "libs/http/testing/simulated_endpoint.h"
#include "libs/testing/status_matchers.h"
#include "services/executor/models/models_backend.h"
#include "services/executor/models/testing_sink.h"

namespace switchyard::executor::models {
namespace {

using ::switchyard::testing::LoopbackConnection;
using ::switchyard::testing::LoopbackServer;
using ::switchyard::testing::SimulatedEndpoint;
using ::testing::HasSubstr;

constexpr model_registry::v1::EndpointKind kKinds[] = {model_registry::v1::ENDPOINT_KIND_OLLAMA,
                                                       model_registry::v1::ENDPOINT_KIND_OPENAI,
                                                       model_registry::v1::ENDPOINT_KIND_ANTHROPIC};

class ModelsWireTest : public ::testing::Test {
 protected:
  ModelsWireTest() : http_(clock_, {.refuse_link_local = true}) {
    http_.Start();
    RunLimits limits;
    limits.bounds.answer_bytes = std::size_t{1} << 20;
    backend_ = std::make_unique<ModelsBackend>(limits, CredentialPolicy(), http_, clock_, *rng_);
    backend_->StartTicking();
  }
  ~ModelsWireTest() override {
    backend_->Stop();
    http_.Stop();
  }
  router::v1::Routing Route(const std::string& url, model_registry::v1::EndpointKind kind) {
    router::v1::Routing routing = TestRouting(url, "sim");
    routing.mutable_endpoint()->set_kind(kind);
    routing.mutable_endpoint()->mutable_timeouts()->mutable_first_token()->set_seconds(20);
    return routing;
  }
  Evidence Run(const router::v1::Routing& routing) {
    Work work{.task_id = "t", .generation = 1, .kind = WorkKind::kPrompt};
    work.prompt.instruction = "hello";
    work.routing = routing.SerializeAsString();
    TestSink sink;
    absl::StatusOr<std::unique_ptr<BackendRun>> run = backend_->Start(work, sink);
    SY_EXPECT_OK(run);
    if (!run.ok()) return {};
    return sink.Await();
  }
  Evidence RunAgainst(LoopbackServer::Serve serve, model_registry::v1::EndpointKind kind = kKinds[0]) {
    LoopbackServer server(std::move(serve));
    return Run(Route(server.url(""), kind));
  }

  DisciplinedClock clock_;
  const std::unique_ptr<Rng> rng_ = MakeSeededRng(1);
  http::HttpClient http_;
  std::unique_ptr<ModelsBackend> backend_;
};

TEST_F(ModelsWireTest, EveryProtocolAnswersAndEveryFaultHasItsOwnReason) {
  SimulatedEndpoint sim({"--model", "m:7b,slots=8,loaded=true"});
  struct Case {
    const char* fault;
    const char* reason;
  };
  for (const auto kind : kKinds) {
    SCOPED_TRACE(model_registry::v1::EndpointKind_Name(kind));
    router::v1::Routing routing = Route(sim.url(), kind);
    sim.SetFaults({});
    const Evidence fine = Run(routing);
    EXPECT_EQ(fine.outcome, Outcome::kSucceeded) << fine.reason << " " << fine.message;
    EXPECT_THAT(fine.output, HasSubstr("hello"));
    sim.SetFaults({"pieces,bytes=1"});
    EXPECT_EQ(Run(routing).output, fine.output);
    for (const Case& each : std::vector<Case>{{"400", "REQUEST_INVALID"},
                                              {"401", "ENDPOINT_UNAUTHORIZED"},
                                              {"402", "ENDPOINT_PAYMENT_REQUIRED"},
                                              {"403", "ENDPOINT_FORBIDDEN"},
                                              {"404", "MODEL_NOT_FOUND"},
                                              {"429,retry_after=100", "ENDPOINT_RATE_LIMITED"},
                                              {"500", "ENDPOINT_FAILED"},
                                              {"dead", "ENDPOINT_UNREACHABLE"},
                                              {"truncate,tokens=1", "STREAM_CUT"},
                                              {"reset,tokens=1", "STREAM_CUT"},
                                              {"no_end,tokens=1", "STREAM_CUT"},
                                              {"malformed,tokens=1", "ANSWER_UNREADABLE"},
                                              {"big,bytes=2000000", "ANSWER_TOO_LONG"},
                                              {"empty", "ANSWER_EMPTY"}}) {
      sim.SetFaults({each.fault});
      EXPECT_EQ(Run(routing).reason, each.reason) << each.fault;
    }
    sim.SetFaults({"error_in_stream,tokens=1,type=api_error,message=died"});
    EXPECT_EQ(Run(routing).reason, "STREAM_ERROR");
    sim.SetFaults({"wrong_model,name=another"});
    routing.set_mismatch_fails(true);
    EXPECT_EQ(Run(routing).reason, "MODEL_MISMATCH");
    routing.mutable_endpoint()->mutable_timeouts()->mutable_between_tokens()->set_nanos(300'000'000);
    sim.SetFaults({"hang_after,tokens=1"});
    EXPECT_EQ(Run(routing).reason, "TOKEN_TIMEOUT");
    routing.mutable_endpoint()->set_warm(true);
    routing.mutable_endpoint()->mutable_timeouts()->mutable_first_token()->Clear();
    routing.mutable_endpoint()->mutable_timeouts()->mutable_first_token()->set_nanos(300'000'000);
    for (const char* fault : {"hang", "hang_after_headers"}) {
      sim.SetFaults({fault});
      EXPECT_EQ(Run(routing).reason, "FIRST_TOKEN_TIMEOUT") << fault;
    }
    routing.mutable_endpoint()->set_max_output_tokens(2);
    routing.mutable_endpoint()->mutable_timeouts()->mutable_first_token()->set_seconds(20);
    sim.SetFaults({});
    EXPECT_EQ(Run(routing).reason, "ANSWER_TRUNCATED");
  }
}

TEST_F(ModelsWireTest, AModelThatHasToBeLoadedIsWaitedFor) {
  SimulatedEndpoint sim({"--model", "m:7b,load=1"});
  const Evidence evidence = Run(Route(sim.url(), kKinds[0]));
  EXPECT_EQ(evidence.outcome, Outcome::kSucceeded) << evidence.message;
  task_queue::v1::Usage usage;
  ASSERT_TRUE(usage.ParseFromString(evidence.usage));
  EXPECT_GE(usage.load_time().seconds() + usage.load_time().nanos(), 1);
}

TEST_F(ModelsWireTest, CancellingMakesTheEndpointNotice) {
  SimulatedEndpoint sim({"--model", "m:7b,loaded=true", "--fault", "endless", "--fault", "slow_tokens,seconds=0.02"});
  Work work{.task_id = "t", .generation = 1, .kind = WorkKind::kPrompt};
  work.prompt.instruction = "hello";
  work.routing = Route(sim.url(), kKinds[0]).SerializeAsString();
  TestSink sink;
  SY_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<BackendRun> run, backend_->Start(work, sink));
  while (sim.Control("GET", "models").find("\"busy\": 1") == std::string::npos) {
  }
  run->Cancel();
  EXPECT_EQ(sink.Await().outcome, Outcome::kCancelled);
  while (sim.Control("GET", "models").find("\"busy\": 0") == std::string::npos) {
  }
}

// A hundred megabytes of answer, in lines.
TEST_F(ModelsWireTest, AHundredMegabytesCostNoMoreThanTheBound) {
  const std::string line = absl::StrCat("{\"model\":\"m:7b\",\"message\":{\"content\":\"", std::string(60'000, 'x'),
                                        "\"},\"done\":false}\n");
  const Evidence evidence = RunAgainst([&line](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n");
    for (std::size_t sent = 0; sent < (std::size_t{100} << 20); sent += line.size()) {
      if (!connection.Write(line)) return;
    }
  });
  EXPECT_EQ(evidence.reason, "ANSWER_TOO_LONG");
  EXPECT_LE(evidence.output.size(), std::size_t{64} << 10);
}

TEST_F(ModelsWireTest, AMalformedTransferAndALineWithoutEndAreNoAnswers) {
  const Evidence chunk = RunAgainst([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot-a-size\r\n");
    connection.WaitForClose();
  });
  EXPECT_NE(chunk.outcome, Outcome::kSucceeded);
  const Evidence endless = RunAgainst([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\n\r\n{\"message\":{\"content\":\"");
    const std::string piece(100'000, 'x');
    while (connection.Write(piece)) {
    }
  });
  EXPECT_EQ(endless.reason, "ANSWER_UNREADABLE");
  const Evidence garbage = RunAgainst([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("this is no HTTP at all\r\n\r\n");
  });
  EXPECT_NE(garbage.outcome, Outcome::kSucceeded);
}

}  // namespace
}  // namespace switchyard::executor::models
