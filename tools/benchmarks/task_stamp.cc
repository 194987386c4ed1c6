#include "tools/benchmarks/task_stamp.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace switchyard::bench {
namespace {

constexpr char kTitle[] = "Regenerate the index @";

}  // namespace

void SetStamp(std::int64_t nanos, task_queue::v1::TaskSpec& spec) { spec.set_title(absl::StrCat(kTitle, nanos)); }

std::int64_t ParseStamp(const task_queue::v1::TaskSpec& spec) {
  const std::string& title = spec.title();
  const std::size_t at = title.rfind('@');
  std::int64_t nanos = 0;
  return at != std::string::npos && absl::SimpleAtoi(title.substr(at + 1), &nanos) ? nanos : 0;
}

}  // namespace switchyard::bench
