#include "libs/http/http_client.h"

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/mutex.h"
#include "libs/http/testing/loopback_server.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "libs/tls/certificates.h"

namespace switchyard::http {
namespace {

using switchyard::testing::FakeClock;
using switchyard::testing::IsError;
using switchyard::testing::LoopbackConnection;
using switchyard::testing::LoopbackServer;
using ::testing::HasSubstr;
using ::testing::Not;

// Counts up; others wait until it got there.
class Tally {
 public:
  void Add(int n = 1) {
    MutexLock lock(mutex_);
    count_ += n;
    changed_.NotifyAll();
  }
  void WaitFor(int count) {
    MutexLock lock(mutex_);
    while (count_ < count) changed_.Wait(mutex_);
  }
  int count() {
    MutexLock lock(mutex_);
    return count_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

HttpRequest Get(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

HttpRequest Post(std::string url, std::string body) {
  HttpRequest request = Get(std::move(url));
  request.method = "POST";
  request.body = std::move(body);
  return request;
}

// One request under way, whose end can be waited for.
struct Exchange {
  Tally chunks;
  Tally ended;
  std::string streamed;
  HttpOutcome outcome;
  HttpCallId id = 0;

  HttpCallbacks Callbacks(bool streams = false) {
    HttpCallbacks callbacks;
    if (streams) {
      callbacks.on_chunk = [this](std::string_view chunk) {
        streamed += chunk;
        chunks.Add();
        return true;
      };
    }
    callbacks.on_done = [this](HttpOutcome done) {
      outcome = std::move(done);
      ended.Add();
    };
    return callbacks;
  }
  const HttpOutcome& Wait() {
    ended.WaitFor(1);
    return outcome;
  }
};

class HttpClientTest : public ::testing::Test {
 protected:
  void Start(HttpClientOptions options = {}) {
    client_ = std::make_unique<HttpClient>(clock_, options, &metrics_);
    client_->Start();
  }
  HttpOutcome FetchFrom(LoopbackServer::Serve serve, HttpRequest request = {}) {
    LoopbackServer server(std::move(serve));
    if (client_ == nullptr) Start();
    request.url = server.url("/path?key=hidden");
    return Fetch(*client_, std::move(request));
  }
  void Send(Exchange& exchange, HttpRequest request, bool streams = false) {
    SY_ASSERT_OK_AND_ASSIGN(exchange.id, client_->Send(std::move(request), exchange.Callbacks(streams)));
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    client_->Wake();
  }

  telemetry::Metrics metrics_;
  // Stands still: what ends by time ends because the test says so.
  FakeClock clock_;
  std::unique_ptr<HttpClient> client_;
};

TEST_F(HttpClientTest, SendsMethodHeadersAndBodyAndGivesTheWholeAnswer) {
  std::string seen;
  HttpRequest request = Post("", "{\"model\":\"m\"}");
  request.headers = {{"Content-Type", "application/json"}, {"x-api-key", "k"}, {"x-empty", ""}};
  const HttpOutcome outcome = FetchFrom(
      [&seen](LoopbackConnection& connection) {
        seen = connection.ReadRequest();
        connection.Answer("201 Created", "made", "X-One: 1\r\n");
      },
      std::move(request));
  EXPECT_TRUE(outcome.ok()) << outcome.detail;
  EXPECT_EQ(outcome.head.status, 201);
  EXPECT_EQ(outcome.body, "made");
  ASSERT_NE(FindHeader(outcome.head.headers, "x-one"), nullptr);
  EXPECT_EQ(*FindHeader(outcome.head.headers, "x-one"), "1");
  EXPECT_THAT(seen, HasSubstr("POST /path?key=hidden HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(seen, HasSubstr("x-api-key: k\r\n"));
  EXPECT_THAT(seen, HasSubstr("x-empty:"));
  EXPECT_THAT(seen, HasSubstr("User-Agent: switchyard\r\n"));
  EXPECT_THAT(seen, ::testing::EndsWith("\r\n\r\n{\"model\":\"m\"}"));
}

TEST_F(HttpClientTest, AnErrorStatusIsAWholeAnswer) {
  const HttpOutcome outcome = FetchFrom([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Answer("503 Busy", "later", "Retry-After: 3\r\n");
  });
  EXPECT_EQ(outcome.failure, HttpFailure::kNone);
  EXPECT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.head.status, 503);
  EXPECT_EQ(RetryAfter(outcome.head.headers, clock_.Now()), absl::Seconds(3));
}

TEST_F(HttpClientTest, HeadersBeforeTheFinalOnesDoNotCount) {
  const HttpOutcome outcome = FetchFrom([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
    connection.Answer("200 OK", "x");
  });
  EXPECT_EQ(outcome.head.status, 200);
  EXPECT_EQ(FindHeader(outcome.head.headers, "x-early"), nullptr);
}

TEST_F(HttpClientTest, RedirectsAreNotFollowed) {
  Tally requests;
  const HttpOutcome outcome = FetchFrom([&requests](LoopbackConnection& connection) {
    while (!connection.ReadRequest().empty()) {
      requests.Add();
      connection.Answer("302 Found", "", "Location: /other\r\n");
    }
  });
  EXPECT_EQ(outcome.head.status, 302);
  EXPECT_EQ(requests.count(), 1);
}

TEST_F(HttpClientTest, RefusesOtherSchemesAndUsersInUrls) {
  Start();
  for (const char* url : {"ftp://127.0.0.1/", "file:///etc/passwd", "http://user:word@127.0.0.1/", "nonsense://x", "",
                          "http://", "gopher://x"}) {
    EXPECT_THAT(client_->Send(Get(url), {}), IsError("INVALID_HTTP_REQUEST")) << url;
  }
}

TEST_F(HttpClientTest, StreamsPiecesAsTheyArrive) {
  Tally seen;
  LoopbackServer server([&seen](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
    // The second comes only once the client has given out the first.
    seen.WaitFor(1);
    connection.Write("3\r\ntwo\r\n0\r\n\r\n");
  });
  Start();
  Exchange exchange;
  Send(exchange, Get(server.url()), /*streams=*/true);
  exchange.chunks.WaitFor(1);
  seen.Add();
  EXPECT_TRUE(exchange.Wait().ok());
  EXPECT_EQ(exchange.streamed, "onetwo");
  EXPECT_EQ(exchange.outcome.body, "");
}

TEST_F(HttpClientTest, TheBodyOfAnErrorIsCollectedThoughSuccessWouldBeStreamed) {
  LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Answer("429 Too Many", "slow down");
  });
  Start();
  Exchange exchange;
  Send(exchange, Get(server.url()), /*streams=*/true);
  EXPECT_EQ(exchange.Wait().head.status, 429);
  EXPECT_EQ(exchange.outcome.body, "slow down");
  EXPECT_EQ(exchange.streamed, "");
}

TEST_F(HttpClientTest, AnEndlessErrorBodyIsCutAndStillAnAnswer) {
  LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 500 Oops\r\n\r\n");
    while (connection.Write(std::string(10000, 'x'))) {
    }
  });
  Start();
  Exchange exchange;
  Send(exchange, Get(server.url()), /*streams=*/true);
  EXPECT_EQ(exchange.Wait().failure, HttpFailure::kNone);
  EXPECT_EQ(exchange.outcome.head.status, 500);
  EXPECT_EQ(exchange.outcome.body.size(), std::size_t{64} << 10);
}

TEST_F(HttpClientTest, AHundredMegabytesStreamThroughAndABoundEndsThem) {
  constexpr std::size_t kSize = std::size_t{100} << 20;
  LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write(absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", kSize, "\r\n\r\n"));
    const std::string piece(1 << 20, 'x');
    for (std::size_t sent = 0; sent < kSize && connection.Write(piece); sent += piece.size()) {
    }
  });
  Start();
  std::size_t seen = 0;
  Tally ended;
  HttpFailure failure = HttpFailure::kInternal;
  const auto callbacks = [&] {
    HttpCallbacks made;
    made.on_chunk = [&seen](std::string_view chunk) {
      seen += chunk.size();
      return true;
    };
    made.on_done = [&](HttpOutcome outcome) {
      failure = outcome.failure;
      ended.Add();
    };
    return made;
  };
  HttpRequest request = Get(server.url());
  request.max_body_bytes = kSize;
  SY_ASSERT_OK(client_->Send(request, callbacks()));
  ended.WaitFor(1);
  EXPECT_EQ(failure, HttpFailure::kNone);
  EXPECT_EQ(seen, kSize);
  request.max_body_bytes = kSize - 1;
  seen = 0;
  SY_ASSERT_OK(client_->Send(request, callbacks()));
  ended.WaitFor(2);
  EXPECT_EQ(failure, HttpFailure::kTooLarge);
  EXPECT_LT(seen, kSize);
}

TEST_F(HttpClientTest, ABodyOrHeadersBeyondTheirBoundAreTooLarge) {
  HttpRequest request;
  request.max_body_bytes = 10;
  const HttpOutcome body = FetchFrom(
      [](LoopbackConnection& connection) {
        connection.ReadRequest();
        connection.Answer("200 OK", "01234567890");
      },
      request);
  EXPECT_EQ(body.failure, HttpFailure::kTooLarge);
  EXPECT_EQ(body.head.status, 200);
  request.max_header_bytes = 1000;
  const HttpOutcome headers = FetchFrom(
      [](LoopbackConnection& connection) {
        connection.ReadRequest();
        connection.Answer("200 OK", "x", absl::StrCat("X-Long: ", std::string(1000, 'a'), "\r\n"));
      },
      request);
  EXPECT_EQ(headers.failure, HttpFailure::kTooLarge);
  EXPECT_EQ(headers.head.status, 0);
}

TEST_F(HttpClientTest, NamesThatDoNotResolveAndPortsWhereNobodyListensAreToldApart) {
  Start();
  // A label that no resolver takes: no query leaves the machine.
  EXPECT_EQ(Fetch(*client_, Get(absl::StrCat("http://", std::string(64, 'a'), ".invalid/"))).failure,
            HttpFailure::kNotResolved);
  std::string url;
  {
    LoopbackServer gone([](LoopbackConnection&) {});
    url = gone.url("/?key=hidden");
  }
  const HttpOutcome refused = Fetch(*client_, Get(url));
  EXPECT_EQ(refused.failure, HttpFailure::kRefused);
  EXPECT_THAT(refused.ToStatus(), IsError("HTTP_REFUSED"));
  EXPECT_THAT(refused.detail, Not(HasSubstr("hidden")));
}

TEST_F(HttpClientTest, NeverConnectsToLinkLocalAddressesWhenToldSoHoweverTheyAreWritten) {
  HttpClientOptions options;
  options.refuse_link_local = true;
  Start(options);
  for (const char* url : {"http://169.254.169.254/latest/", "http://2852039166/", "http://0xa9.0xfe.1.1:80/",
                          "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"}) {
    const HttpOutcome outcome = Fetch(*client_, Get(url));
    EXPECT_EQ(outcome.failure, HttpFailure::kRefused) << url;
    EXPECT_THAT(outcome.detail, HasSubstr("link-local")) << url;
  }
  LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Answer("200 OK", "fine");
  });
  EXPECT_TRUE(Fetch(*client_, Get(server.url())).ok());
}

