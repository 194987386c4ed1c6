#include "libs/rpc/status_convert.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/clean_text.h"

namespace switchyard::rpc {
namespace {

constexpr std::size_t kMaxMessage = 1024;
constexpr std::size_t kMaxValue = 256;
constexpr std::size_t kMaxMetadata = 16;
// Of all details together; on the wire they grow by a third.
constexpr std::size_t kMaxDetails = 3584;

void Pack(const google::protobuf::Message& message, google::rpc::Status& into) {
  into.add_details()->PackFrom(message);
}

void AddViolations(const ErrorDetails& details, google::rpc::ErrorInfo& info, google::rpc::BadRequest& bad_request) {
  std::size_t room = kMaxDetails - std::min(kMaxDetails, info.ByteSizeLong() + 256);
  std::size_t taken = 0;
  for (const FieldViolation& violation : details.violations) {
    google::rpc::BadRequest::FieldViolation one;
    one.set_field(CleanText(violation.field, kMaxValue));
    one.set_description(CleanText(violation.description, kMaxValue));
    const std::size_t size = one.ByteSizeLong() + 4;
    if (size > room) break;
    room -= size;
    ++taken;
    *bad_request.add_field_violations() = std::move(one);
  }
  if (taken < details.violations.size()) {
    (*info.mutable_metadata())["violations_omitted"] = absl::StrCat(details.violations.size() - taken);
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status, std::string_view domain) {
  if (status.ok()) return grpc::Status();
  const ErrorDetails details = DetailsOf(status);
  const std::string message = CleanText(ToStd(status.message()), kMaxMessage);

  google::rpc::ErrorInfo info;
  info.set_reason(details.reason.empty() ? absl::StatusCodeToString(status.code()) : details.reason);
  info.set_domain(std::string(domain));
  std::size_t entries = 0;
  for (const auto& [key, value] : details.metadata) {
    if (++entries > kMaxMetadata || info.ByteSizeLong() > kMaxDetails / 2) break;
    (*info.mutable_metadata())[CleanText(key, 64)] = CleanText(value, kMaxValue);
  }
  google::rpc::BadRequest bad_request;
  AddViolations(details, info, bad_request);

  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  // The message travels in grpc-message too; here a short form keeps both within the limit.
  wire.set_message(CleanText(message, kMaxValue));
  Pack(info, wire);
  if (bad_request.field_violations_size() > 0) Pack(bad_request, wire);
  if (details.retry_after > absl::ZeroDuration()) {
    google::rpc::RetryInfo retry;
    absl::Duration rest = std::min(details.retry_after, absl::Hours(24));
    const std::int64_t seconds = absl::IDivDuration(rest, absl::Seconds(1), &rest);
    retry.mutable_retry_delay()->set_seconds(seconds);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(rest)));
    Pack(retry, wire);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message, wire.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status wire;
  ErrorDetails details;
  if (!status.error_details().empty() && wire.ParseFromString(status.error_details())) {
    for (const google::protobuf::Any& any : wire.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad_request;
      google::rpc::RetryInfo retry;
      if (any.Is<google::rpc::ErrorInfo>() && any.UnpackTo(&info)) {
        details.reason = info.reason();
        for (const auto& [key, value] : info.metadata()) details.metadata.emplace_back(key, value);
        std::sort(details.metadata.begin(), details.metadata.end());
      } else if (any.Is<google::rpc::BadRequest>() && any.UnpackTo(&bad_request)) {
        for (const auto& one : bad_request.field_violations()) {
          details.violations.push_back({.field = one.field(), .description = one.description()});
        }
      } else if (any.Is<google::rpc::RetryInfo>() && any.UnpackTo(&retry)) {
        details.retry_after =
            absl::Seconds(retry.retry_delay().seconds()) + absl::Nanoseconds(retry.retry_delay().nanos());
      }
    }
  }
  if (details.reason.empty() && details.violations.empty() && details.retry_after == absl::ZeroDuration()) {
    return absl::Status(code, status.error_message());
  }
  return MakeError(code, status.error_message(), std::move(details));
}

}  // namespace switchyard::rpc
