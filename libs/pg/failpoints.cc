#include "libs/pg/failpoints.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"

namespace switchyard::pg {
namespace {

constexpr std::array<std::pair<std::string_view, Failpoint>, 3> kNames = {{
    {"commit_answer_lost", Failpoint::kCommitAnswerLost},
    {"before_commit_disconnect", Failpoint::kBeforeCommitDisconnect},
    {"execute_delay", Failpoint::kExecuteDelay},
}};

}  // namespace

Failpoints::Failpoints() : rng_(MakeSystemRng()) {}

void Failpoints::Set(Failpoint point, const Setting& setting) {
  Slot& slot = slots_[static_cast<std::size_t>(point)];
  slot.times = setting.times;
  slot.delay_nanos = absl::ToInt64Nanoseconds(setting.delay);
  slot.probability = setting.probability;
  bool armed = false;
  for (const Slot& each : slots_) armed = armed || each.probability > 0;
  armed_ = armed;
}

absl::Status Failpoints::Configure(std::string_view text) {
  for (absl::string_view part : absl::StrSplit(ToAbsl(text), ',', absl::SkipWhitespace())) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const std::pair<std::string, std::string> value = absl::StrSplit(pair.second, absl::MaxSplits(':', 1));
    Setting setting;
    const bool has_delay = !value.second.empty();
    if (!absl::SimpleAtod(value.first, &setting.probability) || setting.probability < 0 || setting.probability > 1 ||
        (has_delay && !absl::ParseDuration(value.second, &setting.delay))) {
      return absl::InvalidArgumentError(absl::StrCat("malformed failpoint: ", part));
    }
    bool known = false;
    for (const auto& [name, point] : kNames) {
      if (pair.first != name) continue;
      Set(point, setting);
      known = true;
    }
    if (!known) return absl::InvalidArgumentError(absl::StrCat("unknown failpoint: ", pair.first));
  }
  return absl::OkStatus();
}

bool Failpoints::Decide(Failpoint point) {
  Slot& slot = slots_[static_cast<std::size_t>(point)];
  const double probability = slot.probability.load();
  if (probability <= 0 || (probability < 1 && rng_->Unit() >= probability)) return false;
  std::int64_t left = slot.times.load();
  while (left >= 0) {
    if (left == 0) return false;
    if (slot.times.compare_exchange_weak(left, left - 1)) return true;
  }
  return true;
}

absl::Duration Failpoints::delay(Failpoint point) const {
  return absl::Nanoseconds(slots_[static_cast<std::size_t>(point)].delay_nanos.load());
}

Failpoints& Failpoints::OfProcess() {
  static Failpoints& instance = *[] {
    auto* made = new Failpoints();
    const char* text = std::getenv("SWITCHYARD_FAILPOINTS");
    if (text != nullptr) {
      if (const absl::Status status = made->Configure(text); !status.ok()) {
        std::fprintf(stderr, "SWITCHYARD_FAILPOINTS: %s\n", status.ToString().c_str());
        std::abort();
      }
    }
    return made;
  }();
  return instance;
}

}  // namespace switchyard::pg
