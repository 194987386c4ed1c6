#include "services/task_queue/faults.h"

namespace switchyard::task_queue {
namespace {

constexpr std::size_t kShownKeyBytes = 60;

}  // namespace

void FieldPath::AppendTo(std::string& out) const {
  if (before_ != nullptr) before_->AppendTo(out);
  switch (kind_) {
    case Kind::kField:
      if (!out.empty() && !text_.empty()) out += '.';
      out += text_;
      break;
    case Kind::kIndex:
      absl::StrAppend(&out, "[", index_, "]");
      break;
    case Kind::kKey:
      out += "[\"";
      for (const char c : text_.substr(0, kShownKeyBytes))
        out += c >= ' ' && c <= '~' && c != '"' && c != '\\' ? c : '?';
      out += text_.size() > kShownKeyBytes ? "...\"]" : "\"]";
      break;
  }
}

std::string FieldPath::ToString() const {
  std::string out;
  AppendTo(out);
  return out;
}

std::vector<FieldViolation> FaultList::Take() && {
  if (more_ > 0) violations_.push_back({.field = "", .description = absl::StrCat(more_, " more faults are not shown")});
  return std::move(violations_);
}

}  // namespace switchyard::task_queue
