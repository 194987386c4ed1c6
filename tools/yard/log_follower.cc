#include "tools/yard/log_follower.h"

#include <utility>

#include "libs/base/status_macros.h"

namespace switchyard::yard {
namespace {

constexpr absl::Duration kLook = absl::Milliseconds(200);

agent::v1::ReadTaskLogRequest Following(agent::v1::ReadTaskLogRequest request, bool follow) {
  request.set_follow(follow);
  return request;
}

}  // namespace

LogFollower::LogFollower(Session& session, AgentAdminStub& stub, agent::v1::ReadTaskLogRequest request,
                         LogStream::OnChunk on_chunk)
    : session_(session),
      stub_(stub),
      request_(std::move(request)),
      on_chunk_(std::move(on_chunk)),
      log_(session.caller(), stub, Following(request_, true)),
      thread_([this] {
        read_ = log_.Read(on_chunk_);
        if (!read_.ok()) session_.Remark("the log cannot be followed; waiting for the task to end");
      }) {}

LogFollower::~LogFollower() { StopReading(); }

void LogFollower::StopReading() {
  if (!thread_.joinable()) return;
  log_.Stop();
  thread_.join();
}

absl::Status LogFollower::Finish(absl::Duration late) {
  StopReading();
  SY_RETURN_IF_ERROR(session_.Explain(read_, &Context::hub_address));
  const absl::Time give_up = session_.Now() + late;
  agent::v1::ReadTaskLogRequest request = Following(request_, false);
  bool complete = log_.complete();
  request.set_resume_token(log_.resume_token());
  if (!request.resume_token().empty()) request.clear_tail_bytes();
  while (true) {
    LogStream rest(session_.caller(), stub_, request);
    SY_RETURN_IF_ERROR(session_.Explain(rest.Read(on_chunk_), &Context::hub_address));
    complete = complete || rest.complete();
    request.set_resume_token(rest.resume_token());
    request.clear_tail_bytes();
    if (complete || session_.Now() >= give_up) return absl::OkStatus();
    session_.caller().timer().Sleep(kLook);
  }
}

}  // namespace switchyard::yard
