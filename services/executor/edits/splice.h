// From places to new content. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "services/executor/edits/edit.h"
#include "services/executor/edits/locate.h"

namespace switchyard::executor::edits {

// Lines [begin, end) of the file become `text`, whose lines all have ends.
struct Splice {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

// What a piece changes: lines that the replacement keeps stay byte for byte as the file has them. False when the
// replacement cannot be shifted as the search was: it has lines with less indentation than is to be taken away.
bool MakeSplices(const LineTable& file, const LineTable& search, const LineTable& replace, const Piece& piece,
                 Rung rung, std::vector<Splice>& out, Looks& looks);

// Whether a line of the file is a line of the replacement as it would be written there, trailing blanks aside.
bool SameShifted(const LineTable& file, std::size_t file_line, const LineTable& replace, std::size_t line,
                 const Shift& shift);

// The file with all splices made; they do not overlap. The end of the last line stays as it is, or goes, or comes, as
// `newline` says.
std::string Compose(const LineTable& file, std::vector<Splice> splices, FinalNewline newline);

// A whole file as it is written over another: with that one's line ends, byte order mark, and end of its last line.
std::string AdaptWhole(const LineTable& before, std::string_view content);

}  // namespace switchyard::executor::edits
