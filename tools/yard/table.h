#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace switchyard::yard {

enum class Tone { kNone, kGood, kBad, kWaiting, kActive, kFaint };

struct Cell {
  Cell(std::string_view text, Tone tone = Tone::kNone) : text(text), tone(tone) {}
  Cell(const char* text, Tone tone = Tone::kNone) : text(text), tone(tone) {}
  Cell(std::string text, Tone tone = Tone::kNone) : text(std::move(text)), tone(tone) {}

  // As it came; rendering escapes it.
  std::string text;
  Tone tone;
};

struct Column {
  std::string_view title;
  // Shown with -o wide only.
  bool wide = false;
  bool right = false;
};

struct Table {
  std::vector<Column> columns;
  // Each as long as `columns`.
  std::vector<std::vector<Cell>> rows;
  // Said on standard error when there are no rows.
  std::string_view empty_note = "";
};

struct TableStyle {
  bool wide = false;
  bool color = false;
  // Longest line in terminal columns; the last column gives way. 0 is endless.
  int columns = 0;
};

// Aligned, with a heading. Empty when there are no rows.
std::string RenderTable(const Table& table, const TableStyle& style);
// One row per line, fields separated by one tab, no heading; all columns that are not wide ones.
std::string RenderPlain(const Table& table);

// `text` in the colour of `tone`, or as it is.
std::string Paint(std::string_view text, Tone tone, bool color);
// One line: everything that could move the cursor, tabs and line ends too, is escaped.
std::string OneLine(std::string_view text);
// In terminal columns; wide characters count two.
int DisplayWidth(std::string_view text);
// At most `columns` wide, the last one an ellipsis where something was cut.
std::string Shorten(std::string_view text, int columns);

}  // namespace switchyard::yard