TEST_F(HttpClientTest, AnEndBeforeTheHeadersIsAResetAndWithinTheBodyATruncation) {
  EXPECT_EQ(FetchFrom([](LoopbackConnection& connection) { connection.ReadRequest(); }).failure, HttpFailure::kReset);
  EXPECT_EQ(FetchFrom([](LoopbackConnection& connection) {
              connection.ReadRequest();
              connection.Reset();
            }).failure,
            HttpFailure::kReset);
  EXPECT_EQ(FetchFrom([](LoopbackConnection& connection) {
              connection.ReadRequest();
              connection.Write("HTTP/1.1 200 OK\r\nContent-Le");
            }).failure,
            HttpFailure::kReset);
  const HttpOutcome cut = FetchFrom([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789");
  });
  EXPECT_EQ(cut.failure, HttpFailure::kTruncated);
  EXPECT_EQ(cut.head.status, 200);
  EXPECT_EQ(cut.body, "0123456789");
  EXPECT_EQ(FetchFrom([](LoopbackConnection& connection) {
              connection.ReadRequest();
              connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n");
            }).failure,
            HttpFailure::kTruncated);
}

TEST_F(HttpClientTest, WhatIsNotHttpIsAProtocolFailure) {
  EXPECT_EQ(FetchFrom([](LoopbackConnection& connection) {
              connection.ReadRequest();
              connection.Write("220 mail.example ESMTP\r\n");
            }).failure,
            HttpFailure::kProtocol);
}

