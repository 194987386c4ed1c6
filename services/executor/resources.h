#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/runner.h"

namespace switchyard::executor {

struct Gpu {
  std::string name;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_used_bytes = 0;
  // 0 to 100.
  std::uint32_t busy_percent = 0;
};

// What this host has, at one moment. Zero where it cannot be told.
struct Resources {
  std::uint32_t cpus = 0;
  // Of the last minute.
  double load = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_available_bytes = 0;
  // Of the file system that holds the tasks' folders.
  std::uint64_t disk_bytes = 0;
  std::uint64_t disk_free_bytes = 0;
  std::vector<Gpu> gpus;
};

// Reads /proc and asks nvidia-smi where there is one, at most 5 s: blocks, so not on a callback's thread. Once it did
// not answer it is asked only every tenth time. Not thread-safe.
class ResourceProbe {
 public:
  // `runner` may be null: then no GPU is looked for.
  ResourceProbe(std::string folder, Runner* runner, std::string shim);
  Resources Read();

 private:
  std::vector<Gpu> ReadGpus();

  const std::string folder_;
  Runner* const runner_;
  const std::string shim_;
  int skip_ = 0;
};

// Lines of `nvidia-smi --query-gpu=name,memory.total,memory.used,utilization.gpu --format=csv,noheader,nounits`.
// What cannot be read is left out; at most 64.
std::vector<Gpu> ParseGpus(std::string_view csv);

}  // namespace switchyard::executor
