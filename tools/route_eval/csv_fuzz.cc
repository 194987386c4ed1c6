// Feeds the reader of CSV anything: it must answer, never throw, and end.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/route_eval/csv.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  switchyard::route_eval::CsvReader reader(text);
  std::vector<std::string> fields;
  std::size_t bytes = 0;
  std::size_t last_line = 0;
  for (;;) {
    const absl::StatusOr<bool> more = reader.Next(fields);
    if (!more.ok() || !*more) return 0;
    // What comes out was in there, and lines only grow.
    for (const std::string& field : fields) bytes += field.size();
    if (fields.empty() || bytes > size || reader.line() <= last_line) __builtin_trap();
    last_line = reader.line();
  }
}
