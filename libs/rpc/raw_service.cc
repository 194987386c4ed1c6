#include "libs/rpc/raw_service.h"

#include <cstdlib>

#include "libs/base/log.h"

namespace switchyard::rpc {

const google::protobuf::MethodDescriptor& MethodTaking(const google::protobuf::Descriptor& request) {
  const google::protobuf::FileDescriptor& file = *request.file();
  for (int i = 0; i < file.service_count(); ++i) {
    const google::protobuf::ServiceDescriptor& service = *file.service(i);
    for (int j = 0; j < service.method_count(); ++j) {
      if (service.method(j)->input_type() == &request) return *service.method(j);
    }
  }
  LogError("no method takes this request", {{"request", request.full_name()}});
  std::abort();
}

}  // namespace switchyard::rpc
