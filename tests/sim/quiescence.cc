#include "tests/sim/invariant.h"

namespace switchyard::sim {
namespace {

// This long after the last fault every task has ended or waits for somebody outside, and no executor has anything left.
constexpr absl::Duration kQuietBound = absl::Seconds(180);

class Quiescence final : public Invariant {
 public:
  Quiescence() : Invariant("quiescence") {}

  void OnTime(const View& view) override {
    if (view.now - view.calm > kQuietBound) Look(view);
  }
  void AtEnd(const View& view) override {
    Look(view);
    for (const auto& [id, record] : *view.records) {
      if (IsSettled(record)) continue;
      const std::string reason = view.waits_because(id);
      if (reason != "WAIT_REASON_NO_FITTING_AGENT") {
        Breach("no agent can do ", Describe(record), ", and asked why it waits, schedulers say '", reason, "'");
      }
    }
  }

 private:
  void Look(const View& view) {
    const std::string since = absl::FormatDuration(view.now - view.calm);
    if (!view.all_acknowledged()) return Breach(since, " after the last fault a submission is not acknowledged");
    for (const auto& [id, record] : *view.records) {
      if (IsSettled(record) || view.may_wait(id)) continue;
      return Breach(since, " after the last fault ", Describe(record), " is neither over nor waiting for somebody");
    }
    const std::string executors = view.unsettled_executors();
    if (!executors.empty()) Breach(since, " after the last fault ", executors);
  }
};

}  // namespace

std::unique_ptr<Invariant> MakeQuiescence() { return std::make_unique<Quiescence>(); }

}  // namespace switchyard::sim
