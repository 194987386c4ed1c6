#pragma once

#include <algorithm>
#include <functional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tools/yard/session.h"

namespace switchyard::yard {

// Calls a paged list until --limit tasks were read or the end came; pages are merged into `all`, whose next_page_token
// then says where to go on.
template <class Request, class Response>
absl::Status ListPages(Session& session,
                       grpc::Status (TaskQueueStub::*method)(grpc::ClientContext*, const Request&, Response*),
                       Request request, Response& all) {
  constexpr long kMaxPage = 1'000;
  long limit = session.invocation().Number("limit").value_or(50);
  if (limit == 0) limit = 1'000'000'000;
  request.set_page_token(session.invocation().Get("page-token"));
  while (true) {
    request.set_page_size(static_cast<int>(std::min(kMaxPage, limit - all.tasks_size())));
    SY_ASSIGN_OR_RETURN(Response page, session.Call(method, request));
    auto merged = std::move(*all.mutable_tasks());
    std::move(page.mutable_tasks()->begin(), page.mutable_tasks()->end(),
              google::protobuf::RepeatedFieldBackInserter(&merged));
    page.mutable_tasks()->Swap(&merged);
    // Counted once, with the first page.
    if constexpr (requires { page.mutable_count_by_model(); }) {
      if (page.count_by_model().empty()) page.mutable_count_by_model()->swap(*all.mutable_count_by_model());
    }
    all = std::move(page);
    if (all.next_page_token().empty() || all.tasks_size() >= limit) return absl::OkStatus();
    request.set_page_token(all.next_page_token());
  }
}

inline void RemarkMore(Session& session, const std::string& next_page_token) {
  if (!next_page_token.empty()) session.Progress(absl::StrCat("more: --page-token ", next_page_token));
}

// Once, or with --watch every two seconds until interrupted; on a terminal each time on a clear screen.
inline absl::Status ListAgainAndAgain(Session& session, const std::function<absl::Status(Session&)>& once) {
  if (!session.invocation().Has("watch")) return once(session);
  while (true) {
    if (session.host().out_is_terminal) session.host().out << "\033[H\033[2J";
    SY_RETURN_IF_ERROR(once(session));
    if (!session.host().pause(absl::Seconds(2))) return absl::OkStatus();
  }
}

}  // namespace switchyard::yard
