#include <fstream>
#include <iterator>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/text/terminal.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/follow.h"
#include "tools/yard/log_follower.h"
#include "tools/yard/task_names.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;
namespace tq = task_queue::v1;

// After a task is final, what its hub has not stored yet comes within this time.
constexpr absl::Duration kLateChunks = absl::Seconds(2);

class Printer {
 public:
  explicit Printer(Session& session) : session_(session) {}

  void operator()(const ag::TaskLogChunk& chunk) {
    if (session_.style().structured()) return session_.Write(JsonLine(ToJson(chunk)) + "\n");
    if (chunk.omitted_bytes() > 0) session_.Remark(absl::StrCat("… ", chunk.omitted_bytes(), " bytes were not kept"));
    session_.Write(session_.host().out_is_terminal ? text::EscapeForTerminal(chunk.data()) : chunk.data());
  }

 private:
  Session& session_;
};

absl::StatusOr<std::string> AnswerText(Session& session, const std::string& text) {
  if (text == "-") {
    std::string all(std::istreambuf_iterator<char>(session.host().in), {});
    while (!all.empty() && (all.back() == '\n' || all.back() == '\r')) all.pop_back();
    return all;
  }
  if (text.empty() || text[0] != '@') return text;
  std::ifstream file(text.substr(1), std::ios::binary);
  if (!file) {
    return LocalError(absl::StatusCode::kNotFound, "FILE_ERROR", absl::StrCat("cannot read ", text.substr(1)));
  }
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace

absl::Status Logs(Session& session) {
  const Invocation& invocation = session.invocation();
  ag::ReadTaskLogRequest request;
  request.set_task_id(invocation.arguments[0]);
  request.set_generation(invocation.Number("attempt").value_or(0));
  for (const std::string& stream : invocation.All("stream")) request.add_streams(Parse<ag::LogStream>(stream));
  request.set_tail_bytes(static_cast<std::int32_t>(std::min<long>(invocation.Number("tail").value_or(0), 1L << 21)));
  const bool follow = invocation.Has("follow");
  request.set_follow(follow);
  if (follow) session.BeginWaiting();
  SY_ASSIGN_OR_RETURN(AgentAdminStub * stub, session.hub());
  tq::GetTaskRequest task;
  task.set_task_id(request.task_id());
  // The hub takes a task that it never heard of for one that printed nothing.
  SY_RETURN_IF_ERROR(session.Call(&TaskQueueStub::GetTask, task).status());
  Printer print(session);
  if (!follow) {
    LogStream log(session.caller(), *stub, request);
    return session.Explain(log.Read(std::ref(print)), &Context::hub_address);
  }

  LogFollower log(session, *stub, request, std::ref(print));
  FollowOptions options;
  // Says nothing meanwhile: the log is printed.
  options.on_event = [](const tq::TaskEvent&) {};
  const absl::Status ended = FollowTasks(session, {request.task_id()}, options).status();
  SY_RETURN_IF_ERROR(log.Finish(ended.ok() ? kLateChunks : absl::ZeroDuration()));
  return ended;
}

absl::Status TaskAnswer(Session& session) {
  tq::AnswerTaskRequest request;
  request.set_task_id(session.invocation().arguments[0]);
  SY_ASSIGN_OR_RETURN(*request.mutable_answer(), AnswerText(session, session.invocation().arguments[1]));
  SY_ASSIGN_OR_RETURN(const tq::AnswerTaskResponse answered, session.Call(&TaskQueueStub::AnswerTask, request));
  Answer answer;
  answer.whole = ToJson(answered);
  answer.whole["task_id"] = request.task_id();
  answer.names = {request.task_id()};
  answer.card = absl::StrCat(OneLine(request.task_id()), "  answered; ", Text(answered.state()), "\n");
  session.Show(answer);
  return absl::OkStatus();
}

}  // namespace switchyard::yard