TEST_F(HttpClientTest, EachPhaseHasItsOwnLimit) {
  Tally asked;
  LoopbackServer silent([&asked](LoopbackConnection& connection) {
    connection.ReadRequest();
    asked.Add();
    connection.WaitForClose();
  });
  LoopbackServer stalls([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    connection.WaitForClose();
  });
  LoopbackServer accepts_only([&asked](LoopbackConnection& connection) {
    asked.Add();
    connection.WaitForClose();
  });
  Start();
  HttpTimeouts timeouts;
  timeouts.connect = absl::Seconds(2);
  timeouts.first_byte = absl::Seconds(20);
  timeouts.idle = absl::Seconds(5);
  timeouts.total = absl::Seconds(100);
  const auto with_limits = [&timeouts](std::string url) {
    HttpRequest request = Get(std::move(url));
    request.timeouts = timeouts;
    return request;
  };

  Exchange handshake;
  Send(handshake, with_limits(accepts_only.url("/", "https")));
  asked.WaitFor(1);
  Advance(absl::Seconds(2));
  EXPECT_EQ(handshake.Wait().failure, HttpFailure::kConnectTimeout);

  Exchange first_byte;
  Send(first_byte, with_limits(silent.url()));
  asked.WaitFor(2);
  Advance(absl::Seconds(19));
  EXPECT_EQ(first_byte.ended.count(), 0);
  Advance(absl::Seconds(1));
  EXPECT_EQ(first_byte.Wait().failure, HttpFailure::kFirstByteTimeout);
  EXPECT_EQ(first_byte.outcome.timings.total, absl::Seconds(20));

  Exchange idle;
  Send(idle, with_limits(stalls.url()), /*streams=*/true);
  idle.chunks.WaitFor(1);
  Advance(absl::Seconds(5));
  EXPECT_EQ(idle.Wait().failure, HttpFailure::kIdleTimeout);
  EXPECT_EQ(idle.outcome.head.status, 200);

  timeouts.idle = absl::InfiniteDuration();
  Exchange total;
  Send(total, with_limits(stalls.url()), /*streams=*/true);
  total.chunks.WaitFor(1);
  Advance(absl::Seconds(100));
  EXPECT_EQ(total.Wait().failure, HttpFailure::kTotalTimeout);
}

