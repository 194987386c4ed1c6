#include "libs/rpc/wire_faults.h"

#include <gmock/gmock.h>
#include <google/protobuf/field_mask.pb.h>
#include <google/protobuf/struct.pb.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "libs/base/random.h"
#include "libs/rpc/handler.h"
#include "libs/rpc/raw_service.h"
#include "libs/rpc/status_convert.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/status_matchers.h"
#include "switchyard/testing/v1/echo.grpc.pb.h"

namespace switchyard::rpc {
namespace {

using ::google::protobuf::Struct;
using ::switchyard::testing::IsError;
using ::switchyard::testing::IsOk;
using ::switchyard::testing::RpcTestServer;
using ::switchyard::testing::v1::EchoRequest;
using ::switchyard::testing::v1::EchoResponse;
using ::switchyard::testing::v1::EchoService;
using ::switchyard::testing::v1::WatchEchoRequest;
using ::switchyard::testing::v1::WatchEchoResponse;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// What the message is on the wire, with "QQQQ" made a text that no parser takes.
std::string Broken(const google::protobuf::Message& message) {
  std::string bytes = message.SerializeAsString();
  for (std::size_t at = bytes.find("QQQQ"); at != std::string::npos; at = bytes.find("QQQQ")) {
    bytes.replace(at, 4, "\xff\xfeQ\xc3");
  }
  return bytes;
}

std::vector<std::string> FieldsOf(const google::protobuf::Message& message) {
  std::vector<std::string> fields;
  for (const FieldViolation& fault : WireFaults(*message.GetDescriptor(), Broken(message))) {
    fields.push_back(fault.field);
  }
  return fields;
}

TEST(WireFaultsTest, NamesEveryTextThatIsNotUtf8) {
  google::protobuf::FieldMask mask;
  for (const char* path : {"a", "QQQQ", "b", "xQQQQ"}) mask.add_paths(path);
  EXPECT_THAT(FieldsOf(mask), ElementsAre("paths[1]", "paths[3]"));
}

TEST(WireFaultsTest, NamesEntriesOfMapsByTheirKeys) {
  Struct message;
  (*message.mutable_fields())["plain"].set_string_value("QQQQ");
  (*message.mutable_fields())["QQQQ"].set_string_value("fine");
  (*(*message.mutable_fields())["deep"].mutable_struct_value()->mutable_fields())["er"].set_string_value("QQQQ");
  (*message.mutable_fields())["fine"].set_number_value(1);
  EXPECT_THAT(FieldsOf(message), UnorderedElementsAre("fields[\"plain\"].string_value", "fields",
                                                      "fields[\"deep\"].struct_value.fields[\"er\"].string_value"));
}

TEST(WireFaultsTest, BytesThatAreNoMessageAreOneFaultWithoutAField) {
  for (const std::string& bytes :
       {std::string("\x0a\x7f"), std::string("\x0a"), std::string("\x07"), std::string("\0", 1)}) {
    EXPECT_THAT(WireFaults(*EchoRequest::descriptor(), bytes), ElementsAre(Field(&FieldViolation::field, IsEmpty())));
  }
}

TEST(WireFaultsTest, KeepsAHundred) {
  google::protobuf::FieldMask mask;
  for (int i = 0; i < 1000; ++i) mask.add_paths("QQQQ");
  EXPECT_THAT(FieldsOf(mask), SizeIs(100));
}

TEST(WireFaultsTest, EndsWithAFaultWhateverTheBytesAre) {
  Struct message;
  (*message.mutable_fields())["plain"].set_string_value("QQQQ");
  (*(*message.mutable_fields())["deep"].mutable_struct_value()->mutable_fields())["er"].set_string_value("QQQQ");
  const std::string whole = Broken(message);
  const auto rng = MakeSeededRng(11);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = whole.substr(0, rng->Below(whole.size() + 1));
    for (int change = 0; change < 3 && !bytes.empty(); ++change) {
      bytes[rng->Below(bytes.size())] = static_cast<char>(rng->Below(256));
    }
    EXPECT_FALSE(WireFaults(*Struct::descriptor(), bytes).empty());
  }
}

class RawEcho final : public RawService<EchoService::CallbackService> {
 public:
  explicit RawEcho(CallGate& gate) : rpc_(gate, EchoService::service_full_name()) {
    TakeRaw(rpc_, &RawEcho::Echo, &RawEcho::WatchEcho);
  }
  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoResponse* response) override {
    return rpc_.Unary(context, echo_, request, response,
                      [](const CallContext&, const EchoRequest& request, EchoResponse& response, Done done) {
                        response.set_text(request.text());
                        done(request.text() == "no" ? absl::NotFoundError("no") : absl::OkStatus());
                      });
  }
  grpc::ServerWriteReactor<WatchEchoResponse>* WatchEcho(grpc::CallbackServerContext* context,
                                                         const WatchEchoRequest* request) override {
    return rpc_.Stream<WatchEchoResponse>(
        context, watch_, request, StreamLimits{},
        [](const CallContext&, const WatchEchoRequest&, const std::shared_ptr<ServerStream<WatchEchoResponse>>&) {
          return absl::OutOfRangeError("that was all");
        });
  }

