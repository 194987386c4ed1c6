#include "tools/benchmarks/processor_time.h"

#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tools/benchmarks/child_process.h"

namespace switchyard::bench {
namespace {

absl::Duration Ticks(std::int64_t ticks) {
  return absl::Seconds(static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK)));
}

struct Stat {
  pid_t parent = 0;
  absl::Duration own;
  absl::Duration ended_children;
};

// "pid (name) state parent ...": the name may hold anything, so look behind its last bracket.
std::optional<Stat> ReadStat(const std::string& pid) {
  const std::string text = ReadWhole(absl::StrCat("/proc/", pid, "/stat"));
  const std::size_t bracket = text.rfind(')');
  if (bracket == std::string::npos) return std::nullopt;
  const std::vector<std::string> fields = absl::StrSplit(text.substr(bracket + 1), ' ', absl::SkipEmpty());
  std::array<std::int64_t, 4> ticks{};
  Stat stat;
  if (fields.size() < 15 || !absl::SimpleAtoi(fields[1], &stat.parent)) return std::nullopt;
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    if (!absl::SimpleAtoi(fields[11 + i], &ticks[i])) return std::nullopt;
  }
  stat.own = Ticks(ticks[0] + ticks[1]);
  stat.ended_children = Ticks(ticks[2] + ticks[3]);
  return stat;
}

}  // namespace

absl::Duration ProcessTime(pid_t pid) {
  const std::optional<Stat> stat = ReadStat(absl::StrCat(pid));
  return stat.has_value() ? stat->own : absl::ZeroDuration();
}

std::vector<pid_t> FamilyOf(pid_t parent) {
  std::vector<pid_t> family = {parent};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (!absl::SimpleAtoi(name, &pid)) continue;
    if (const std::optional<Stat> stat = ReadStat(name); stat.has_value() && stat->parent == parent) {
      family.push_back(pid);
    }
  }
  return family;
}

absl::Duration FamilyTime(pid_t parent) {
  const std::optional<Stat> head = ReadStat(absl::StrCat(parent));
  if (!head.has_value()) return absl::ZeroDuration();
  absl::Duration sum = head->ended_children;
  for (const pid_t pid : FamilyOf(parent)) sum += ProcessTime(pid);
  return sum;
}

absl::Duration MachineTime() {
  const std::string text = ReadWhole("/proc/stat");
  const std::vector<std::string> fields = absl::StrSplit(text.substr(0, text.find('\n')), ' ', absl::SkipEmpty());
  // user nice system idle iowait irq softirq steal
  absl::Duration sum;
  for (const std::size_t field : {1u, 2u, 3u, 6u, 7u, 8u}) {
    std::int64_t ticks = 0;
    if (field < fields.size() && absl::SimpleAtoi(fields[field], &ticks)) sum += Ticks(ticks);
  }
  return sum;
}

}  // namespace switchyard::bench
