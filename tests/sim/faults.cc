#include "tests/sim/faults.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/sim/world.h"

namespace switchyard::sim {
namespace {

constexpr int kMostFaults = 24;

const char* NameOf(FaultKind kind) {
  switch (kind) {
    case FaultKind::kCrash:
      return "crash";
    case FaultKind::kCrashQuietly:
      return "crash that peers do not hear of";
    case FaultKind::kCrashBeforeCall:
      return "crash before a call";
    case FaultKind::kCrashAfterCall:
      return "crash after a call";
    case FaultKind::kFailCall:
      return "a call that fails";
    case FaultKind::kLoseAnswer:
      return "a call that happens and whose answer is lost";
    case FaultKind::kFreeze:
      return "stands still";
    case FaultKind::kCutStreams:
      return "its streams are cut";
    case FaultKind::kStorm:
      return "the streams of all executors are cut";
    case FaultKind::kPartition:
      return "partition";
    case FaultKind::kPartitionOneWay:
      return "partition one way";
    case FaultKind::kSlowLink:
      return "slow link";
    case FaultKind::kDropMessage:
      return "a message is lost, with its stream";
    case FaultKind::kRepeatCall:
      return "a call is made twice";
    case FaultKind::kHoldMessage:
      return "a message is held back";
    case FaultKind::kDatabaseAway:
      return "the database is away";
    case FaultKind::kClaimTooMuch:
      return "says that it holds what it does not";
    case FaultKind::kOmitHeld:
      return "says that it holds nothing";
    case FaultKind::kDiskFull:
      return "its disk is full";
    case FaultKind::kLeave:
      return "is told to stop, and comes back";
    case FaultKind::kSkewedClock:
      return "its clock is wrong";
  }
  return "?";
}

bool IsLink(FaultKind kind) {
  return kind == FaultKind::kPartition || kind == FaultKind::kPartitionOneWay || kind == FaultKind::kSlowLink ||
         kind == FaultKind::kDropMessage || kind == FaultKind::kRepeatCall || kind == FaultKind::kHoldMessage;
}

bool IsOfExecutor(FaultKind kind) {
  return kind == FaultKind::kClaimTooMuch || kind == FaultKind::kOmitHeld || kind == FaultKind::kDiskFull ||
         kind == FaultKind::kLeave;
}

// Executors and schedulers know no database whose clock they could follow: theirs may be anywhere. Those of hubs follow
// it, and are a little off.
void SkewClocks(std::uint64_t seed, const Cast& cast, std::vector<Fault>& faults) {
  SimRng rng(Mix(seed, 0xc10c));
  for (int target = cast.scheduler(0); target < cast.client(); ++target) {
    if (!rng.Chance(0.15)) continue;
    const bool follows = target >= cast.hub(0) && target < cast.executor(0);
    const absl::Duration most = follows           ? absl::Milliseconds(50)
                                : rng.Chance(0.5) ? absl::Hours(1000)
                                                  : absl::Seconds(5);
    Fault fault{.kind = FaultKind::kSkewedClock, .at = absl::ZeroDuration(), .target = target};
    fault.lasts = rng.Between(-most, most);
    fault.fast = follows ? 0 : 0.02 * rng.Unit() - 0.01;
    faults.push_back(fault);
  }
}

// Two processes that talk to each other.
std::pair<int, int> PickLink(const Cast& cast, SimRng& rng) {
  const int ledger = cast.ledger(static_cast<int>(rng.Below(cast.ledgers)));
  const int scheduler = cast.scheduler(static_cast<int>(rng.Below(cast.schedulers)));
  const int hub = cast.hub(static_cast<int>(rng.Below(cast.hubs)));
  const int executor = cast.executor(static_cast<int>(rng.Below(cast.executors)));
  std::pair<int, int> link;
  switch (rng.Below(8)) {
    case 0:
      link = {cast.client(), ledger};
      break;
    case 1:
    case 2:
      link = {scheduler, ledger};
      break;
    case 3:
      link = {scheduler, hub};
      break;
    case 4:
    case 5:
      link = {hub, ledger};
      break;
    default:
      link = {executor, hub};
  }
  if (rng.Below(2) == 0) std::swap(link.first, link.second);
  return link;
}

}  // namespace

std::string Cast::NameOf(int index) const {
  if (index < scheduler(0)) return absl::StrCat("ledger-", index);
  if (index < hub(0)) return absl::StrCat("scheduler-", index - scheduler(0));
  if (index < executor(0)) return absl::StrCat("hub-", index - hub(0));
  if (index < client()) return absl::StrCat("executor-", index - executor(0));
  return "client";
}

std::vector<Fault> PlanFaults(std::uint64_t seed, const Cast& cast, absl::Duration over) {
  SimRng rng(Mix(seed, 0xfa017));
  std::vector<Fault> faults;
  // Some seeds are quiet, most are not.
  const auto count = static_cast<int>(rng.Below(10) == 0 ? 0 : 1 + rng.Below(kMostFaults));
  for (int i = 0; i < count; ++i) {
    Fault fault;
    fault.kind = static_cast<FaultKind>(rng.Below(kFaultKinds));
    fault.lasts = rng.Between(absl::Milliseconds(100), rng.Chance(0.3) ? absl::Seconds(15) : absl::Seconds(3));
    // Those that strike some time later are to be over in time as well.
    if (fault.kind == FaultKind::kCrashBeforeCall || fault.kind == FaultKind::kCrashAfterCall) {
      fault.lasts = std::min(fault.lasts, absl::Seconds(3));
    }
    fault.at = rng.Between(absl::Milliseconds(500), over - fault.lasts);
    fault.skip = static_cast<int>(rng.Below(8));
    fault.target = static_cast<int>(rng.Below(cast.client()));
    if (IsOfExecutor(fault.kind)) fault.target = cast.executor(static_cast<int>(rng.Below(cast.executors)));
    if (IsLink(fault.kind)) std::tie(fault.target, fault.other) = PickLink(cast, rng);
    faults.push_back(fault);
  }
  std::stable_sort(faults.begin(), faults.end(), [](const Fault& a, const Fault& b) { return a.at < b.at; });
  SkewClocks(seed, cast, faults);
  for (std::size_t i = 0; i < faults.size(); ++i) faults[i].index = static_cast<int>(i);
  return faults;
}

std::string Describe(const Fault& fault, const Cast& cast) {
  std::string text = absl::StrFormat("#%-2d at %8.3f s  ", fault.index, absl::ToDoubleSeconds(fault.at));
  if (IsLink(fault.kind)) {
    absl::StrAppend(&text, cast.NameOf(fault.target), fault.kind == FaultKind::kPartition ? " <-> " : " -> ",
                    cast.NameOf(fault.other), ": ");
  } else if (fault.kind != FaultKind::kStorm && fault.kind != FaultKind::kDatabaseAway) {
    absl::StrAppend(&text, cast.NameOf(fault.target), ": ");
  }
  absl::StrAppend(&text, NameOf(fault.kind));
  switch (fault.kind) {
    case FaultKind::kCrashBeforeCall:
    case FaultKind::kCrashAfterCall:
    case FaultKind::kFailCall:
    case FaultKind::kLoseAnswer:
      absl::StrAppend(&text, ", after ", fault.skip, " others");
      break;
    case FaultKind::kCutStreams:
    case FaultKind::kStorm:
    case FaultKind::kDropMessage:
    case FaultKind::kRepeatCall:
    case FaultKind::kClaimTooMuch:
    case FaultKind::kOmitHeld:
      return text;
    case FaultKind::kSkewedClock:
      absl::StrAppend(&text, absl::StrFormat(", ahead by %.3f s and by %.2f %% of what passes",
                                             absl::ToDoubleSeconds(fault.lasts), fault.fast * 100));
      return text;
    default:
      break;
  }
  return absl::StrCat(text, ", for ", absl::FormatDuration(absl::Trunc(fault.lasts, absl::Milliseconds(1))));
}

}  // namespace switchyard::sim