 private:
  Handlers rpc_;
  const Method& echo_ = rpc_.Find("Echo");
  const Method& watch_ = rpc_.Find("WatchEcho");
};

class RawServiceTest : public ::testing::Test {
 protected:
  RawServiceTest() : echo_(server_.gate()) {
    server_.Register(echo_, EchoService::service_full_name());
    server_.Start();
    stub_ = EchoService::NewStub(server_.channel());
  }
  ~RawServiceTest() override {
    stub_ = nullptr;
    server_.Stop();
  }
  absl::Status Echo(std::string_view token, const std::string& text, std::string* answer = nullptr) {
    grpc::ClientContext context;
    server_.caller(token).Prepare(context, absl::Seconds(10), std::nullopt);
    EchoRequest request;
    request.set_text(text);
    EchoResponse response;
    const grpc::Status status = stub_->Echo(&context, request, &response);
    if (answer != nullptr) *answer = response.text();
    return FromGrpcStatus(status);
  }

  absl::Status Watch(std::string_view token, const std::string& text) {
    grpc::ClientContext context;
    server_.caller(token).Prepare(context, absl::Seconds(10), std::nullopt);
    WatchEchoRequest request;
    request.set_text(text);
    WatchEchoResponse response;
    const auto reader = stub_->WatchEcho(&context, request);
    while (reader->Read(&response)) {
    }
    return FromGrpcStatus(reader->Finish());
  }

  RpcTestServer server_;
  RawEcho echo_;
  std::unique_ptr<EchoService::Stub> stub_;
};

TEST_F(RawServiceTest, AnswersLikeAnyOtherMethod) {
  std::string answer;
  EXPECT_THAT(Echo("read-token", "hello", &answer), IsOk());
  EXPECT_EQ(answer, "hello");
  EXPECT_EQ(Echo("read-token", "no").code(), absl::StatusCode::kNotFound);
}

TEST_F(RawServiceTest, TextThatIsNotUtf8IsAnInvalidFieldOfThoseWhoMayCall) {
  const absl::Status status = Echo("read-token", "\xff\xfe");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  EXPECT_THAT(DetailsOf(status).violations, ElementsAre(FieldViolation{"text", "must be UTF-8"}));
  EXPECT_THAT(Echo("unknown", "\xff\xfe"), IsError("TOKEN_INVALID"));
}

TEST_F(RawServiceTest, StreamsAreRefusedInTheSameWay) {
  EXPECT_EQ(Watch("read-token", "hello").code(), absl::StatusCode::kOutOfRange);
  const absl::Status status = Watch("read-token", "\xff\xfe");
  EXPECT_THAT(status, IsError("INVALID_FIELD"));
  EXPECT_THAT(DetailsOf(status).violations, ElementsAre(FieldViolation{"text", "must be UTF-8"}));
  EXPECT_THAT(Watch("unknown", "\xff\xfe"), IsError("TOKEN_INVALID"));
}

}  // namespace
}  // namespace switchyard::rpc
