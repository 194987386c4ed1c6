// Whatever parses as a request is either refused with bounded words or becomes a record that can be stored and read
// back.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "absl/time/time.h"
#include "libs/text/utf8.h"
#include "services/task_queue/command_convert.h"
#include "services/task_queue/record_codec.h"
#include "services/task_queue/request_validation.h"
#include "services/task_queue/spec_convert.h"
#include "services/task_queue/spec_validation.h"
#include "services/task_queue/task_convert.h"

namespace {

using namespace switchyard;              // NOLINT: one short program
using namespace switchyard::task_queue;  // NOLINT

const absl::Time kNow = absl::FromUnixSeconds(1'790'000'000);

void Demand(bool holds) {
  if (!holds) std::abort();
}

void TrySpec(std::string_view bytes) {
  v1::TaskSpec spec;
  if (!spec.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const std::vector<FieldViolation> faults = ValidateSpec(spec, "spec", kNow);
  Demand(faults.size() <= FaultList::kBound + 1);
  for (const FieldViolation& fault : faults) {
    Demand(!fault.description.empty() && fault.field.size() < 300 && fault.description.size() < 400);
    Demand(text::IsValidUtf8(fault.field));
  }
  if (!faults.empty()) return;
  NewTask task;
  task.content_hash = ContentHash(spec);
  ApplyDefaults(&spec);
  Demand(!spec.project().empty() && spec.lane() != 0 && ValidateSpec(spec, "spec", kNow).empty());
  FillFromSpec(spec, &task);
  const auto back = DecodeRecord(EncodeRecord(task.record));
  Demand(back.ok() && back->matching == task.record.matching && back->awaits.size() == task.record.awaits.size());
  v1::ReadyTask ready;
  Demand(ToProto(task.record, &ready).ok());
}

void TryReport(std::string_view bytes) {
  v1::TaskReport report;
  if (!report.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto command = ToCommand(report);
  Demand(command.ok() || command.status().code() == absl::StatusCode::kInvalidArgument);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 4) {
    case 0:
      TrySpec(bytes);
      break;
    case 1:
      TryReport(bytes);
      break;
    case 2:
      (void)DecodeRecord(bytes).ok();
      break;
    default:
      (void)DecodeEventBatch(bytes).ok();
  }
  return 0;
}
