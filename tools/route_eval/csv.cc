#include "tools/route_eval/csv.h"

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"

namespace switchyard::route_eval {
namespace {

constexpr std::size_t kMostField = 4u << 20;
constexpr std::size_t kMostFields = 1'000;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

}  // namespace

CsvReader::CsvReader(std::string_view text) : text_(text) {
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) text_.remove_prefix(kByteOrderMark.size());
}

absl::Status CsvReader::Fault(std::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", ToAbsl(what)));
}

bool CsvReader::TakeLineEnd() {
  const std::size_t length = text_.substr(at_, 2) == "\r\n" ? 2 : text_.substr(at_, 1) == "\n" ? 1 : 0;
  if (length == 0) return false;
  at_ += length;
  ++line_;
  return true;
}

absl::Status CsvReader::ReadField(std::string& field) {
  field.clear();
  if (text_.substr(at_, 1) != "\"") {
    while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != '\n' && text_.substr(at_, 2) != "\r\n") {
      if (text_[at_] == '"') return Fault("a quote within a field that does not begin with one");
      field.push_back(text_[at_++]);
      if (field.size() > kMostField) return Fault("a field has more than 4 MiB");
    }
    return absl::OkStatus();
  }
  const std::size_t begin_line = line_;
  ++at_;
  for (;;) {
    if (at_ >= text_.size()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", begin_line, ": a quote is never closed"));
    }
    const char c = text_[at_++];
    if (c == '"') {
      if (text_.substr(at_, 1) != "\"") break;
      ++at_;
    }
    if (c == '\n') ++line_;
    field.push_back(c);
    if (field.size() > kMostField) return Fault("a field has more than 4 MiB");
  }
  const bool ends = at_ >= text_.size() || text_[at_] == ',' || text_[at_] == '\n' || text_.substr(at_, 2) == "\r\n";
  return ends ? absl::OkStatus() : Fault("text behind a closing quote");
}

absl::StatusOr<bool> CsvReader::Next(std::vector<std::string>& fields) {
  fields.clear();
  while (TakeLineEnd()) {
  }
  if (at_ >= text_.size()) return false;
  begin_line_ = line_;
  for (;;) {
    if (fields.size() >= kMostFields) return Fault("a record has more than 1000 fields");
    if (absl::Status status = ReadField(fields.emplace_back()); !status.ok()) return status;
    if (at_ >= text_.size() || TakeLineEnd()) return true;
    // A comma: ReadField stops at nothing else.
    ++at_;
  }
}

}  // namespace switchyard::route_eval
