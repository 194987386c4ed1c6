#include "tools/yard/submission.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "tools/yard/errors.h"
#include "tools/yard/spec_file.h"
#include "tools/yard/spec_flags.h"

namespace switchyard::yard {
namespace {

namespace tq = task_queue::v1;

constexpr std::size_t kMaxFileBytes = 64u << 20;

}  // namespace

absl::StatusOr<std::string> ReadInput(Session& session, const std::string& name) {
  if (name == "-") {
    if (session.invocation().Has("token-stdin")) {
      return UsageError("TWO_READERS", "standard input is taken by --token-stdin", "use --token-file");
    }
    return std::string(std::istreambuf_iterator<char>(session.host().in), {});
  }
  std::ifstream file(name, std::ios::binary);
  if (!file) return LocalError(absl::StatusCode::kNotFound, "FILE_ERROR", absl::StrCat("cannot read ", name));
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (text.size() <= kMaxFileBytes) return text;
  return LocalError(absl::StatusCode::kInvalidArgument, "FILE_INVALID", absl::StrCat(name, " is larger than 64 MiB"));
}

namespace {

absl::StatusOr<std::string> PromptText(Session& session, const std::string& given) {
  if (given == "-") return ReadInput(session, "-");
  if (!given.empty() && given[0] == '@') return ReadInput(session, given.substr(1));
  return given;
}

}  // namespace

absl::StatusOr<std::vector<tq::SubmitTaskRequest>> RequestsFromFlags(Session& session) {
  return RequestsFrom(session, session.invocation());
}

absl::StatusOr<std::vector<tq::SubmitTaskRequest>> RequestsFrom(Session& session, Invocation invocation) {
  if (!invocation.arguments.empty()) invocation.flags["prompt"] = {invocation.arguments[0]};
  std::vector<tq::SubmitTaskRequest> requests(1);
  if (invocation.Has("file")) {
    const std::string name = invocation.Get("file");
    SY_ASSIGN_OR_RETURN(const std::string text, ReadInput(session, name));
    SY_ASSIGN_OR_RETURN(requests, ParseTasks(text, name == "-" ? "standard input" : name));
  }
  SY_ASSIGN_OR_RETURN(const std::string prompt, PromptText(session, invocation.Get("prompt")));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    tq::SubmitTaskRequest& request = requests[i];
    SY_RETURN_IF_ERROR(ApplySpecFlags(invocation, prompt, session.Now(), *request.mutable_spec()));
    if (invocation.Has("idempotency-key") || request.request_id().empty()) {
      const std::string key = invocation.Get("idempotency-key", session.request_id());
      request.set_request_id(requests.size() == 1 ? key : absl::StrCat(key, "/", i + 1));
    }
  }
  return requests;
}

Answer DryRunAnswer(const std::vector<tq::SubmitTaskRequest>& requests) {
  Answer answer;
  for (const tq::SubmitTaskRequest& request : requests) answer.items.push_back(ToJson(request));
  answer.whole = answer.items.size() == 1 ? answer.items[0] : Json{{"tasks", answer.items}};
  answer.card = ToYaml(answer.whole);
  for (const tq::SubmitTaskRequest& request : requests) answer.names.push_back(request.request_id());
  return answer;
}

}  // namespace switchyard::yard
