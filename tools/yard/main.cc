#include <sys/ioctl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/clock.h"
#include "libs/base/id.h"
#include "libs/base/random.h"
#include "libs/rpc/caller.h"
#include "tools/yard/run.h"

namespace {

volatile std::sig_atomic_t interruptions_told = 0;
volatile std::sig_atomic_t interruptions = 0;

// Nothing is kept in memory that would be lost: all output is written as it is made.
void OnInterrupt(int) {
  if (interruptions_told == 0 || interruptions > 0) _exit(130);
  interruptions = 1;
}

int Columns() {
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, OnInterrupt);
  // gRPC's own remarks would mix with ours; failures are reported anyway.
  setenv("GRPC_VERBOSITY", "NONE", 0);
  std::ios::sync_with_stdio(false);

  const switchyard::DisciplinedClock clock;
  const std::unique_ptr<switchyard::Rng> rng = switchyard::MakeSystemRng();
  switchyard::TimeOrderedIdSource ids(clock, *rng);
  switchyard::rpc::AlarmTimer timer;
  std::error_code ignored;
  switchyard::yard::Host host{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .in_is_terminal = isatty(STDIN_FILENO) != 0,
      .out_is_terminal = isatty(STDOUT_FILENO) != 0,
      .err_is_terminal = isatty(STDERR_FILENO) != 0,
      .columns = Columns(),
      .working_directory = std::filesystem::current_path(ignored).string(),
      .environment =
          [](std::string_view name) {
            const char* const value = std::getenv(std::string(name).c_str());
            return value == nullptr ? std::nullopt : std::optional<std::string>(value);
          },
      .clock = clock,
      .ids = ids,
      .pause =
          [&timer](absl::Duration span) {
            timer.Sleep(span);
            return true;
          },
      .interrupted =
          [] {
            interruptions_told = 1;
            return interruptions > 0;
          },
  };
  return switchyard::yard::RunYard(std::vector<std::string>(argv + 1, argv + argc), host);
}
