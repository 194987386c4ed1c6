// A text by lines, indexed by hashes so that a run of lines is found in linear time. Internal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace switchyard::executor::edits {

// What two lines must have in common to count as the same.
enum class Likeness { kText, kTrailingBlanks, kStripped };

// Borrows the text. Not thread-safe.
class LineTable {
 public:
  explicit LineTable(std::string_view text);

  std::size_t size() const { return starts_.size() - 1; }
  // Without its end, and, in the first line, without a byte order mark.
  std::string_view Line(std::size_t at) const;
  // "\n", "\r\n", or "" for a last line without one.
  std::string_view EndOf(std::size_t at) const;
  // Bytes of lines [begin, end), ends included, byte order mark excluded.
  std::string_view Range(std::size_t begin, std::size_t end) const;
  // What the line is compared by.
  std::string_view Reduced(std::size_t at, Likeness likeness) const;
  bool IsBlank(std::size_t at) const { return Reduced(at, Likeness::kStripped).empty(); }

  // The end that most lines have; "\n" when there is none.
  std::string_view main_end() const { return main_end_; }
  bool mixed_ends() const { return mixed_ends_; }
  // An empty text counts as ended.
  bool ended() const { return size() == 0 || !EndOf(size() - 1).empty(); }
  std::string_view mark() const { return text_.substr(0, mark_); }

  // One for each line; made when first asked for.
  const std::vector<std::uint32_t>& Hashes(Likeness likeness) const;
  // False: no line has this hash. True says little.
  bool MayHold(Likeness likeness, std::uint32_t hash) const;
  // Lines that are not blank, and the hashes of those, trailing blanks aside.
  const std::vector<std::uint32_t>& Filled() const;
  const std::vector<std::uint32_t>& FilledHashes() const;

 private:
  std::string_view text_;
  std::size_t mark_ = 0;
  // Of each line, and the end of the text.
  std::vector<std::uint32_t> starts_;
  std::string_view main_end_;
  bool mixed_ends_ = false;
  mutable std::array<std::vector<std::uint32_t>, 3> hashes_;
  // One bit for each of some bits of each hash.
  mutable std::array<std::vector<std::uint64_t>, 3> present_;
  mutable bool filled_known_ = false;
  mutable std::vector<std::uint32_t> filled_;
  mutable std::vector<std::uint32_t> filled_hashes_;
};

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The same on every run, for the same bytes.
std::uint32_t HashLine(std::string_view line);

}  // namespace switchyard::executor::edits
