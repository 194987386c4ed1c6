#include "libs/app/version.h"

#include <grpcpp/grpcpp.h>

#include "absl/strings/str_cat.h"
#include "google/protobuf/stubs/common.h"
#include "libs/base/strings.h"

namespace switchyard::app {

std::string_view Version() { return SWITCHYARD_VERSION; }

std::string VersionLine(std::string_view program) {
  return absl::StrCat(ToAbsl(program), " ", SWITCHYARD_VERSION, " (gRPC ", grpc::Version(), ", protobuf ",
                      google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION), ")");
}

}  // namespace switchyard::app
