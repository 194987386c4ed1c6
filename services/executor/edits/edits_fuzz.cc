// Feeds the reader of answers anything, and resolves it against files made of the same bytes: it must answer within its
// bounds, plan nothing when anything was refused, and stay inside. What it planned must hold when it is resolved again:
// nothing is applied twice.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "services/executor/edits/feedback.h"
#include "services/executor/edits/parse.h"
#include "services/executor/edits/resolve.h"
#include "services/executor/edits/syntax.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchyard::executor::edits;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // The file, a NUL, the answer.
  const std::size_t border = input.find('\0');
  const std::string_view content = border == std::string_view::npos ? std::string_view() : input.substr(0, border);
  const std::string_view answer = border == std::string_view::npos ? input : input.substr(border + 1);
  MemoryFiles files({{"a.py", std::string(content)}, {"src/b.json", std::string(content)}, {"empty", ""}});
  files.Set("link", {.kind = EntryKind::kLink});
  ParseOptions parse;
  parse.limits.blocks = 64;
  const ParsedAnswer parsed = ParseAnswer(answer, parse);
  if (parsed.edits.size() > parse.limits.blocks + 64 && parsed.faults.empty()) __builtin_trap();
  ResolveOptions options;
  options.limits.file_bytes = 64 << 10;
  const Resolution resolution = Resolve(parsed, files, options);
  if (resolution.verdicts.size() != parsed.edits.size()) __builtin_trap();
  if (!resolution.ok() && !resolution.plan.empty()) __builtin_trap();
  if (FeedbackText(resolution, {.max_bytes = 500}).size() > 500) __builtin_trap();
  SyntaxFaults(resolution.plan, files);
  for (const FileChange& change : resolution.plan.changes) {
    const auto normal = CheckPath(change.path);
    if (!normal.ok() || *normal != change.path || change.path == "link" || change.path.rfind("link/", 0) == 0)
      __builtin_trap();
    if (change.content.size() > options.limits.file_bytes) __builtin_trap();
    const auto entry = files.Read(change.path, 1 << 20);
    if (!entry.ok() || (entry->kind == EntryKind::kFile) != !change.sha256_before.empty()) __builtin_trap();
  }
  return 0;
}
