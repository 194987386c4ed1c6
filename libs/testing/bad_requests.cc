#include "libs/testing/bad_requests.h"

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>

#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "libs/base/status.h"
#include "libs/rpc/status_convert.h"

namespace switchyard::testing {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::FieldDescriptor;

constexpr int kLengthDelimited = 2;

std::string Varint(unsigned value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

// A message of that type whose only text, at whatever depth, is not UTF-8. Absent when it has none.
std::optional<std::string> BadText(const Descriptor& type, std::set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return std::nullopt;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    std::optional<std::string> inner;
    if (field.type() == FieldDescriptor::TYPE_STRING) inner = "\xff\xfe";
    if (field.type() == FieldDescriptor::TYPE_MESSAGE) inner = BadText(*field.message_type(), seen);
    if (!inner.has_value()) continue;
    return absl::StrCat(Varint((static_cast<unsigned>(field.number()) << 3) | kLengthDelimited),
                        Varint(static_cast<unsigned>(inner->size())), *inner);
  }
  return std::nullopt;
}

absl::Status CallWith(RpcTestServer& server, const std::string& path, std::string_view token,
                      const std::string& bytes) {
  grpc::GenericStub stub(server.channel());
  grpc::ClientContext context;
  server.caller(token).Prepare(context, absl::Seconds(10), std::nullopt);
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status answer;
  absl::Notification answered;
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response, [&](grpc::Status status) {
    answer = std::move(status);
    answered.Notify();
  });
  answered.WaitForNotification();
  return rpc::FromGrpcStatus(answer);
}

}  // namespace

std::vector<std::string> WronglyAnsweredBadRequests(RpcTestServer& server,
                                                    const google::protobuf::ServiceDescriptor& service,
                                                    std::string_view token) {
  std::vector<std::string> wrong;
  for (int i = 0; i < service.method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *service.method(i);
    const auto check = [&](const std::string& bytes, bool text) {
      const std::string path = absl::StrCat("/", service.full_name(), "/", method.name());
      const absl::Status status = CallWith(server, path, token, bytes);
      const std::vector<FieldViolation> violations = DetailsOf(status).violations;
      if (absl::IsInvalidArgument(status) && ReasonOf(status) == "INVALID_FIELD" && violations.size() == 1 &&
          violations[0].field.empty() != text) {
        return;
      }
      wrong.push_back(absl::StrCat(method.name(), ", ", text ? "text that is not UTF-8" : "no message", ": ",
                                   status.ToString(), ", ", violations.size(), " violations"));
    };
    std::set<const Descriptor*> seen;
    if (const std::optional<std::string> bytes = BadText(*method.input_type(), seen); bytes.has_value()) {
      check(*bytes, /*text=*/true);
    }
    check("\x07", /*text=*/false);
  }
  return wrong;
}

}  // namespace switchyard::testing
