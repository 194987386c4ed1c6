#include "services/model_registry/host_resources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::model_registry {
namespace {

// One spelling of a host's name.
std::string NormalHost(std::string_view host) {
  std::string name = absl::AsciiStrToLower(ToAbsl(host));
  if (name.size() > 1 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  return name;
}

bool IsHostAddress(const std::string& host) {
  return host.find(':') != std::string::npos || host.find_first_not_of("0123456789.") == std::string::npos;
}

bool IsLoopbackHost(const std::string& host) {
  return host == "localhost" || host == "::1" || (IsHostAddress(host) && host.rfind("127.", 0) == 0);
}

std::string FirstLabel(const std::string& host) { return host.substr(0, host.find('.')); }

}  // namespace

HostReports::HostReports(std::string why_none) : why_none_(std::move(why_none)) {}

HostReports::HostReports(const std::vector<HostReport>& reports, std::string_view own_host)
    : own_host_(NormalHost(own_host)) {
  for (const HostReport& report : reports) {
    const auto one = std::make_shared<const HostReport>(report);
    by_agent_[report.agent] = one;
    if (report.host.empty()) continue;
    Report& last = by_host_[NormalHost(report.host)];
    if (last == nullptr || last->time < report.time) last = one;
  }
  for (const auto& [host, report] : by_host_) {
    if (IsHostAddress(host)) continue;
    const auto [place, added] = by_first_label_.emplace(FirstLabel(host), report);
    if (!added) place->second = nullptr;
  }
}

HostReports::Report HostReports::FindHost(const std::string& host) const {
  if (const auto found = by_host_.find(host); found != by_host_.end()) return found->second;
  if (host.empty() || IsHostAddress(host)) return nullptr;
  const std::string first = FirstLabel(host);
  if (first != host) {
    const auto bare = by_host_.find(first);
    return bare == by_host_.end() ? nullptr : bare->second;
  }
  const auto qualified = by_first_label_.find(host);
  return qualified == by_first_label_.end() ? nullptr : qualified->second;
}

EndpointHost HostReports::Find(const EndpointSpec& spec) const {
  EndpointHost out;
  if (!spec.local && spec.agent.empty()) return out;
  if (!why_none_.empty()) {
    out.message = why_none_;
    return out;
  }
  if (!spec.agent.empty()) {
    const auto found = by_agent_.find(spec.agent);
    if (found != by_agent_.end()) out.report = found->second;
    if (out.report == nullptr) out.message = absl::StrCat("the agent ", spec.agent, " tells nothing of its machine");
    return out;
  }
  std::string host = NormalHost(HostOf(spec));
  const bool own = IsLoopbackHost(host);
  if (own) host = own_host_;
  out.report = FindHost(host);
  if (out.report != nullptr) return out;
  out.message = absl::StrCat("no agent tells of the host ", host, own ? ", on which this registry runs" : "",
                             "; the endpoint's `host` may name it as an agent does");
  return out;
}

}  // namespace switchyard::model_registry
