#include "libs/http/testing/simulated_endpoint.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/strings.h"

namespace switchyard::testing {
namespace {

[[noreturn]] void Die(const std::string& what) {
  std::fprintf(stderr, "simulated endpoint: %s\n", what.c_str());
  std::abort();
}

}  // namespace

SimulatedEndpoint::SimulatedEndpoint(const std::vector<std::string>& options) : client_(clock_, {}) {
  int input[2];
  int output[2];
  if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) Die("no pipe");
  std::vector<std::string> words = {SIMMODEL_PATH, "--until-eof"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], 0);
  posix_spawn_file_actions_adddup2(&actions, output[1], 1);
  const int failed = posix_spawn(&pid_, SIMMODEL_PATH, &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  input_ = input[1];
  if (failed != 0) Die("cannot be started");
  FILE* lines = fdopen(output[0], "r");
  if (std::fscanf(lines, "port %d control %d", &port_, &control_port_) != 2) Die("did not say its port");
  std::fclose(lines);
  client_.Start();
}

SimulatedEndpoint::~SimulatedEndpoint() {
  client_.Stop();
  close(input_);
  waitpid(pid_, nullptr, 0);
}

std::string SimulatedEndpoint::url(std::string_view path) const {
  return absl::StrCat("http://127.0.0.1:", port_, ToAbsl(path));
}

std::string SimulatedEndpoint::Control(std::string_view method, std::string_view what, std::string_view json) {
  http::HttpRequest request;
  request.method = std::string(method);
  request.url = absl::StrCat("http://127.0.0.1:", control_port_, "/_sim/", ToAbsl(what));
  request.body = std::string(json);
  const http::HttpOutcome outcome = http::Fetch(client_, std::move(request));
  if (!outcome.ok()) Die(absl::StrCat(ToAbsl(what), ": ", outcome.detail, outcome.body));
  return outcome.body;
}

void SimulatedEndpoint::SetFaults(const std::vector<std::string>& faults) {
  std::vector<std::string> quoted;
  for (const std::string& fault : faults) quoted.push_back(absl::StrCat("\"", fault, "\""));
  Control("PUT", "faults", absl::StrCat("[", absl::StrJoin(quoted, ","), "]"));
}

int SimulatedEndpoint::CountOf(std::string_view method_and_path) {
  // The counts come first in the answer.
  const std::string log = Control("GET", "requests");
  const std::string key = absl::StrCat("\"", ToAbsl(method_and_path), "\": ");
  const std::size_t at = log.find(key);
  return at == std::string::npos ? 0 : std::atoi(log.c_str() + at + key.size());
}

}  // namespace switchyard::testing
