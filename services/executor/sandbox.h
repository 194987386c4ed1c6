#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/executor/spawn.h"

namespace switchyard::executor {

// Where things are on this host.
struct SandboxHost {
  std::string bubblewrap = "/usr/bin/bwrap";
  std::string shim;
  // Holds `passwd` and `group` as tasks see them; readable by the task's user.
  std::string etc;
  // Set exactly when this process is root: who tasks run as instead.
  std::optional<UserIds> user;
  uid_t task_uid() const;
};

struct SandboxRequest {
  // Absolute path of the program on the host, as the rule names it; then its arguments.
  std::vector<std::string> argv;
  // On the host; inside it is kWorkspace.
  std::string workspace;
  // Relative to the workspace.
  std::string directory;
  std::vector<std::string> read_only;
  std::vector<std::string> writable;
  bool network = false;
  // "--limit=…" and such, for the shim.
  std::vector<std::string> shim_arguments;
};

inline constexpr const char* kWorkspace = "/workspace";
inline constexpr std::uint64_t kSandboxTmpBytes = 256ull << 20;
// Descriptor on which bubblewrap reports the process id of the sandbox's init.
inline constexpr int kSandboxStatus = 4;

// Arguments for bubblewrap: namespaces of its own for everything (network too unless granted), no further user
// namespaces, dies with its parent, a session of its own; the system's programs read-only, no host state, /tmp and
// /dev/shm in bounded memory; the shim as its only child. Reads the file system, changes nothing.
std::vector<std::string> SandboxCommand(const SandboxHost& host, const SandboxRequest& request);

// The same without bubblewrap, for a rule whose sandbox is optional.
std::vector<std::string> PlainCommand(const SandboxHost& host, const SandboxRequest& request);

// PATH, HOME, TMPDIR, LANG, and what is given. Nothing of this process' environment.
std::vector<std::string> CleanEnvironment(const std::map<std::string, std::string>& set,
                                          const std::map<std::string, std::string>& asked, bool sandboxed,
                                          const std::string& workspace);

// Makes `etc` and finds the user. The host's own account when this process is not root. UNAVAILABLE, reason
// SANDBOX_UNAVAILABLE, with how to mend it.
absl::StatusOr<SandboxHost> PrepareSandboxHost(const std::string& bubblewrap, const std::string& shim,
                                               const std::string& user, const std::string& data_dir);

// The shim beside this program, or in ../lib/switchyard.
std::string FindShim();

}  // namespace switchyard::executor
