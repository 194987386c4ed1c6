// Edits drawn at random against an oracle that is as simple as can be: it compares every line with every line and knows
// no hashes. Either the result is the oracle's, or nothing changes.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/random.h"
#include "services/executor/edits/edit_case.h"

namespace switchyard::executor::edits {
namespace {

using ::testing::IsEmpty;

using Lines = std::vector<std::string>;

Lines Split(const std::string& text) {
  Lines lines;
  std::string line;
  for (const char c : text) {
    if (c != '\n') {
      line += c;
      continue;
    }
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::exchange(line, ""));
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string Right(std::string line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t')) line.pop_back();
  return line;
}
bool Blank(const std::string& line) { return Right(line).empty(); }
std::string Left(const std::string& line) {
  const std::size_t at = line.find_first_not_of(" \t");
  return at == std::string::npos ? "" : line.substr(at);
}
std::string Indent(const std::string& line) { return line.substr(0, line.size() - Left(line).size()); }

Lines WithoutBlank(const Lines& lines) {
  Lines out;
  for (const std::string& line : lines) {
    if (!Blank(line)) out.push_back(Right(line));
  }
  return out;
}

struct Place {
  std::size_t begin = 0;
  Rung rung = Rung::kExact;
  // As it stands in the file: with its indentation.
  Lines replace;
};

// The replacement with the indentation that `there` has and `here` has not, or the other way round; nothing when lines
// differ in it.
std::optional<Lines> Shifted(const Lines& there, const Lines& here, const Lines& replace) {
  std::optional<std::pair<bool, std::string>> shift;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (Right(Left(there[i])) != Right(Left(here[i]))) return std::nullopt;
    if (Blank(there[i])) continue;
    const std::string a = Indent(there[i]);
    const std::string b = Indent(here[i]);
    std::pair<bool, std::string> mine;
    if (a.size() > b.size() && a.substr(a.size() - b.size()) == b) {
      mine = {true, a.substr(0, a.size() - b.size())};
    } else if (b.size() > a.size() && b.substr(b.size() - a.size()) == a) {
      mine = {false, b.substr(0, b.size() - a.size())};
    } else {
      return std::nullopt;
    }
    if (shift.has_value() && *shift != mine) return std::nullopt;
    shift = mine;
  }
  if (!shift.has_value()) return std::nullopt;
  Lines out;
  for (const std::string& line : replace) {
    if (Blank(line)) {
      out.push_back(line);
    } else if (shift->first) {
      out.push_back(shift->second + line);
    } else {
      if (line.substr(0, shift->second.size()) != shift->second) return Lines{"(cannot be shifted)"};
      out.push_back(line.substr(shift->second.size()));
    }
  }
  return out;
}

// All places on the first rung that has any.
std::vector<Place> Find(const Lines& file, const Lines& search, const Lines& replace) {
  for (const Rung rung : {Rung::kExact, Rung::kTrailingBlanks, Rung::kIndent}) {
    std::vector<Place> places;
    for (std::size_t begin = 0; begin + search.size() <= file.size(); ++begin) {
      const Lines window(file.begin() + static_cast<std::ptrdiff_t>(begin),
                         file.begin() + static_cast<std::ptrdiff_t>(begin + search.size()));
      if (rung == Rung::kIndent) {
        if (std::optional<Lines> shifted = Shifted(window, search, replace); shifted.has_value())
          places.push_back({begin, rung, *shifted});
        continue;
      }
      bool same = true;
      for (std::size_t i = 0; i < search.size(); ++i) {
        same = same && (rung == Rung::kExact ? window[i] == search[i] : Right(window[i]) == Right(search[i]));
      }
      if (same) places.push_back({begin, rung, replace});
    }
    if (!places.empty()) return places;
    if (WithoutBlank(search).empty() && rung == Rung::kExact) return {};
  }
  return {};
}

class Drawn {
 public:
  explicit Drawn(std::uint64_t seed) : rng_(MakeSeededRng(seed)) {}

