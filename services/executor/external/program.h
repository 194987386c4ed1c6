#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "services/executor/backend.h"
#include "services/executor/external/mailbox.h"
#include "services/executor/programs.h"

namespace switchyard::executor::external {

// How an attempt ends.
struct Ending {
  Outcome outcome = Outcome::kSucceeded;
  std::string reason;
  std::string message;
  bool executor_fault = false;
  bool permanent = false;
  // Of kGivenBack.
  absl::Duration retry_after = absl::ZeroDuration();
};

// One run of the agent's program, told through a mailbox. Lives until it has ended, if it was started. All but the
// observer's functions are called on the mailbox's thread.
class Program final : public RunObserver {
 public:
  // `gap`: output was lost just before.
  using OnText = std::function<void(LogStream stream, const std::string& text, bool gap)>;

  Program(Programs& programs, Mailbox& mailbox, OnText on_text);

  absl::Status Start(const Rule& rule, const ProgramRequest& request, absl::Time now);
  // SIGTERM, then SIGKILL; with `at_once`, also later, SIGKILL alone. The first cause is remembered.
  void End(Ending why, bool at_once);

  absl::Time begun() const { return begun_; }
  bool ended() const { return evidence_.has_value(); }
  const Evidence& evidence() const { return *evidence_; }
  // Why it was ended from here.
  const std::optional<Ending>& stopped() const { return stopped_; }
  const Confinement& confinement() const { return confinement_; }

  void OnStarted() override {}
  void OnLog(LogChunk chunk) override;
  void OnEnded(Evidence evidence) override;

 private:
  Programs& programs_;
  Mailbox& mailbox_;
  const OnText on_text_;
  RunId id_ = 0;
  Confinement confinement_;
  absl::Time begun_;
  std::optional<Ending> stopped_;
  bool killed_ = false;
  std::optional<Evidence> evidence_;
  // Of the runner's thread.
  bool lost_ = false;
};

// Of a program that could not be started.
Ending NotStarted(const absl::Status& status);
// Of work around it that failed. The message is redacted.
Ending FailedBy(const absl::Status& status);

}  // namespace switchyard::executor::external
