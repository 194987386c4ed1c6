// Feeds what checks read of strangers anything: schemas with documents, text with secrets, globs with paths.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libs/text/glob.h"
#include "services/executor/checks/evidence.h"
#include "services/executor/checks/json_schema.h"
#include "services/executor/checks/secret_scan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace switchyard::executor::checks;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  // The one, a NUL, the other.
  const std::size_t border = text.find('\0');
  const std::string_view first = text.substr(0, border);
  const std::string_view second = border == text.npos ? "" : text.substr(border + 1);

  const absl::StatusOr<ParsedJson> schema = ParseStrangersJson(first);
  const absl::StatusOr<ParsedJson> document = ParseStrangersJson(second);
  if (schema.ok() && document.ok()) {
    const SchemaResult result = ValidateJson(schema->json, document->json, {.steps = 100'000});
    if ((result.verdict == SchemaVerdict::kValid) != result.message.empty()) __builtin_trap();
  }
  if (switchyard::text::MatchesGlob(first, second) && !switchyard::text::ValidateGlob(first).ok()) __builtin_trap();
  for (const FoundSecret& secret : FindSecrets(text)) {
    if (secret.value.empty() || secret.offset + secret.value.size() > text.size()) __builtin_trap();
  }
  std::size_t omitted = 0;
  if (ToEvidence(text, omitted).size() > kEvidenceBytes || Quoted(text).size() > 300) __builtin_trap();
  return 0;
}