  std::size_t Below(std::size_t bound) { return static_cast<std::size_t>(rng_->Below(bound)); }
  bool OneIn(std::size_t many) { return Below(many) == 0; }

  std::string Line() {
    static const char* const kTexts[] = {"alpha();", "beta();", "gamma = 1", "}", "", "\xC3\xA4\xC3\xB6", "return x"};
    static const char* const kIndents[] = {"", "  ", "    ", "\t"};
    const std::string text = kTexts[Below(7)];
    return text.empty() ? text : kIndents[Below(4)] + text;
  }
  Lines Some(std::size_t most) {
    Lines lines;
    for (std::size_t i = Below(most + 1); i > 0; --i) lines.push_back(Line());
    return lines;
  }

  // Lines of the file, changed a little.
  Lines Search(const Lines& file) {
    if (file.empty() || OneIn(12)) return Some(3);
    const std::size_t begin = Below(file.size());
    const std::size_t size = 1 + Below(std::min<std::size_t>(4, file.size() - begin));
    Lines search(file.begin() + static_cast<std::ptrdiff_t>(begin),
                 file.begin() + static_cast<std::ptrdiff_t>(begin + size));
    switch (Below(8)) {
      case 0:
        for (std::string& line : search) line += OneIn(2) ? "  " : "\t";
        break;
      case 1:
        for (std::string& line : search) line = Blank(line) ? line : "  " + line;
        break;
      case 2:
        for (std::string& line : search) {
          if (line.substr(0, 2) == "  ") line.erase(0, 2);
        }
        break;
      case 3:
        search.insert(search.begin() + static_cast<std::ptrdiff_t>(Below(search.size())), "");
        break;
      case 4:
        search[Below(search.size())] = Line();
        break;
      default:
        break;
    }
    return search;
  }

  Lines Replace(const Lines& search) {
    if (OneIn(4)) return Some(4);
    Lines replace = search;
    if (OneIn(2) && !replace.empty()) replace[Below(replace.size())] = Line();
    if (OneIn(3)) replace.insert(replace.begin() + static_cast<std::ptrdiff_t>(Below(replace.size() + 1)), Line());
    return replace;
  }

  std::string Text(const Lines& lines, const char* end) {
    std::string text;
    for (const std::string& line : lines) text += line + end;
    if (!text.empty() && !Blank(lines.back()) && OneIn(3)) text.erase(text.size() - std::string(end).size());
    return text;
  }