TEST_F(HttpClientTest, HeadersAloneDoNotEndTheWaitForTheFirstByte) {
  LoopbackServer server([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.WaitForClose();
  });
  Start();
  HttpRequest request = Get(server.url());
  request.timeouts.idle = absl::Seconds(1);
  request.timeouts.first_byte = absl::Seconds(30);
  Exchange exchange;
  Tally heads;
  HttpCallbacks callbacks = exchange.Callbacks();
  callbacks.on_head = [&heads](const HttpHead&) {
    heads.Add();
    return true;
  };
  SY_ASSERT_OK(client_->Send(request, std::move(callbacks)));
  heads.WaitFor(1);
  Advance(absl::Seconds(29));
  EXPECT_EQ(exchange.ended.count(), 0);
  Advance(absl::Seconds(1));
  EXPECT_EQ(exchange.Wait().failure, HttpFailure::kFirstByteTimeout);
  EXPECT_EQ(exchange.outcome.head.status, 200);
}

TEST_F(HttpClientTest, CancelClosesTheConnection) {
  Tally asked;
  Tally closed;
  LoopbackServer server([&](LoopbackConnection& connection) {
    connection.ReadRequest();
    asked.Add();
    connection.WaitForClose();
    closed.Add();
  });
  Start();
  Exchange exchange;
  Send(exchange, Get(server.url()));
  asked.WaitFor(1);
  client_->Cancel(exchange.id);
  client_->Cancel(exchange.id);
  EXPECT_EQ(exchange.Wait().failure, HttpFailure::kCancelled);
  closed.WaitFor(1);
  client_->Cancel(exchange.id);
  EXPECT_EQ(client_->in_flight(), 0u);
}

