// Finds the lines of a file that a search means. Internal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "services/executor/edits/line_table.h"
#include "services/executor/edits/resolve.h"

namespace switchyard::executor::edits {

inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);

// Indentation that lines of the answer have too little or too much.
struct Shift {
  // Put before lines that are not blank, or taken from them.
  bool add = true;
  std::string blanks;
};

// A run of search lines and the file's lines that they are.
struct Piece {
  std::size_t search_begin = 0;
  std::size_t search_end = 0;
  // Of the replacement, the part that stands for it.
  std::size_t replace_begin = 0;
  std::size_t replace_end = 0;
  // Of the file.
  std::size_t begin = 0;
  std::size_t end = 0;
  // The file's line for each search line; kNowhere for blank ones that have none.
  std::vector<std::size_t> at;
  Shift shift;
};

enum class Hit { kOne, kNone, kSeveral, kTooCostly };

struct Located {
  Hit hit = Hit::kNone;
  Rung rung = Rung::kExact;
  // Of kOne; in the order of the file, apart from each other.
  std::vector<Piece> pieces;
  // Of kSeveral: where they begin, at most 5.
  std::vector<std::size_t> places;
  // Of kNone: the lines are there once, but for indentation that differs from line to line; where they begin.
  std::size_t indented_otherwise = kNowhere;
  // Of kNone and kSeveral: the piece between "..." that it was about, from 1; 0: no piece.
  std::size_t piece = 0;
};

// What all blocks of an answer may look at.
struct Looks {
  std::size_t left = 0;

  // False once there are none left.
  bool Take(std::size_t count) {
    if (count > left) {
      left = 0;
      return false;
    }
    left -= count;
    return true;
  }
};

// Goes down the ladder and stops where there is a hit at all. `search` has lines. Linear in the file for each rung.
Located Locate(const LineTable& file, const LineTable& search, const LineTable& replace, Looks& looks);

// All lines [begin, end) of `search`, in the file, by the rungs up to kIndent only.
Located LocateRun(const LineTable& file, const LineTable& search, std::size_t begin, std::size_t end, Looks& looks);

// "...", also within a comment, or words that stand for code that was left out.
bool IsElision(std::string_view line);

}  // namespace switchyard::executor::edits
