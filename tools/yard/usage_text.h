// What working with a model used, for people.
#pragma once

#include <string>
#include <vector>

#include "switchyard/task_queue/v1/task.pb.h"

namespace switchyard::yard {

// Whether a model had a part in it at all.
bool UsedModel(const task_queue::v1::Usage& usage);
// Of the attempt that counts: of the result, else of the last attempt that used any; else empty.
const task_queue::v1::Usage& LastUsage(const task_queue::v1::Task& task);

// Each is empty where there is nothing to say.
// "m:7b at gpu-1".
std::string ModelText(const task_queue::v1::Usage& usage);
// "1204 in (800 from a cache, 20 written to one), 300 out".
std::string TokensText(const task_queue::v1::Usage& usage);
// "$0.0123", "free" or "price unknown".
std::string CostText(const task_queue::v1::Usage& usage);
// "load 1.2s, first token 340ms, generation 5s".
std::string TimesText(const task_queue::v1::Usage& usage);
// "FALLBACK (QUEUE_FULL)" and "MODEL MISMATCH (m:7b was assigned, x answered)".
std::vector<std::string> Marks(const task_queue::v1::Usage& usage);

// All of it but the times on one line.
std::string UsageText(const task_queue::v1::Usage& usage);

}  // namespace switchyard::yard
