#include "tools/yard/run_view.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"
#include "libs/text/terminal.h"
#include "tools/yard/task_card.h"
#include "tools/yard/task_names.h"
#include "tools/yard/usage_text.h"

namespace switchyard::yard {
namespace {

namespace ag = agent::v1;
namespace sc = scheduler::v1;
namespace tq = task_queue::v1;

// An idle installation starts a task in milliseconds; what takes longer deserves a reason.
constexpr absl::Duration kQuietWait = absl::Seconds(1);
constexpr absl::Duration kExplainTime = absl::Seconds(3);

std::string With(std::string_view what, std::string_view detail) {
  return detail.empty() ? std::string(what) : absl::StrCat(ToAbsl(what), ": ", ToAbsl(detail));
}

}  // namespace

bool RunView::raw() const { return !session_.style().structured() && session_.style().format != Format::kName; }

void RunView::Note(std::string_view line, Tone tone) {
  if (session_.style().quiet || session_.style().structured()) return;
  std::string text;
  {
    const MutexLock lock(mutex_);
    if (std::exchange(line_open_, false)) text.push_back('\n');
  }
  absl::StrAppend(&text, Paint(absl::StrCat("yard: ", OneLine(line)), tone, session_.style().color_errors), "\n");
  session_.WriteError(text);
}

void RunView::Item(const char* name, Json body) {
  Json line;
  line[name] = std::move(body);
  session_.Write(JsonLine(line) + "\n");
}

void RunView::Submitted(bool replayed) {
  Note(absl::StrCat("task ", task_id_, replayed ? " was submitted before" : " submitted"));
}

void RunView::OnEvent(const tq::TaskEvent& event) {
  if (event.ordinal() <= last_ordinal_) return;
  last_ordinal_ = event.ordinal();
  if (session_.style().format == Format::kJsonl) {
    Item("event", ToJson(event));
    return;
  }
  switch (event.kind()) {
    case tq::EVENT_KIND_ASSIGNED:
      return Note(With(absl::StrCat("assigned to ", names_.Of(event.agent_id()), ", generation ", event.generation()),
                       event.message()));
    case tq::EVENT_KIND_ROUTE_CHANGED:
      return Note(With(absl::StrCat("ROUTE CHANGED, ", event.cause()), event.message()), Tone::kWaiting);
    case tq::EVENT_KIND_ACCEPTED:
      return Note(absl::StrCat("running on ", names_.Of(event.agent_id())));
    case tq::EVENT_KIND_PHASE:
      return Note(Text(event.phase()));
    case tq::EVENT_KIND_PROGRESS:
      return Note(event.message());
    case tq::EVENT_KIND_BLOCKED:
      Note(With("the task asks", event.message()), Tone::kWaiting);
      return Note(absl::StrCat("  answer it: yard task answer ", task_id_, " TEXT"), Tone::kWaiting);
    case tq::EVENT_KIND_RETURNED: {
      const absl::Time until = FromProto(event.hold_until());
      return Note(absl::StrCat(With(absl::StrCat("back in the queue, ", event.cause()), event.message()),
                               until == absl::InfinitePast()
                                   ? ""
                                   : absl::StrCat("; again ", TimeText(until, session_.Now(), TimeForm::kRelative))),
                  Tone::kWaiting);
    }
    case tq::EVENT_KIND_HELD:
      return Note(With(absl::StrCat("held, ", Text(event.hold_reason())), event.message()), Tone::kWaiting);
    case tq::EVENT_KIND_CANCEL_REQUESTED:
      return Note(With("to be cancelled", event.message()), Tone::kWaiting);
    case tq::EVENT_KIND_ANSWERED:
    case tq::EVENT_KIND_EVIDENCE:
    case tq::EVENT_KIND_REVIVED:
      return Note(Text(event.kind()));
    default:
      return;
  }
}

void RunView::OnLook(const tq::Task& task) {
  if (task.state() != tq::TASK_STATE_QUEUED) {
    queued_since_ = absl::InfiniteFuture();
    wait_.clear();
    return;
  }
  if (queued_since_ == absl::InfiniteFuture()) queued_since_ = session_.Now();
  if (session_.Now() - queued_since_ >= kQuietWait) SayWhyItWaits(task);
}

void RunView::SayWhyItWaits(const tq::Task& task) {
  sc::ExplainTaskRequest request;
  request.set_task_id(task_id_);
  request.set_max_agents(1);
  const auto why = session_.Call(&SchedulerAdminStub::ExplainTask, request, Repeat::kNever, kExplainTime);
  std::string key = absl::StrCat("hold ", Text(task.hold_reason()));
  std::string text = WhyText(task, session_.times());
  if (why.ok() && why->reason() == sc::WAIT_REASON_NOT_WAITING) return;
  if (why.ok()) {
    key = absl::StrCat(Text(why->reason()), " ", absl::StrJoin(why->missing_capabilities(), ","), " ",
                       absl::StrJoin(why->missing_features(), ","));
    text = why->explanation();
  } else {
    absl::StrAppend(&text, " (no scheduler says more: ", why.status().message(), ")");
  }
  if (std::exchange(wait_, key) == key || session_.style().quiet) return;
  if (session_.style().structured()) return session_.Remark(absl::StrCat("waits: ", text));
  Note(absl::StrCat("waits: ", text), Tone::kWaiting);
  if (!std::exchange(hinted_, true)) {
    Note(absl::StrCat("  it stays queued, with us or without: Ctrl-C leaves it; yard task why ", task_id_),
         Tone::kWaiting);
  }
}

void RunView::OnChunk(const ag::TaskLogChunk& chunk) {
  if (session_.style().format == Format::kJsonl) {
    Item("output", ToJson(chunk));
    return;
  }
  if (!raw()) return;
  if (chunk.omitted_bytes() > 0) Note(absl::StrCat("… ", chunk.omitted_bytes(), " bytes were not kept"));
  if (chunk.data().empty()) return;
  const bool out = chunk.stream() != ag::LOG_STREAM_STDERR && chunk.stream() != ag::LOG_STREAM_EXECUTOR;
  const bool terminal = out ? session_.host().out_is_terminal : session_.host().err_is_terminal;
  const std::string data = terminal ? text::EscapeForTerminal(chunk.data()) : chunk.data();
  if (out) {
    session_.Write(data);
  } else {
    session_.WriteError(data);
  }
  const MutexLock lock(mutex_);
  printed_ = true;
  // On a terminal both are the same screen.
  if (terminal) line_open_ = data.back() != '\n';
}

void RunView::Finished(const tq::Task& task) {
  bool printed = false;
  {
    const MutexLock lock(mutex_);
    printed = printed_;
  }
  if (raw() && !printed && !task.result().output().empty()) {
    const std::string& output = task.result().output();
    session_.Write(session_.host().out_is_terminal ? text::EscapeForTerminal(output) : output);
    const MutexLock lock(mutex_);
    line_open_ = session_.host().out_is_terminal && output.back() != '\n';
  }
  const absl::Time begin = FromProto(task.create_time());
  const absl::Time end = FromProto(task.finish_time());
  std::string last = absl::StrCat("task ", task_id_, " ", StateText(task));
  if (begin != absl::InfinitePast() && end != absl::InfinitePast())
    absl::StrAppend(&last, " after ", SpanText(end - begin));
  if (task.attempts() > 1) absl::StrAppend(&last, ", ", task.attempts(), " attempts");
  const bool good = task.state() == tq::TASK_STATE_SUCCEEDED || task.state() == tq::TASK_STATE_PARTIAL;
  // The summary of an answer is its beginning, which stands there already; one of work that failed its checks says only
  // that the work ended.
  const bool repeats = raw() && task.result().output().find(task.result().summary()) != std::string::npos;
  if (!good && !task.failure().message().empty()) {
    absl::StrAppend(&last, ": ", task.failure().message());
  } else if (!task.result().summary().empty() && !repeats) {
    absl::StrAppend(&last, ": ", task.result().summary());
  }
  Note(last, ToneOf(task.state()));
  const tq::Usage& usage = LastUsage(task);
  if (UsedModel(usage)) Note(absl::StrCat("  ", UsageText(usage)), Marks(usage).empty() ? Tone::kFaint : Tone::kBad);
  if (session_.style().format == Format::kJsonl) Item("task", ToJson(task));
}

}  // namespace switchyard::yard
