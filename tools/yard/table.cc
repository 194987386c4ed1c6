#include "tools/yard/table.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "libs/text/terminal.h"

namespace switchyard::yard {
namespace {

struct Glyph {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
};

// Malformed bytes count as one glyph each.
Glyph NextGlyph(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t bytes = lead < 0x80 ? 1 : lead >> 5 == 6 ? 2 : lead >> 4 == 14 ? 3 : lead >> 3 == 30 ? 4 : 1;
  if (bytes > text.size()) return {lead, 1};
  std::uint32_t code = bytes == 1 ? lead : lead & (0xFF >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3F);
  return {code, bytes};
}

int GlyphWidth(std::uint32_t code) {
  if ((code >= 0x300 && code < 0x370) || (code >= 0xFE00 && code < 0xFE10) || code == 0x200D) return 0;
  const bool wide =
      (code >= 0x1100 && code < 0x1160) || (code >= 0x2E80 && code < 0xA4D0) || (code >= 0xAC00 && code < 0xD7A4) ||
      (code >= 0xF900 && code < 0xFB00) || (code >= 0xFE30 && code < 0xFE70) || (code >= 0xFF00 && code < 0xFF61) ||
      (code >= 0x1F300 && code < 0x1F650) || (code >= 0x1F900 && code < 0x1FA00) || (code >= 0x20000 && code < 0x3FFFE);
  return wide ? 2 : 1;
}

std::string_view Code(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "\033[32m";
    case Tone::kBad:
      return "\033[31m";
    case Tone::kWaiting:
      return "\033[33m";
    case Tone::kActive:
      return "\033[36m";
    case Tone::kFaint:
      return "\033[2m";
    case Tone::kNone:
      return "";
  }
  return "";
}

}  // namespace

std::string Paint(std::string_view text, Tone tone, bool color) {
  if (!color || tone == Tone::kNone || text.empty()) return std::string(text);
  return absl::StrCat(ToAbsl(Code(tone)), ToAbsl(text), "\033[0m");
}

std::string OneLine(std::string_view text) { return text::EscapeForTerminalLine(text); }

int DisplayWidth(std::string_view text) {
  int width = 0;
  while (!text.empty()) {
    const Glyph glyph = NextGlyph(text);
    width += GlyphWidth(glyph.code);
    text.remove_prefix(glyph.bytes);
  }
  return width;
}

std::string Shorten(std::string_view text, int columns) {
  if (columns <= 0 || DisplayWidth(text) <= columns) return std::string(text);
  std::string kept;
  int width = 0;
  while (!text.empty()) {
    const Glyph glyph = NextGlyph(text);
    width += GlyphWidth(glyph.code);
    if (width > columns - 1) break;
    kept.append(text.substr(0, glyph.bytes));
    text.remove_prefix(glyph.bytes);
  }
  return kept + "…";
}

std::string RenderTable(const Table& table, const TableStyle& style) {
  if (table.rows.empty()) return "";
  std::vector<std::size_t> shown;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (style.wide || !table.columns[i].wide) shown.push_back(i);
  }
  std::vector<std::vector<std::string>> lines(table.rows.size());
  std::vector<int> widths;
  for (std::size_t column : shown) {
    int width = DisplayWidth(table.columns[column].title);
    for (std::size_t row = 0; row < table.rows.size(); ++row) {
      lines[row].push_back(OneLine(table.rows[row][column].text));
      width = std::max(width, DisplayWidth(lines[row].back()));
    }
    widths.push_back(width);
  }
  int before_last = 0;
  for (std::size_t i = 0; i + 1 < shown.size(); ++i) before_last += widths[i] + 2;
  const int room = style.columns > 0 ? std::max(10, style.columns - before_last) : 0;

  std::string result;
  const auto add = [&](std::size_t i, std::string_view text, Tone tone) {
    const bool last = i + 1 == shown.size();
    const std::string kept = last ? Shorten(text, room) : std::string(text);
    const std::string space(static_cast<std::size_t>(std::max(0, widths[i] - DisplayWidth(kept))), ' ');
    const bool right = table.columns[shown[i]].right;
    absl::StrAppend(&result, right ? space : "", Paint(kept, tone, style.color), right || last ? "" : space,
                    last ? "\n" : "  ");
  };
  for (std::size_t i = 0; i < shown.size(); ++i) add(i, table.columns[shown[i]].title, Tone::kFaint);
  for (std::size_t row = 0; row < lines.size(); ++row) {
    for (std::size_t i = 0; i < shown.size(); ++i) add(i, lines[row][i], table.rows[row][shown[i]].tone);
  }
  return result;
}

std::string RenderPlain(const Table& table) {
  std::string result;
  for (const std::vector<Cell>& row : table.rows) {
    bool first = true;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      if (table.columns[i].wide) continue;
      absl::StrAppend(&result, first ? "" : "\t", OneLine(row[i].text));
      first = false;
    }
    result += '\n';
  }
  return result;
}

}  // namespace switchyard::yard
