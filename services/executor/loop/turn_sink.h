// Inside of BuildRun: what one call of a model says on its way.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/executor/backend.h"
#include "services/executor/external/mailbox.h"
#include "services/executor/loop/build_run.h"
#include "services/executor/loop/narrator.h"

namespace switchyard::executor::loop {

class BuildRun::TurnSink final : public BackendSink {
 public:
  TurnSink(Narrator& narrator, std::shared_ptr<external::Mailbox> mailbox, std::string name)
      : narrator_(narrator), mailbox_(std::move(mailbox)), name_(std::move(name)) {}

  void OnPhase(WorkPhase phase) override { narrator_.Phase(phase); }
  void OnLog(LogChunk chunk) override { narrator_.Log(std::move(chunk)); }
  void OnProgress(std::string message) override { narrator_.Progress(absl::StrCat(name_, ": ", message)); }
  void OnRouteQuestion(RouteQuestion question) override { narrator_.Ask(std::move(question)); }
  void OnFinished(Evidence ended) override {
    const std::shared_ptr<external::Mailbox> mailbox = mailbox_;
    mailbox->Post([this, ended = std::move(ended)]() mutable {
      evidence = std::move(ended);
      done = true;
    });
  }

  // Set by the call's thread before the end is posted.
  std::string answer;
  // Of the run's own thread.
  bool done = false;
  Evidence evidence;

 private:
  Narrator& narrator_;
  const std::shared_ptr<external::Mailbox> mailbox_;
  const std::string name_;
};

}  // namespace switchyard::executor::loop