 private:
  std::unique_ptr<Rng> rng_;
};

std::string Joined(const Lines& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

Lines TrimmedRight(Lines lines) {
  for (std::string& line : lines) line = Right(line);
  return lines;
}

struct OneBlock {
  Lines search;
  Lines replace;
};

void Check(const std::string& content, const std::vector<OneBlock>& blocks, const std::string& answer) {
  const Files before = {{"a.js", content}};
  const Lines file = Split(content);
  const Resolution resolution = ResolveText(before, answer);
  if (!resolution.ok()) {
    ASSERT_THAT(resolution.plan.changes, IsEmpty());
    // One block that is there to the byte, once, must not be refused.
    if (blocks.size() == 1 && !blocks[0].search.empty()) {
      const std::vector<Place> places = Find(file, blocks[0].search, blocks[0].replace);
      ASSERT_FALSE(places.size() == 1 && places[0].rung == Rung::kExact) << resolution.verdicts[0].message;
    }
    return;
  }
  ASSERT_EQ(resolution.verdicts.size(), blocks.size());
  const Files after = After(before, resolution.plan);
  ASSERT_EQ(after.size(), 1u);
  const std::string& result = after.begin()->second;
  Lines want = file;
  bool exact = true;
  bool loose = false;
  std::vector<std::pair<Place, const OneBlock*>> made;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const BlockVerdict& verdict = resolution.verdicts[i];
    if (verdict.status == BlockStatus::kNoChange) continue;
    if (blocks[i].search.empty()) {
      ASSERT_TRUE(content.empty() || verdict.status == BlockStatus::kAlreadyApplied);
      want = content.empty() ? blocks[i].replace : want;
      continue;
    }
    if (verdict.status == BlockStatus::kAlreadyApplied) {
      const bool dense = verdict.rung == Rung::kLeadingBlankLine || verdict.rung == Rung::kBlankLines;
      const Lines& replace = blocks[i].replace;
      // What was not found is done only when lines stand there that the block alone can have brought.
      ASSERT_TRUE(!verdict.lines.empty() || std::any_of(replace.begin(), replace.end(), [&](const std::string& line) {
        return std::none_of(blocks[i].search.begin(), blocks[i].search.end(),
                            [&](const std::string& searched) { return Left(Right(searched)) == Left(Right(line)); });
      }));
      ASSERT_EQ((dense ? Find(WithoutBlank(file), WithoutBlank(replace), {}) : Find(file, replace, {})).size(), 1u);
      continue;
    }
    const std::vector<Place> places = Find(file, blocks[i].search, blocks[i].replace);
    if (verdict.rung == Rung::kBlankLines || verdict.rung == Rung::kLeadingBlankLine) {
      ASSERT_THAT(places, IsEmpty());
      loose = true;
      continue;
    }
    ASSERT_EQ(places.size(), 1u);
    ASSERT_EQ(places[0].rung, verdict.rung);
    ASSERT_EQ(verdict.lines.front(), static_cast<int>(places[0].begin) + 1);
    exact = exact && verdict.rung == Rung::kExact;
    made.emplace_back(places[0], &blocks[i]);
  }
  if (loose) {
    if (blocks.size() > 1) return;
    // Blank lines aside, what was searched is there once, and the replacement in its place.
    const Lines dense = WithoutBlank(file);
    const std::vector<Place> places = Find(dense, WithoutBlank(blocks[0].search), WithoutBlank(blocks[0].replace));
    ASSERT_EQ(places.size(), 1u);
    Lines wanted(dense.begin(), dense.begin() + static_cast<std::ptrdiff_t>(places[0].begin));
    wanted.insert(wanted.end(), places[0].replace.begin(), places[0].replace.end());
    wanted.insert(wanted.end(),
                  dense.begin() + static_cast<std::ptrdiff_t>(places[0].begin + WithoutBlank(blocks[0].search).size()),
                  dense.end());
    ASSERT_EQ(WithoutBlank(Split(result)), TrimmedRight(wanted));
    return;
  }
  // Of each only what it changes; the last one first, so that what was before stays in its place.
  struct Core {
    std::size_t at = 0;
    std::size_t size = 0;
    Lines lines;
  };
  std::vector<Core> cores;
  for (const auto& [place, block] : made) {
    std::size_t head = 0;
    std::size_t tail = 0;
    const std::size_t searched = block->search.size();
    const std::size_t replaced = block->replace.size();
    while (head < searched && head < replaced && block->search[head] == block->replace[head]) ++head;
    while (tail < searched - head && tail < replaced - head &&
           block->search[searched - tail - 1] == block->replace[replaced - tail - 1]) {
      ++tail;
    }
    cores.push_back({.at = place.begin + head,
                     .size = searched - head - tail,
                     .lines = Lines(place.replace.begin() + static_cast<std::ptrdiff_t>(head),
                                    place.replace.end() - static_cast<std::ptrdiff_t>(tail))});
  }
  std::sort(cores.begin(), cores.end(),
            [](const Core& a, const Core& b) { return std::pair(a.at, a.size) > std::pair(b.at, b.size); });
  for (const Core& core : cores) {
    const auto from = want.begin() + static_cast<std::ptrdiff_t>(core.at);
    want.insert(want.erase(from, from + static_cast<std::ptrdiff_t>(core.size)), core.lines.begin(), core.lines.end());
  }
  Lines found = Split(result);
  if (!content.empty() && content.back() != '\n') {
    // An empty last line cannot be told from the end of the one before.
    for (Lines* const lines : {&found, &want}) {
      while (!lines->empty() && lines->back().empty()) lines->pop_back();
    }
  }
  if (exact) {
    ASSERT_EQ(found, want);
  } else {
    ASSERT_EQ(TrimmedRight(found), TrimmedRight(want));
  }
}

class EditsProperty : public ::testing::TestWithParam<int> {};

TEST_P(EditsProperty, DoesWhatTheOracleDoesOrNothing) {
  const std::uint64_t base =
      GetParam() > 0 ? static_cast<std::uint64_t>(GetParam()) * 1'000'000 : MakeSystemRng()->Next();
  for (std::uint64_t seed = base; seed < base + 4'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Drawn drawn(seed);
    const Lines file = drawn.Some(14);
    const std::string content = drawn.Text(file, drawn.OneIn(3) ? "\r\n" : "\n");
    std::vector<OneBlock> blocks;
    std::string answer;
    for (std::size_t i = drawn.OneIn(2) ? 1 : 1 + drawn.Below(4); i > 0; --i) {
      OneBlock block;
      block.search = drawn.Search(file);
      block.replace = drawn.Replace(block.search);
      answer += "a.js\n```js\n<<<<<<< SEARCH\n" + Joined(block.search) + "=======\n" + Joined(block.replace) +
                ">>>>>>> REPLACE\n```\n\n";
      blocks.push_back(std::move(block));
    }
    Check(content, blocks, answer);
    if (HasFatalFailure()) {
      ADD_FAILURE() << "file:\n" << content << "\nanswer:\n" << answer;
      return;
    }
  }
}

// Wherever an answer is cut, what is applied is some of its blocks, each whole; or nothing.
TEST_P(EditsProperty, NeverAppliesAPartOfABlock) {
  const std::uint64_t base = GetParam() > 0 ? static_cast<std::uint64_t>(GetParam()) * 1'000 : MakeSystemRng()->Next();
  for (std::uint64_t seed = base; seed < base + 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Drawn drawn(seed);
    Files files = {{"a.js", drawn.Text(drawn.Some(10), "\n")}, {"b.js", drawn.Text(drawn.Some(10), "\n")}};
    std::vector<std::string> parts;
    for (std::size_t i = 1 + drawn.Below(4); i > 0; --i) {
      const std::string path = drawn.OneIn(2) ? "a.js" : "b.js";
      const Lines search = drawn.Search(Split(files[path]));
      const Lines replace = drawn.Replace(search);
      switch (drawn.Below(4)) {
        case 0:
          parts.push_back("Then:\n\n" +
                          Whole("new" + std::to_string(i) + ".js", Joined(replace), drawn.OneIn(2) ? "```" : "~~~~") +
                          "\n");
          break;
        case 1: {
          std::string diff = "```diff\n--- a/" + path + "\n+++ b/" + path + "\n@@ -1,9 +1,9 @@\n";
          for (const std::string& line : search) diff += "-" + line + "\n";
          for (const std::string& line : replace) diff += "+" + line + "\n";
          parts.push_back(diff + "```\n\n");
          break;
        }
        default:
          parts.push_back(Block(path, Joined(search), Joined(replace)) + "\n");
          break;
      }
    }
    std::vector<Files> allowed = {files};
    std::string answer;
    for (const std::string& part : parts) {
      answer += part;
      const Resolution resolution = ResolveText(files, answer);
      if (resolution.ok()) allowed.push_back(After(files, resolution.plan));
    }
    for (std::size_t cut = 0; cut <= answer.size(); ++cut) {
      const Resolution resolution = ResolveText(files, answer.substr(0, cut));
      const Files after = After(files, resolution.plan);
      ASSERT_NE(std::find(allowed.begin(), allowed.end(), after), allowed.end())
          << answer.substr(0, cut) << "\n---- cut; the file:\n"
          << files["a.js"];
    }
  }
}

// 0: another seed each time.
INSTANTIATE_TEST_SUITE_P(Seeds, EditsProperty, ::testing::Values(0, 1, 2, 3));

}  // namespace
}  // namespace switchyard::executor::edits
