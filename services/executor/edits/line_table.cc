#include "services/executor/edits/line_table.h"

#include <bit>
#include <cstring>

namespace switchyard::executor::edits {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

std::string_view WithoutTrailing(std::string_view line) {
  const std::size_t last = line.find_last_not_of(kBlanks);
  return last == std::string_view::npos ? std::string_view() : line.substr(0, last + 1);
}

std::string_view Stripped(std::string_view line) {
  line = WithoutTrailing(line);
  const std::size_t first = line.find_first_not_of(kBlanks);
  return first == std::string_view::npos ? std::string_view() : line.substr(first);
}

}  // namespace

std::uint32_t HashLine(std::string_view line) {
  constexpr std::uint64_t kFactor = 0x9E3779B97F4A7C15;
  std::uint64_t hash = line.size() * kFactor;
  const char* at = line.data();
  std::size_t left = line.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    hash = (hash ^ word) * kFactor;
    hash ^= hash >> 29;
  }
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < left; ++i) word |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  hash = (hash ^ word) * kFactor;
  return static_cast<std::uint32_t>(hash ^ (hash >> 32));
}

LineTable::LineTable(std::string_view text) : text_(text), main_end_("\n") {
  if (text.substr(0, kByteOrderMark.size()) == kByteOrderMark) mark_ = kByteOrderMark.size();
  std::size_t plain = 0;
  std::size_t carriage = 0;
  starts_.push_back(static_cast<std::uint32_t>(mark_));
  for (std::size_t from = mark_; from < text.size();) {
    const std::size_t end = text.find('\n', from);
    if (end == std::string_view::npos) {
      from = text.size();
    } else {
      ++(end > from && text[end - 1] == '\r' ? carriage : plain);
      from = end + 1;
    }
    starts_.push_back(static_cast<std::uint32_t>(from));
  }
  if (carriage > plain) main_end_ = "\r\n";
  mixed_ends_ = carriage > 0 && plain > 0;
}

std::string_view LineTable::EndOf(std::size_t at) const {
  const std::string_view line = Range(at, at + 1);
  if (line.empty() || line.back() != '\n') return {};
  return line.size() > 1 && line[line.size() - 2] == '\r' ? line.substr(line.size() - 2) : line.substr(line.size() - 1);
}

std::string_view LineTable::Line(std::size_t at) const {
  const std::string_view line = Range(at, at + 1);
  return line.substr(0, line.size() - EndOf(at).size());
}

std::string_view LineTable::Range(std::size_t begin, std::size_t end) const {
  return text_.substr(starts_[begin], starts_[end] - starts_[begin]);
}

std::string_view LineTable::Reduced(std::size_t at, Likeness likeness) const {
  const std::string_view line = Line(at);
  switch (likeness) {
    case Likeness::kText:
      return line;
    case Likeness::kTrailingBlanks:
      return WithoutTrailing(line);
    case Likeness::kStripped:
      return Stripped(line);
  }
  return line;
}

const std::vector<std::uint32_t>& LineTable::Hashes(Likeness likeness) const {
  std::vector<std::uint32_t>& hashes = hashes_[static_cast<std::size_t>(likeness)];
  if (hashes.size() != size()) {
    hashes.resize(size());
    std::vector<std::uint64_t>& present = present_[static_cast<std::size_t>(likeness)];
    // Some 16 bits for each line.
    present.assign(std::bit_ceil(size() / 4 + 1), 0);
    const std::size_t mask = present.size() * 64 - 1;
    for (std::size_t at = 0; at < size(); ++at) {
      hashes[at] = HashLine(Reduced(at, likeness));
      const std::size_t bit = hashes[at] & mask;
      present[bit / 64] |= std::uint64_t{1} << (bit % 64);
    }
  }
  return hashes;
}

bool LineTable::MayHold(Likeness likeness, std::uint32_t hash) const {
  Hashes(likeness);
  const std::vector<std::uint64_t>& present = present_[static_cast<std::size_t>(likeness)];
  if (present.empty()) return false;
  const std::size_t bit = hash & (present.size() * 64 - 1);
  return (present[bit / 64] >> (bit % 64) & 1) != 0;
}

const std::vector<std::uint32_t>& LineTable::Filled() const {
  if (!filled_known_) {
    filled_known_ = true;
    for (std::size_t at = 0; at < size(); ++at) {
      if (!IsBlank(at)) filled_.push_back(static_cast<std::uint32_t>(at));
    }
  }
  return filled_;
}

const std::vector<std::uint32_t>& LineTable::FilledHashes() const {
  if (filled_hashes_.size() != Filled().size()) {
    filled_hashes_.reserve(Filled().size());
    for (const std::uint32_t at : Filled()) filled_hashes_.push_back(HashLine(Reduced(at, Likeness::kTrailingBlanks)));
  }
  return filled_hashes_;
}

}  // namespace switchyard::executor::edits
