#include <algorithm>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/rpc/healthcheck.h"
#include "tools/yard/commands/commands.h"
#include "tools/yard/errors.h"
#include "tools/yard/task_names.h"
#include "tools/yard/version.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

struct Service {
  std::string_view name;
  std::string Context::*address;
};
constexpr Service kServices[] = {{"task-queue", &Context::address}, {"identity", &Context::identity_address}};

struct Probe {
  std::string address;
  absl::Status status;
  // Alive, but not ready for work.
  bool alive = false;
  absl::Duration took;
  // Absent without a token, and where it is older than this call.
  std::optional<admin::v1::GetProcessResponse> process;
};

Probe ProbeService(Session& session, const Service& service) {
  Probe probe;
  const absl::StatusOr<rpc::ChannelOptions> channel = session.ChannelTo(service.address);
  if (!channel.ok()) {
    probe.status = channel.status();
    return probe;
  }
  probe.address = channel->target;
  const absl::Time begin = session.Now();
  probe.status = rpc::CheckHealth(*channel, "switchyard.ready");
  probe.took = session.Now() - begin;
  probe.alive = probe.status.ok() || rpc::CheckHealth(*channel, "").ok();
  if (const absl::StatusOr<std::string> token = session.Token(); probe.alive && token.ok() && !token->empty()) {
    absl::StatusOr<admin::v1::GetProcessResponse> process = session.AskProcess(service.address);
    if (process.ok()) probe.process = *std::move(process);
  }
  return probe;
}

enum class Mark { kOk, kWarning, kFailed, kSkipped };

struct Check {
  std::string name;
  Mark mark = Mark::kOk;
  std::string text;
  std::string next;
};

std::string_view Word(Mark mark) {
  switch (mark) {
    case Mark::kOk:
      return "ok";
    case Mark::kWarning:
      return "warning";
    case Mark::kFailed:
      return "failed";
    case Mark::kSkipped:
      return "skipped";
  }
  return "";
}

Tone ToneOf(Mark mark) {
  if (mark == Mark::kOk) return Tone::kGood;
  if (mark == Mark::kFailed) return Tone::kBad;
  return mark == Mark::kWarning ? Tone::kWaiting : Tone::kFaint;
}

// Runs the checks in the order in which one depends on the other and remembers the first failure.
class Doctor {
 public:
  explicit Doctor(Session& session) : session_(session) {}

  absl::Status Run() {
    Add({"version", Mark::kOk, absl::StrCat("yard ", kVersion, ", contract switchyard.task_queue.v1"), ""});
    if (CheckConfiguration()) {
      const bool has_token = CheckToken();
      CheckQueue(has_token);
      CheckIdentity(has_token);
    }
    Answer answer;
    answer.table.columns = {{"CHECK"}, {"RESULT"}, {"DETAIL"}, {"NEXT"}};
    answer.whole = {{"ok", failure_.ok()}, {"checks", Json::array()}};
    for (const Check& check : checks_) {
      answer.table.rows.push_back({{check.name}, {Word(check.mark), ToneOf(check.mark)}, {check.text}, {check.next}});
      answer.items.push_back(
          {{"check", check.name}, {"result", Word(check.mark)}, {"detail", check.text}, {"next", check.next}});
      answer.whole["checks"].push_back(answer.items.back());
      if (check.mark == Mark::kFailed) answer.names.push_back(check.name);
    }
    session_.Show(answer);
    return failure_;
  }

 private:
  void Add(Check check) { checks_.push_back(std::move(check)); }

  bool Fail(std::string_view name, const absl::Status& status) {
    const ErrorReport report = DescribeError(status, "");
    Add({std::string(name), Mark::kFailed, report.message, report.next});
    if (failure_.ok()) failure_ = status;
    return false;
  }

  bool CheckConfiguration() {
    const absl::StatusOr<const Connection*> connection = session_.connection();
    if (!connection.ok()) return Fail("configuration", connection.status());
    std::error_code ignored;
    const bool exists = std::filesystem::exists((*connection)->config_path, ignored);
    const std::string context =
        (*connection)->context_name.empty() ? "no context" : absl::StrCat("context ", (*connection)->context_name);
    Add({"configuration", exists ? Mark::kOk : Mark::kWarning,
         absl::StrCat(context, exists ? " of " : "; no file ", (*connection)->config_path),
         exists ? "" : "tools/up, or yard context add NAME --address HOST:PORT"});
    return true;
  }

  bool CheckToken() {
    const absl::StatusOr<std::string> token = session_.Token();
    if (!token.ok()) return Fail("token", token.status());
    if (token->empty()) {
      return Fail("token", LocalError(absl::StatusCode::kUnauthenticated, "TOKEN_MISSING", "no token is configured"));
    }
    Add({"token", Mark::kOk, "is configured", ""});
    return true;
  }

  bool CheckService(const Service& service) {
    const Probe probe = ProbeService(session_, service);
    const std::string name = absl::StrCat(ToAbsl(service.name), " service");
    if (probe.status.ok()) {
      Add({name, Mark::kOk, absl::StrCat(probe.address, " is ready, ", SpanText(probe.took)), ""});
      CheckVersion(service, probe);
      return true;
    }
    if (probe.alive) {
      Add({name, Mark::kWarning, absl::StrCat(probe.address, " is alive but not ready"),
           "look at its log: database, migrations or drain"});
      return true;
    }
    return Fail(name, Annotate(probe.status, probe.address));
  }

