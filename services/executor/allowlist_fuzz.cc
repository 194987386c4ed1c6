// Feeds the reader of allowlists anything: it must answer, never throw, and what it takes must be safe to ask.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/executor/allowlist_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchyard::executor;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The list, a NUL, then the arguments, one a line.
  const std::size_t border = text.find('\0');
  const absl::StatusOr<Allowlist> list = ParseAllowlist(text.substr(0, border));
  if (!list.ok()) return 0;
  Work work;
  std::string_view rest = border == std::string_view::npos ? "" : text.substr(border + 1);
  while (!rest.empty() && work.argv.size() < 32) {
    const std::size_t end = rest.find('\n');
    work.argv.emplace_back(rest.substr(0, end));
    rest = end == std::string_view::npos ? "" : rest.substr(end + 1);
  }
  const absl::StatusOr<const Rule*> rule = list->Find(work);
  if (!rule.ok()) return 0;
  // What is allowed is a program that a rule names in full, and no shell.
  if ((*rule)->program.front() != '/' || IsShell((*rule)->program) || work.argv[0].empty()) __builtin_trap();
  for (const std::string& argument : work.argv) {
    if (argument.find('\0') != std::string::npos) __builtin_trap();
  }
  return 0;
}
