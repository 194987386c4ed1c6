#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/model_registry/endpoint.h"

namespace switchyard::model_registry {

struct HostGpu {
  std::string name;
  std::int64_t memory_bytes = 0;
  std::int64_t memory_free_bytes = 0;
  // 0 to 1.
  double used = 0;

  friend bool operator==(const HostGpu&, const HostGpu&) = default;
};

// What an agent said last of the machine that it is on. 0: it could not tell.
struct HostReport {
  std::string agent;
  // As the agent names it.
  std::string host;
  absl::Time time;
  int cpus = 0;
  // 0 to 1.
  double cpu_used = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t memory_free_bytes = 0;
  std::int64_t disk_bytes = 0;
  std::int64_t disk_free_bytes = 0;
  std::vector<HostGpu> gpus;

  friend bool operator==(const HostReport&, const HostReport&) = default;
};

// The machine of an endpoint, as far as it is known.
struct EndpointHost {
  // Null: nothing is.
  std::shared_ptr<const HostReport> report;
  // Shown, and not used for routing.
  bool aged = false;
  // Why nothing is known, for people; empty for endpoints elsewhere, of which nobody asks.
  std::string message;

  friend bool operator==(const EndpointHost& a, const EndpointHost& b) {
    const bool same = a.report == b.report || (a.report != nullptr && b.report != nullptr && *a.report == *b.report);
    return same && a.aged == b.aged && a.message == b.message;
  }
};

// All that agents said last of their machines. Immutable.
class HostReports {
 public:
  // Nothing is known, and this is why.
  explicit HostReports(std::string why_none);
  // `own_host` is what this machine calls itself, which is what an endpoint at a loopback address runs on.
  HostReports(const std::vector<HostReport>& reports, std::string_view own_host);

  // What is said of the machine of a local endpoint, or of one that only an agent reaches: by that agent; else by the
  // agent on the host of that name that spoke last, whatever the name's case. A bare name is the same as a qualified
  // one that begins with it, unless several do. `aged` is left to the caller.
  EndpointHost Find(const EndpointSpec& spec) const;

 private:
  using Report = std::shared_ptr<const HostReport>;
  Report FindHost(const std::string& host) const;

  std::string why_none_;
  std::string own_host_;
  std::map<std::string, Report> by_agent_;
  std::map<std::string, Report> by_host_;
  // Null where several hosts begin with that name.
  std::map<std::string, Report> by_first_label_;
};

}  // namespace switchyard::model_registry
