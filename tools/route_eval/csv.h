#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace switchyard::route_eval {

// Reads RFC 4180: fields parted by commas, records by line ends (LF or CRLF), quoted fields that may hold commas,
// quotes (doubled) and line ends. A byte order mark at the front and a missing line end at the end are taken as they
// come. Borrows the text.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text);

  // The next record; false at the end. Lines that hold nothing at all are passed over. INVALID_ARGUMENT names the line:
  // a quote within a bare field, text behind a closing quote, a quote that is never closed, a field above 4 MiB or a
  // record of more than 1,000 fields. Not to be called again after a failure.
  absl::StatusOr<bool> Next(std::vector<std::string>& fields);
  // On which the last record began, from 1.
  std::size_t line() const { return begin_line_; }

 private:
  absl::Status ReadField(std::string& field);
  absl::Status Fault(std::string_view what) const;
  // Whether a line end stands here; steps over it.
  bool TakeLineEnd();

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t begin_line_ = 1;
};

}  // namespace switchyard::route_eval
