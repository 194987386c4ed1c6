// What a check is by what came of its program, or of asking a server.
#pragma once

#include "libs/http/http_transport.h"
#include "services/executor/backend.h"
#include "services/executor/checks/step.h"

namespace switchyard::executor::checks {

// Of test_passes and command_succeeds. What was ended from outside is skipped.
StepResult ToStepResult(const Step& step, const Evidence& evidence);
// `status`: what was answered, 0 when nothing was.
StepResult ToStepResult(const HttpOk& check, const http::HttpOutcome& outcome, int status);

}  // namespace switchyard::executor::checks
