#include "services/executor/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"

namespace switchyard::executor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kShimInside = "/run/switchyard/shim";

bool Inside(std::string_view path, std::string_view folder) {
  return path.substr(0, folder.size()) == folder && (path.size() == folder.size() || path[folder.size()] == '/');
}

class CommandLine {
 public:
  template <class... Parts>
  void Add(Parts... parts) {
    (out_.emplace_back(parts), ...);
  }
  // In the sandbox as on the host, when the host has it.
  void Mirror(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::symlink_status(path, error);
    if (fs::is_symlink(status)) {
      const std::string target = fs::read_symlink(path, error);
      if (!error) Add("--symlink", target, path);
    } else if (fs::exists(status)) {
      Add("--ro-bind", path, path);
    }
  }
  std::vector<std::string> Take() { return std::move(out_); }

 private:
  std::vector<std::string> out_;
};

absl::Status Unavailable(std::string_view why) {
  return MakeError(absl::StatusCode::kUnavailable, "SANDBOX_UNAVAILABLE", why);
}

bool WriteText(const std::string& path, const std::string& text) {
  std::ofstream stream(path, std::ios::trunc);
  stream << text;
  stream.close();
  return stream.good() && chmod(path.c_str(), 0644) == 0;
}

}  // namespace

uid_t SandboxHost::task_uid() const { return user.has_value() ? user->uid : geteuid(); }

std::vector<std::string> SandboxCommand(const SandboxHost& host, const SandboxRequest& request) {
  CommandLine line;
  const std::string tmp_bytes = absl::StrCat(kSandboxTmpBytes);
  line.Add(host.bubblewrap, "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session",
           "--cap-drop", "ALL", "--hostname", "sandbox", "--json-status-fd", std::to_string(kSandboxStatus));
  if (request.network) line.Add("--share-net");
  line.Add("--ro-bind", "/usr", "/usr");
  for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) line.Mirror(path);
  for (const char* path : {"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
                           "/etc/localtime", "/etc/ssl/certs", "/etc/ssl/openssl.cnf", "/etc/mime.types"}) {
    line.Mirror(path);
  }
  if (request.network) {
    // Through their links: what they point at is elsewhere on the host.
    for (const char* path :
         {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services", "/etc/gai.conf"}) {
      line.Add("--ro-bind-try", path, path);
    }
  }
  line.Add("--ro-bind", host.etc + "/passwd", "/etc/passwd", "--ro-bind", host.etc + "/group", "/etc/group");
  line.Add("--proc", "/proc", "--dev", "/dev");
  line.Add("--perms", "1777", "--size", tmp_bytes, "--tmpfs", "/dev/shm");
  line.Add("--perms", "1777", "--size", tmp_bytes, "--tmpfs", "/tmp");
  for (const std::string& path : request.read_only) line.Add("--ro-bind", path, path);
  for (const std::string& path : request.writable) line.Add("--bind", path, path);
  const std::string& program = request.argv[0];
  bool shown = Inside(program, "/usr") || Inside(program, "/bin") || Inside(program, "/sbin");
  for (const auto* list : {&request.read_only, &request.writable}) {
    for (const std::string& path : *list) shown = shown || Inside(program, path);
  }
  if (!shown) line.Add("--ro-bind", program, program);
  line.Add("--bind", request.workspace, kWorkspace, "--ro-bind", host.shim, kShimInside);
  // Last, since what is mounted below needs them writable.
  line.Add("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", kWorkspace, "--", kShimInside, "--own-pids");
  for (const std::string& argument : request.shim_arguments) line.Add(argument);
  if (!request.directory.empty()) line.Add("--directory=" + request.directory);
  line.Add("--");
  for (const std::string& argument : request.argv) line.Add(argument);
  return line.Take();
}

std::vector<std::string> PlainCommand(const SandboxHost& host, const SandboxRequest& request) {
  CommandLine line;
  line.Add(host.shim);
  for (const std::string& argument : request.shim_arguments) line.Add(argument);
  if (!request.directory.empty()) line.Add("--directory=" + request.directory);
  line.Add("--");
  for (const std::string& argument : request.argv) line.Add(argument);
  return line.Take();
}

std::vector<std::string> CleanEnvironment(const std::map<std::string, std::string>& set,
                                          const std::map<std::string, std::string>& asked, bool sandboxed,
                                          const std::string& workspace) {
  std::map<std::string, std::string> all = {{"PATH", "/usr/local/bin:/usr/bin:/bin"},
                                            {"HOME", sandboxed ? "/tmp" : workspace},
                                            {"TMPDIR", sandboxed ? "/tmp" : workspace},
                                            {"LANG", "C.UTF-8"},
                                            {"USER", "task"},
                                            {"LOGNAME", "task"},
                                            {"TZ", "UTC"}};
  for (const auto& [name, value] : asked) all[name] = value;
  for (const auto& [name, value] : set) all[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : all) out.push_back(absl::StrCat(name, "=", value));
  return out;
}

absl::StatusOr<SandboxHost> PrepareSandboxHost(const std::string& bubblewrap, const std::string& shim,
                                               const std::string& user, const std::string& data_dir) {
  SandboxHost host{.bubblewrap = bubblewrap, .shim = shim.empty() ? FindShim() : shim, .etc = data_dir + "/sandbox"};
  if (host.shim.empty() || access(host.shim.c_str(), X_OK) != 0) {
    return Unavailable(absl::StrCat("the program yard-agent-shim is not beside this one", host.shim.empty() ? "" : ": ",
                                    host.shim, "; install it or set sandbox.shim"));
  }
  gid_t gid = getegid();
  if (geteuid() == 0) {
    SY_ASSIGN_OR_RETURN(const UserIds ids, FindTaskUser(user));
    host.user = ids;
    gid = ids.gid;
  }
  if (mkdir(host.etc.c_str(), 0755) != 0 && errno != EEXIST) {
    return Unavailable(absl::StrCat("cannot make ", host.etc, ": ", strerror(errno)));
  }
  const uid_t uid = host.task_uid();
  const std::string passwd = absl::StrCat("task:x:", uid, ":", gid, "::/tmp:/usr/sbin/nologin\n",
                                          "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n");
  const std::string group = absl::StrCat("task:x:", gid, ":\nnogroup:x:65534:\n");
  if (chmod(host.etc.c_str(), 0755) != 0 || !WriteText(host.etc + "/passwd", passwd) ||
      !WriteText(host.etc + "/group", group)) {
    return Unavailable(absl::StrCat("cannot write into ", host.etc, ": ", strerror(errno)));
  }
  return host;
}

std::string FindShim() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return "";
  const fs::path folder = self.parent_path();
  for (const fs::path& candidate : {folder / "yard-agent-shim", folder.parent_path() / "lib/switchyard/yard-agent-shim",
                                    folder.parent_path() / "bin/yard-agent-shim"}) {
    if (access(candidate.c_str(), X_OK) == 0) return candidate.string();
  }
  return "";
}

}  // namespace switchyard::executor
