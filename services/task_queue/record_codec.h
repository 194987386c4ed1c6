// What the database holds of a task, as bytes: switchyard.task_queue.stored.v1. Times keep microseconds, times outside
// the years of absl::Time's microseconds become infinite. Thread-safe; buffers are kept per thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/task_queue/task.h"
#include "services/task_queue/task_store.h"

namespace switchyard::task_queue {

// A fresh task takes about 50 bytes and its `matching`.
std::string EncodeRecord(const TaskRecord& record);
// DATA_LOSS, STORED_DATA_CORRUPT, for anything that EncodeRecord did not write. Fields of later versions are ignored.
absl::StatusOr<TaskRecord> DecodeRecord(std::string_view bytes);
// For those who read many rows: one that cannot be read is logged and left out.
std::optional<TaskRecord> Readable(const TaskId& id, std::string_view bytes);

// In the order given; events of one task that stand together cost the least.
std::string EncodeEventBatch(absl::Span<const PublishedEvent> events);
absl::StatusOr<std::vector<PublishedEvent>> DecodeEventBatch(std::string_view bytes);

}  // namespace switchyard::task_queue