  void CheckVersion(const Service& service, const Probe& probe) {
    if (!probe.process.has_value()) return;
    const bool same = probe.process->version() == kVersion;
    Add({absl::StrCat(ToAbsl(service.name), " version"), same ? Mark::kOk : Mark::kWarning,
         absl::StrCat(probe.process->program(), " ", probe.process->version(),
                      same ? "" : absl::StrCat(", but yard is ", kVersion)),
         same ? "" : "run the same version everywhere"});
  }

  void CheckQueue(bool has_token) {
    if (!CheckService(kServices[0]) || !has_token) return;
    const absl::Time asked = session_.Now();
    const auto stats = session_.Call(&TaskQueueStub::GetQueueStats, {});
    const absl::Time answered = session_.Now();
    if (!stats.ok()) {
      Fail("queue call", stats.status());
      return;
    }
    Add({"queue call", Mark::kOk, absl::StrCat("answered in ", SpanText(answered - asked)), ""});
    const absl::Time there = FromProto(stats->as_of());
    if (there == absl::InfinitePast()) return;
    // Figures may be some seconds old; only a difference beyond that speaks of clocks.
    const absl::Duration ahead = there - answered;
    const absl::Duration behind = asked - there;
    const bool off = ahead > absl::Seconds(2) || behind > absl::Seconds(30);
    Add({"clock", off ? Mark::kWarning : Mark::kOk,
         off ? absl::StrCat("differs from the server's by about ", SpanText(ahead > behind ? ahead : behind))
             : "agrees with the server's",
         off ? "synchronise the clocks of both hosts" : ""});
  }

  void CheckIdentity(bool has_token) {
    if (!CheckService(kServices[1]) || !has_token) return;
    const auto self = session_.Call(&IdentityStub::GetSelf, {});
    if (!self.ok()) {
      Fail("identity call", self.status());
      return;
    }
    std::vector<std::string> scopes;
    for (int scope : self->scopes()) scopes.push_back(Text(static_cast<options::v1::Scope>(scope)));
    const absl::Time expires = FromProto(self->expire_time());
    const bool soon = expires != absl::InfinitePast() && expires - session_.Now() < absl::Hours(7 * 24);
    Add({"token holder", soon ? Mark::kWarning : Mark::kOk,
         absl::StrCat(self->name(), ", ", absl::StrJoin(scopes, ","),
                      expires == absl::InfinitePast()
                          ? ""
                          : absl::StrCat(", expires ", TimeText(expires, session_.Now(), TimeForm::kRelative))),
         soon ? "yard token issue" : ""});
  }

  Session& session_;
  std::vector<Check> checks_;
  absl::Status failure_;
};

}  // namespace

absl::Status AdminStatus(Session& session) {
  SY_RETURN_IF_ERROR(session.connection().status());
  Table services;
  services.columns = {{"SERVICE"},
                      {"ADDRESS"},
                      {"STATUS"},
                      {"VERSION"},
                      {"STARTED"},
                      {.title = "LATENCY", .right = true},
                      {.title = "SERVES", .wide = true}};
  Answer answer;
  answer.whole = {{"services", Json::array()}};
  absl::Status failure;
  for (const Service& service : kServices) {
    const Probe probe = ProbeService(session, service);
    const std::string_view status = probe.status.ok() ? "ready" : probe.alive ? "not ready" : "unreachable";
    const admin::v1::GetProcessResponse process = probe.process.value_or(admin::v1::GetProcessResponse());
    const ViewTimes times = session.times();
    services.rows.push_back({{std::string(service.name)},
                             {probe.address},
                             {status, probe.status.ok() ? Tone::kGood
                                      : probe.alive     ? Tone::kWaiting
                                                        : Tone::kBad},
                             {process.version()},
                             {TimeText(FromProto(process.start_time()), times.now, times.form)},
                             {probe.alive ? SpanText(probe.took) : ""},
                             {absl::StrJoin(process.services(), ",")}});
    answer.items.push_back({{"service", service.name}, {"address", probe.address}, {"status", status}});
    if (probe.process.has_value()) answer.items.back()["process"] = ToJson(process);
    answer.whole["services"].push_back(answer.items.back());
    if (probe.status.ok()) answer.names.emplace_back(service.name);
    if (failure.ok() && !probe.alive) failure = Annotate(probe.status, service.name);
  }
  absl::StatusOr<tq::GetQueueStatsResponse> stats = failure.ok() ? session.Call(&TaskQueueStub::GetQueueStats, {})
                                                                 : absl::StatusOr<tq::GetQueueStatsResponse>(failure);
  const OutputStyle& style = session.style();
  if (stats.ok()) answer.whole["queue"] = ToJson(*stats);
  if (style.format == Format::kPlain) {
    answer.table = services;
  } else {
    const TableStyle table_style{style.format == Format::kWide, style.color, style.columns};
    answer.card = RenderTable(services, table_style);
    if (stats.ok()) {
      absl::StrAppend(&answer.card, "\n", RenderTable(LaneTable(*stats), table_style),
                      PauseLines(*stats, session.times()));
    }
  }
  session.Show(answer);
  return stats.status();
}

absl::Status AdminDoctor(Session& session) { return Doctor(session).Run(); }

}  // namespace switchyard::yard
