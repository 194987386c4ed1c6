// Command-line agents as the owner of this executor configures them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "services/executor/allowlist.h"
#include "services/executor/external/extract.h"

namespace switchyard::executor::external {

// How an agent shows that it is there.
struct Waking {
  absl::Duration within = absl::Minutes(1);
  // Arguments of a run of its own before the work, which has to end with 0; empty: none.
  std::vector<std::string> probe;
  // Appears in the scratch folder; empty: none.
  std::string file;
  // A line that matches; not set: the first output does.
  Extract output;
};

enum class NamedBy { kOutput, kFile, kProbe };

// How it says which model it works with.
struct Naming {
  NamedBy by = NamedBy::kOutput;
  // Of kFile.
  std::string file;
  // Of kProbe.
  std::vector<std::string> probe;
  Extract extract;
  // After its start; zero: by its end. Not of kProbe, which takes Waking::within.
  absl::Duration within = absl::ZeroDuration();
};

// What it works with when the task was not routed.
struct OwnModel {
  // Empty: whatever it names counts.
  std::string name;
  // Other names that it may give, also for a routed model.
  std::vector<std::string> aliases;
  std::string url;
  std::string credential;
  std::string provider;
  // `url` is a host of one's own.
  bool local = false;
};

// What it leaves behind. `file` is in the scratch folder; empty: its output.
struct Declared {
  std::string file;
  Extract summary;
  Extract input_tokens;
  Extract cached_input_tokens;
  Extract cache_write_tokens;
  Extract output_tokens;
  // In US dollars.
  Extract cost;
  // `input_tokens` does not count what came from the cache.
  bool cached_apart = false;
};

struct AgentSpec {
  // Program, network, paths, limits and sandbox; its name is that of the agent.
  Rule rule;
  // Templates, as are the values of the two maps.
  std::vector<std::string> arguments;
  bool prompt_by_stdin = false;
  std::map<std::string, std::string> environment;
  // In the scratch folder, by name.
  std::map<std::string, std::string> files;
  Waking waking;
  Naming naming;
  OwnModel model;
  // It takes the model of a task's route.
  bool routed = false;
  Declared declared;
  std::vector<int> success_exit_codes = {0};
  // Without any output; zero: it may be silent.
  absl::Duration inactivity = absl::ZeroDuration();

  const std::string& name() const { return rule.name; }
};

// What stands for the placeholders of one attempt.
struct PlaceholderValues {
  std::string prompt_file;
  std::string model;
  std::string url;
  std::string workspace;
  std::string scratch;
  std::string task_id;
  // Only for the environment.
  std::string credential;
};

enum class CredentialUse { kAllowed, kRefused };

// "{model}" and its kin replaced: small letters and '_' between braces; other braces are themselves. What stands
// instead is not looked at again.
std::string Expand(std::string_view text, const PlaceholderValues& values);
// What is wrong with a template, for people; empty: nothing.
std::string TemplateFault(std::string_view text, CredentialUse credential);
// Whether a template has this placeholder: "model".
bool Uses(std::string_view text, std::string_view placeholder);
bool Uses(const AgentSpec& agent, std::string_view placeholder);

// A file's name without a folder, as the scratch folder may hold it.
bool IsFileName(std::string_view name);

}  // namespace switchyard::executor::external
