// What tests of whole commands have in common: a server for services in memory, and a host that is not the real one.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/random.h"
#include "libs/testing/rpc_test_server.h"
#include "libs/testing/temp_dir.h"
#include "tools/yard/run.h"

namespace switchyard::yard {

// Register services with `server_` and start it in the constructor; stop it in the destructor, before they go.
class CommandTest : public ::testing::Test {
 protected:
  struct Result {
    int code;
    std::string out;
    std::string err;
  };

  Result Run(const std::vector<std::string>& words, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out;
    std::ostringstream err;
    Host host{.in = in,
              .out = out,
              .err = err,
              .in_is_terminal = terminal_,
              .out_is_terminal = terminal_,
              .err_is_terminal = terminal_,
              .columns = columns_,
              .working_directory = dir_.path(),
              .environment =
                  [this](std::string_view name) {
                    const auto found = variables_.find(name);
                    return found == variables_.end() ? std::nullopt : std::optional(found->second);
                  },
              .clock = clock_,
              .ids = ids_,
              .pause = [this](absl::Duration) { return --pauses_ > 0; },
              .interrupted = [this] { return interrupted_.load(); }};
    const int code = RunYard(words, host);
    return {code, out.str(), err.str()};
  }

  testing::TempDir dir_;
  testing::RpcTestServer server_;
  DisciplinedClock clock_;
  std::unique_ptr<Rng> rng_ = MakeSystemRng();
  TimeOrderedIdSource ids_{clock_, *rng_};
  std::map<std::string, std::string, std::less<>> variables_ = {{"YARD_CONFIG", dir_.File("config.toml")}};
  bool terminal_ = false;
  int columns_ = 100;
  // How often a command may wait before it is interrupted.
  int pauses_ = 0;
  std::atomic<bool> interrupted_ = false;
};

}  // namespace switchyard::yard
