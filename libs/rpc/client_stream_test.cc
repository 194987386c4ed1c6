#include "libs/rpc/client_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "libs/rpc/echo_service.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"

namespace switchyard::rpc {
namespace {

using ::switchyard::testing::RpcTestServer;
using ::testing::ElementsAre;
using Stream = ServerStream<WatchEchoResponse>;

class ClientStreamTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.emplace();
    echo_.emplace(server_->gate());
    echo_->watch = [this](const CallContext&, const WatchEchoRequest&, std::shared_ptr<Stream> stream) {
      MutexLock lock(mutex_);
      opened_.push_back(std::move(stream));
      changed_.NotifyAll();
      return absl::OkStatus();
    };
    server_->Register(*echo_, EchoService::service_full_name());
    server_->Start();
    stub_ = EchoService::NewStub(server_->channel());
    client_.emplace(
        server_->caller("read-token"),
        [this](grpc::ClientContext* context, const WatchEchoRequest* request, auto* reactor) {
          stub_->async()->WatchEcho(context, request, reactor);
        },
        Client::Events{.on_open =
                           [this] {
                             Note("open");
                             return WatchEchoRequest();
                           },
                       .on_message = [this](WatchEchoResponse& message) { Note(message.text()); },
                       .on_end = [this](const absl::Status& status) { Note(status.ok() ? "end" : "failed"); }},
        ReopenPolicy{.initial = absl::Milliseconds(1), .max = absl::Milliseconds(5), .growth = 2});
  }
  void TearDown() override {
    client_.reset();
    stub_ = nullptr;
    {
      MutexLock lock(mutex_);
      opened_.clear();
    }
    server_->Stop();
    echo_.reset();
    server_.reset();
  }

  void Note(const std::string& what) {
    MutexLock lock(mutex_);
    notes_.push_back(what);
    changed_.NotifyAll();
  }
  std::shared_ptr<Stream> AwaitStream(std::size_t count) {
    MutexLock lock(mutex_);
    while (opened_.size() < count) changed_.Wait(mutex_);
    return opened_[count - 1];
  }
  std::vector<std::string> AwaitNotes(std::size_t count) {
    MutexLock lock(mutex_);
    while (notes_.size() < count) changed_.Wait(mutex_);
    return notes_;
  }
  static WatchEchoResponse Message(const std::string& text) {
    WatchEchoResponse message;
    message.set_text(text);
    return message;
  }

  using Client = ResumingStream<WatchEchoRequest, WatchEchoResponse>;
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::shared_ptr<Stream>> opened_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> notes_ ABSL_GUARDED_BY(mutex_);
  std::optional<RpcTestServer> server_;
  std::optional<EchoRpc> echo_;
  std::unique_ptr<EchoService::Stub> stub_;
  std::optional<Client> client_;
};

TEST_F(ClientStreamTest, OpensAgainAfterTheEnd) {
  client_->Start();
  AwaitStream(1)->Offer(Message("one"));
  AwaitNotes(2);
  AwaitStream(1)->CloseWith(absl::UnavailableError("gone"));
  AwaitStream(2)->Offer(Message("two"));
  EXPECT_THAT(AwaitNotes(5), ElementsAre("open", "one", "failed", "open", "two"));
}

TEST_F(ClientStreamTest, ReopensOnRequest) {
  client_->Start();
  AwaitStream(1)->Offer(Message("one"));
  AwaitNotes(2);
  client_->Reopen();
  AwaitStream(2)->Offer(Message("two"));
  EXPECT_THAT(AwaitNotes(5), ElementsAre("open", "one", "failed", "open", "two"));
}

TEST_F(ClientStreamTest, NothingComesAfterStop) {
  client_->Start();
  const std::shared_ptr<Stream> stream = AwaitStream(1);
  client_->Stop();
  stream->Offer(Message("late"));
  client_->Stop();
  EXPECT_THAT(AwaitNotes(1), ElementsAre("open"));
}

TEST_F(ClientStreamTest, StoppingWhileItWaitsToOpenEndsIt) {
  client_->Start();
  AwaitStream(1)->CloseWith(absl::OkStatus());
  AwaitNotes(2);
  client_->Stop();
  server_->Stop();
}

TEST_F(ClientStreamTest, KeepsTryingWhileTheServerIsAway) {
  server_->Stop();
  client_->Start();
  AwaitNotes(6);
  client_->Stop();
}

}  // namespace
}  // namespace switchyard::rpc
