#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "libs/base/clock.h"
#include "libs/http/http_client.h"

namespace switchyard::testing {

// A tools/simmodel process: a simulated model endpoint on the loopback. Stops the test's process when it cannot start.
class SimulatedEndpoint {
 public:
  // Takes the options of switchyard-simmodel; ready when it returns.
  explicit SimulatedEndpoint(const std::vector<std::string>& options = {});
  // Ends the process.
  ~SimulatedEndpoint();
  SimulatedEndpoint(const SimulatedEndpoint&) = delete;
  SimulatedEndpoint& operator=(const SimulatedEndpoint&) = delete;

  int port() const { return port_; }
  // "http://127.0.0.1:<port>" and `path`.
  std::string url(std::string_view path = "") const;

  // The control path, also while the endpoint plays dead: Control("PUT", "faults", R"([{"kind": "dead"}])"). Returns
  // the JSON of the answer; stops the process when it is refused.
  std::string Control(std::string_view method, std::string_view what, std::string_view json = "");
  // Those in force from now on, none when empty; as --fault takes them: {"dead"}, {"429,times=1", "slow_tokens"}.
  void SetFaults(const std::vector<std::string>& faults);
  // Requests so far whose "METHOD /path" is that.
  int CountOf(std::string_view method_and_path);

 private:
  DisciplinedClock clock_;
  http::HttpClient client_;
  pid_t pid_ = 0;
  int input_ = -1;
  int port_ = 0;
  int control_port_ = 0;
};

}  // namespace switchyard::testing
