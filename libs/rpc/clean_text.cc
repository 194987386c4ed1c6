#include "libs/rpc/clean_text.h"

#include "libs/text/redact.h"
#include "libs/text/utf8.h"

namespace switchyard::rpc {

std::string CleanText(std::string_view text, std::size_t max_bytes) {
  // Beyond this nothing can be kept, and redaction is not free.
  const std::string clean = text::ReplaceInvalidUtf8(text::Redact(text.substr(0, max_bytes * 4)));
  return std::string(text::TruncateUtf8(clean, max_bytes));
}

}  // namespace switchyard::rpc
