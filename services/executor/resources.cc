#include "services/executor/resources.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "libs/base/strings.h"
#include "services/executor/limits.h"
#include "services/executor/sandbox.h"

namespace switchyard::executor {
namespace {

constexpr std::size_t kMaxGpus = 64;
constexpr int kReadsSkipped = 9;
constexpr absl::Duration kGpuTime = absl::Seconds(5);

void ReadMemory(Resources& out) {
  std::ifstream file("/proc/meminfo");
  std::string name;
  std::uint64_t kib = 0;
  std::string unit;
  while (file >> name >> kib && std::getline(file, unit)) {
    if (name == "MemTotal:") out.memory_bytes = kib * 1024;
    if (name == "MemAvailable:") out.memory_available_bytes = kib * 1024;
  }
}

}  // namespace

ResourceProbe::ResourceProbe(std::string folder, Runner* runner, std::string shim)
    : folder_(std::move(folder)), runner_(runner), shim_(std::move(shim)) {}

Resources ResourceProbe::Read() {
  Resources out;
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  out.cpus = cpus > 0 ? static_cast<std::uint32_t>(cpus) : 0;
  std::ifstream("/proc/loadavg") >> out.load;
  ReadMemory(out);
  struct statvfs info {};
  if (statvfs(folder_.c_str(), &info) == 0) {
    out.disk_bytes = static_cast<std::uint64_t>(info.f_blocks) * info.f_frsize;
    out.disk_free_bytes = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  }
  out.gpus = ReadGpus();
  return out;
}

std::vector<Gpu> ResourceProbe::ReadGpus() {
  if (runner_ == nullptr || skip_-- > 0) return {};
  skip_ = 0;
  const char* program = nullptr;
  for (const char* path : {"/usr/bin/nvidia-smi", "/usr/local/bin/nvidia-smi", "/opt/bin/nvidia-smi"}) {
    if (access(path, X_OK) == 0) program = path;
  }
  if (program == nullptr) {
    skip_ = kReadsSkipped;
    return {};
  }
  SandboxHost host;
  host.shim = shim_;
  Limits limits = DefaultLimits();
  limits.time = kGpuTime;
  limits.kill_grace = absl::ZeroDuration();
  SandboxRequest request;
  request.argv = {program, "--query-gpu=name,memory.total,memory.used,utilization.gpu",
                  "--format=csv,noheader,nounits"};
  const Evidence evidence = RunAndWait(*runner_, {.argv = PlainCommand(host, request),
                                                  .environment = {"PATH=/usr/bin:/bin", "LANG=C"},
                                                  .directory = "/",
                                                  .user = std::nullopt,
                                                  .sandboxed = false,
                                                  .stdin_data = "",
                                                  .limits = limits,
                                                  .folder = ""});
  if (evidence.outcome != Outcome::kSucceeded) {
    skip_ = kReadsSkipped;
    return {};
  }
  return ParseGpus(evidence.output);
}

std::vector<Gpu> ParseGpus(std::string_view csv) {
  std::vector<Gpu> out;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(csv), '\n')) {
    std::vector<std::string> cells = absl::StrSplit(line, ',');
    if (cells.size() != 4 || out.size() == kMaxGpus) continue;
    for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
    std::uint64_t total = 0;
    std::uint64_t used = 0;
    std::uint32_t busy = 0;
    // "[N/A]" where a card does not tell.
    if (!absl::SimpleAtoi(cells[1], &total) || total > (1ull << 40)) continue;
    if (!absl::SimpleAtoi(cells[2], &used) || used > total) used = 0;
    if (!absl::SimpleAtoi(cells[3], &busy) || busy > 100) busy = 0;
    out.push_back({.name = cells[0].substr(0, 100),
                   .memory_bytes = total << 20,
                   .memory_used_bytes = used << 20,
                   .busy_percent = busy});
  }
  return out;
}

}  // namespace switchyard::executor