TEST_F(HttpClientTest, AReaderThatHasEnoughEndsTheExchange) {
  Tally closed;
  LoopbackServer server([&closed](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Write("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    connection.WaitForClose();
    closed.Add();
  });
  Start();
  for (const bool at_head : {true, false}) {
    Exchange exchange;
    HttpCallbacks callbacks = exchange.Callbacks();
    if (at_head) {
      callbacks.on_head = [](const HttpHead&) { return false; };
    } else {
      callbacks.on_chunk = [](std::string_view) { return false; };
    }
    SY_ASSERT_OK(client_->Send(Get(server.url()), std::move(callbacks)));
    EXPECT_EQ(exchange.Wait().failure, HttpFailure::kCancelled);
    EXPECT_EQ(exchange.outcome.head.status, 200);
  }
  closed.WaitFor(2);
}

TEST_F(HttpClientTest, RequestsBeyondThePlacesOfAnOriginWaitAndBeyondTheQueueAreRefused) {
  Tally asked;
  Tally let_go;
  LoopbackServer server([&](LoopbackConnection& connection) {
    while (!connection.ReadRequest().empty()) {
      asked.Add();
      let_go.WaitFor(1);
      connection.Answer("200 OK", "x");
    }
  });
  LoopbackServer other([](LoopbackConnection& connection) {
    connection.ReadRequest();
    connection.Answer("200 OK", "other");
  });
  HttpClientOptions options;
  options.max_per_origin = 1;
  options.max_queued = 2;
  Start(options);
  Exchange first;
  Exchange second;
  Exchange third;
  Exchange fourth;
  Send(first, Get(server.url()));
  asked.WaitFor(1);
  Send(second, Get(server.url()));
  HttpRequest impatient = Get(server.url());
  impatient.timeouts.queue = absl::Seconds(3);
  Send(third, impatient);
  EXPECT_EQ(client_->queued(), 2u);
  EXPECT_EQ(client_->in_flight(), 1u);
  EXPECT_THAT(metrics_.Text(), HasSubstr("switchyard_http_queued 2"));
  EXPECT_THAT(client_->Send(Get(server.url()), fourth.Callbacks()), IsError("HTTP_QUEUE_FULL"));
  Advance(absl::Seconds(3));
  EXPECT_EQ(third.Wait().failure, HttpFailure::kQueueTimeout);
  // Another origin has places of its own.
  EXPECT_EQ(Fetch(*client_, Get(other.url())).body, "other");
  EXPECT_EQ(asked.count(), 1);
  let_go.Add();
  EXPECT_TRUE(first.Wait().ok());
  EXPECT_TRUE(second.Wait().ok());
  EXPECT_EQ(second.outcome.timings.queued, absl::Seconds(3));
  EXPECT_EQ(server.accepted(), 1);
  EXPECT_THAT(metrics_.Text(), HasSubstr("switchyard_http_requests_total{outcome=\"queue_timeout\"} 1"));
  EXPECT_THAT(metrics_.Text(), HasSubstr("switchyard_http_requests_total{outcome=\"answered\"} 3"));
}

TEST_F(HttpClientTest, NeverMoreAtOnceThanTheOriginHasPlaces) {
  Mutex mutex;
  int now = 0;
  int most = 0;
  LoopbackServer server([&](LoopbackConnection& connection) {
    while (!connection.ReadRequest().empty()) {
      {
        MutexLock lock(mutex);
        most = std::max(most, ++now);
      }
      {
        MutexLock lock(mutex);
        --now;
      }
      connection.Answer("200 OK", "x");
    }
  });
  HttpClientOptions options;
  options.max_per_origin = 4;
  Start(options);
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (int i = 0; i < 200; ++i) {
    exchanges.push_back(std::make_unique<Exchange>());
    Send(*exchanges.back(), Get(server.url()));
  }
  for (const auto& exchange : exchanges) EXPECT_TRUE(exchange->Wait().ok()) << exchange->outcome.detail;
  EXPECT_LE(most, 4);
  EXPECT_LE(server.accepted(), 4);
}

// A connection that was answered once and dies at its second request, as when a server just gave it up.
TEST_F(HttpClientTest, OnlyWhatIsSafeToRepeatIsSentAgainAfterAKeptConnectionDied) {
  for (const bool post : {false, true}) {
    Tally requests;
    LoopbackServer server([&requests](LoopbackConnection& connection) {
      if (connection.ReadRequest().empty()) return;
      requests.Add();
      connection.Answer("200 OK", "x");
      if (!connection.ReadRequest().empty()) requests.Add();
    });
    Start();
    EXPECT_TRUE(Fetch(*client_, Get(server.url())).ok());
    const HttpOutcome outcome = Fetch(*client_, post ? Post(server.url(), "pay") : Get(server.url()));
    EXPECT_EQ(outcome.failure, post ? HttpFailure::kReset : HttpFailure::kNone) << outcome.detail;
    EXPECT_EQ(requests.count(), post ? 2 : 3);
    client_.reset();
  }
}

TEST_F(HttpClientTest, CallbacksMaySendAndCancel) {
  LoopbackServer server([](LoopbackConnection& connection) {
    while (!connection.ReadRequest().empty()) connection.Answer("200 OK", "x");
  });
  Start();
  Exchange inner;
  Exchange outer;
  HttpCallbacks callbacks = outer.Callbacks();
  callbacks.on_head = [&](const HttpHead&) {
    inner.id = *client_->Send(Get(server.url()), inner.Callbacks());
    client_->Cancel(inner.id);
    return true;
  };
  SY_ASSERT_OK(client_->Send(Get(server.url()), std::move(callbacks)));
  EXPECT_TRUE(outer.Wait().ok());
  EXPECT_EQ(inner.Wait().failure, HttpFailure::kCancelled);
}

TEST_F(HttpClientTest, StopEndsEverythingAndRefusesMore) {
  Tally asked;
  LoopbackServer server([&asked](LoopbackConnection& connection) {
    connection.ReadRequest();
    asked.Add();
    connection.WaitForClose();
  });
  HttpClientOptions options;
  options.max_per_origin = 1;
  Start(options);
  Exchange running;
  Exchange waiting;
  Send(running, Get(server.url()));
  Send(waiting, Get(server.url()));
  asked.WaitFor(1);
  client_->Stop();
  EXPECT_EQ(running.ended.count(), 1);
  EXPECT_EQ(waiting.ended.count(), 1);
  EXPECT_EQ(running.outcome.failure, HttpFailure::kCancelled);
  EXPECT_THAT(client_->Send(Get(server.url()), {}), IsError("SHUTTING_DOWN"));
  EXPECT_EQ(client_->queued() + client_->in_flight(), 0u);
}

TEST_F(HttpClientTest, AClientThatNeverStartedStillAnswersWhatItTook) {
  client_ = std::make_unique<HttpClient>(clock_, HttpClientOptions{});
  Exchange exchange;
  Send(exchange, Get("http://127.0.0.1:1/"));
  client_->Stop();
  EXPECT_EQ(exchange.ended.count(), 1);
  EXPECT_EQ(exchange.outcome.failure, HttpFailure::kCancelled);
}

TEST_F(HttpClientTest, ProxiesOfTheEnvironmentCountOnlyWhenAskedFor) {
  std::string seen;
  LoopbackServer server([&seen](LoopbackConnection& connection) {
    seen = connection.ReadRequest();
    connection.Answer("200 OK", "x");
  });
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  Start();
  EXPECT_TRUE(Fetch(*client_, Get(server.url())).ok());
  setenv("http_proxy", server.url("").c_str(), 1);
  HttpClientOptions options;
  options.proxy_from_environment = true;
  client_.reset();
  Start(options);
  EXPECT_TRUE(Fetch(*client_, Get("http://model.invalid/tags")).ok());
  unsetenv("http_proxy");
  EXPECT_THAT(seen, HasSubstr("GET http://model.invalid/tags"));
}

TEST_F(HttpClientTest, OnlyCertificatesOfAKnownAuthorityForThatHostAreTrusted) {
  const switchyard::testing::TempDir folder;
  // The certificate's dates are checked against the host's own clock.
  const absl::Time now = DisciplinedClock().Now();
  SY_ASSERT_OK(tls::InitFolder(folder.path() + "/tls",
                               {{.name = "good", .hosts = {"127.0.0.1"}}, {.name = "other", .hosts = {"a.example"}}},
                               now));
  const auto serve = [](LoopbackConnection& connection) {
    if (!connection.ReadRequest().empty()) connection.Answer("200 OK", "x");
  };
  const std::string base = folder.path() + "/tls/";
  LoopbackServer good(serve, base + "good.crt", base + "good.key");
  LoopbackServer other(serve, base + "other.crt", base + "other.key");
  LoopbackServer plain([](LoopbackConnection& connection) { connection.Write("HTTP/1.1 200 OK\r\n\r\n"); });
  Start();
  EXPECT_EQ(Fetch(*client_, Get(good.url("/", "https"))).failure, HttpFailure::kTls);
  HttpClientOptions options;
  options.ca_file = base + "ca.crt";
  client_.reset();
  Start(options);
  const HttpOutcome trusted = Fetch(*client_, Get(good.url("/", "https")));
  EXPECT_TRUE(trusted.ok()) << trusted.detail;
  EXPECT_EQ(Fetch(*client_, Get(other.url("/", "https"))).failure, HttpFailure::kTls);
  EXPECT_EQ(Fetch(*client_, Get(plain.url("/", "https"))).failure, HttpFailure::kTls);
}

}  // namespace
}  // namespace switchyard::http
