#include "services/executor/loop/loop_config.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "services/executor/loop/syntax_checks.h"

namespace switchyard::executor::loop {

absl::StatusOr<std::unique_ptr<BuildLoop>> MakeBuildLoop(const config::v1::ExecutorConfig& config, LoopDeps deps) {
  const config::v1::BuildLoopConfig& loop = config.backends().build_loop();
  LoopSettings settings;
  SY_ASSIGN_OR_RETURN(settings.syntax, ParseSyntaxChecks({loop.syntax_checks().begin(), loop.syntax_checks().end()},
                                                         "backends.build_loop.syntax_checks"));
  if (config.limits().has_time()) {
    settings.time = absl::Seconds(config.limits().time().seconds()) + absl::Nanoseconds(config.limits().time().nanos());
  }
  if (config.limits().log() > 0) settings.log_bytes = config.limits().log();
  if (loop.feedback_bytes() > 0) settings.feedback_bytes = loop.feedback_bytes();
  return std::make_unique<BuildLoop>(std::move(settings), deps, config.slots());
}

}  // namespace switchyard::executor::loop
