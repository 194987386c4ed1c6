#include <charconv>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/strings.h"
#include "services/executor/edits/answer_lines.h"
#include "services/executor/edits/path_line.h"

namespace switchyard::executor::edits {
namespace {

constexpr std::string_view kNowhere = "/dev/null";

bool StartsWith(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// A path behind "--- ", without a time behind it and quotes around it.
std::string HeaderPath(std::string_view text) {
  text = TrimBlanks(text.substr(0, text.find('\t')));
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '`') && text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

// "a/" and "b/" go where they stand as git writes them.
void DropPrefixes(std::string& old_path, std::string& new_path) {
  const bool a = StartsWith(old_path, "a/");
  const bool b = StartsWith(new_path, "b/");
  if ((!a && old_path != kNowhere) || (!b && new_path != kNowhere)) return;
  if (a) old_path.erase(0, 2);
  if (b) new_path.erase(0, 2);
}

// "@@ -12,3 +12,4 @@": the counts. Nothing when it has none.
struct Counts {
  std::size_t removed = 1;
  std::size_t added = 1;
};
bool ReadCount(std::string_view& text, char sign, std::size_t& count) {
  text = TrimBlanks(text);
  if (text.empty() || text.front() != sign) return false;
  text.remove_prefix(1);
  std::size_t number = 0;
  auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (text.empty() || text.front() != ',') return true;
  text.remove_prefix(1);
  auto [last, wrong] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (wrong != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(last - text.data()));
  return true;
}
std::optional<Counts> ReadCounts(std::string_view line) {
  Counts counts;
  line.remove_prefix(2);
  if (!ReadCount(line, '-', counts.removed) || !ReadCount(line, '+', counts.added)) return std::nullopt;
  return counts;
}

struct Hunk {
  std::size_t line = 0;
  std::optional<Counts> counts;
  std::vector<std::string_view> before;
  std::vector<std::string_view> after;
  // Empty lines at its end, without the blank that a line of context begins with.
  std::size_t loose = 0;
  bool changes = false;
  bool before_unended = false;
  bool after_unended = false;
  char last = ' ';
};

std::string Join(const std::vector<std::string_view>& lines, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out.append(lines[i]).append("\n");
  return out;
}

class Reader {
 public:
  Reader(const std::vector<std::string_view>& lines, const DiffRange& range) : lines_(lines), range_(range) {}

  DiffResult Read() {
    std::size_t at = range_.begin;
    while (at < range_.end) {
      const std::size_t next = Step(at);
      if (next == at) break;
      at = next;
    }
    if (!range_.fenced && at >= range_.end && hunk_.has_value()) CheckWhole();
    EndFile();
    // What follows an unfenced diff is read by others, empty lines too.
    result_.end = at;
    if (result_.edits.empty() && result_.faults.empty()) {
      Fault(range_.begin,
            "this is no unified diff: each file begins with `--- a/path` and `+++ b/path`, each hunk with `@@`");
    }
    return std::move(result_);
  }

 private:
  std::string_view Line(std::size_t at) const { return Dedent(lines_[at], range_.indent); }
  bool At(std::size_t at, std::string_view prefix) const { return at < range_.end && StartsWith(Line(at), prefix); }

  void Fault(std::size_t at, std::string message) {
    std::string path = !new_path_.empty() && new_path_ != kNowhere ? new_path_ : old_path_;
    result_.faults.push_back(
        {.line = static_cast<int>(at) + 1, .path = std::move(path), .message = std::move(message)});
  }

  // The line behind what was read; `at` itself when the diff is over.
  std::size_t Step(std::size_t at) {
    const std::string_view line = Line(at);
    if (StartsWith(line, "diff --git ")) return BeginGit(at);
    const bool header = StartsWith(line, "--- ") && At(at + 1, "+++ ");
    // A removed line "-- x" looks like a header too.
    if (header && (!hunk_.has_value() || At(at + 2, "@@") || at + 2 >= range_.end)) return BeginFile(at);
    if (StartsWith(line, "@@")) {
      BeginHunk(at);
      return at + 1;
    }
    if (hunk_.has_value()) return HunkLine(at);
    return HeaderLine(at);
  }

  std::size_t BeginGit(std::size_t at) {
    EndFile();
    begun_ = true;
    git_ = true;
    file_line_ = at;
    const std::string_view rest = Line(at).substr(11);
    const std::size_t middle = rest.find(" b/");
    if (middle != std::string_view::npos) {
      old_path_ = HeaderPath(rest.substr(0, middle));
      new_path_ = HeaderPath(rest.substr(middle + 1));
      DropPrefixes(old_path_, new_path_);
    }
    return at + 1;
  }

  std::size_t BeginFile(std::size_t at) {
    if (!git_ || hunk_.has_value() || headers_) EndFile();
    begun_ = true;
    headers_ = true;
    file_line_ = at;
    old_path_ = HeaderPath(Line(at).substr(4));
    new_path_ = HeaderPath(Line(at + 1).substr(4));
    DropPrefixes(old_path_, new_path_);
    return at + 2;
  }

  void BeginHunk(std::size_t at) {
    EndHunk();
    if (!begun_) {
      begun_ = true;
      file_line_ = at;
      old_path_ = new_path_ = std::string(range_.path);
    }
    hunk_.emplace();
    hunk_->line = at;
    hunk_->counts = ReadCounts(Line(at));
  }

  std::size_t HeaderLine(std::size_t at) {
    const std::string_view line = Line(at);
    if (StartsWith(line, "new file mode ")) {
      is_new_ = true;
      executable_ = absl::EndsWith(ToAbsl(TrimBlanks(line)), "755");
    } else if (StartsWith(line, "deleted file mode ")) {
      deleted_ = true;
    } else if (StartsWith(line, "rename from ")) {
      old_path_ = HeaderPath(line.substr(12));
      renamed_ = true;
    } else if (StartsWith(line, "rename to ")) {
      new_path_ = HeaderPath(line.substr(10));
      renamed_ = true;
    } else if (StartsWith(line, "copy from ") || StartsWith(line, "GIT binary patch") ||
               StartsWith(line, "Binary files ")) {
      Fault(at, "copies and binary files cannot be written as a diff");
    } else if (StartsWith(line, "--- ") && !At(at + 1, "+++ ")) {
      Fault(at, "`--- path` must be followed by `+++ path`");
    } else if (headers_ && !line.empty() && (line.front() == '+' || line.front() == '-' || line.front() == ' ')) {
      // A hunk whose `@@` was forgotten.
      hunk_.emplace();
      hunk_->line = at;
      return HunkLine(at);
    } else if (!range_.fenced && !line.empty() && !StartsWith(line, "index ") && !StartsWith(line, "similarity ") &&
               !StartsWith(line, "dissimilarity ") && !StartsWith(line, "old mode ") &&
               !StartsWith(line, "new mode ")) {
      return at;
    } else if (!range_.fenced && line.empty() && !headers_ && !git_) {
      return at;
    }
    return at + 1;
  }

  std::size_t HunkLine(std::size_t at) {
    const std::string_view line = Line(at);
    Hunk& hunk = *hunk_;
    if (line.empty()) {
      hunk.before.push_back(line);
      hunk.after.push_back(line);
      ++hunk.loose;
      hunk.last = ' ';
      return at + 1;
    }
    const char sign = line.front();
    if (sign == '\\') {
      if (hunk.last != '+') hunk.before_unended = true;
      if (hunk.last != '-') hunk.after_unended = true;
      return at + 1;
    }
    if (sign != ' ' && sign != '+' && sign != '-') {
      if (!range_.fenced) return at;
      // The blank before a line of context was forgotten.
      hunk.before.push_back(line);
      hunk.after.push_back(line);
    } else {
      if (sign != '+') hunk.before.push_back(line.substr(1));
      if (sign != '-') hunk.after.push_back(line.substr(1));
      hunk.changes = hunk.changes || sign != ' ';
    }
    hunk.loose = 0;
    hunk.last = sign == '+' || sign == '-' ? sign : ' ';
    return at + 1;
  }

  // An unfenced diff at the end of an answer: whether it was written to its end, only its own counts can tell.
  void CheckWhole() {
    const Hunk& hunk = *hunk_;
    if (hunk.counts.has_value() && hunk.before.size() >= hunk.counts->removed &&
        hunk.after.size() >= hunk.counts->added) {
      return;
    }
    Fault(hunk.line,
          "the answer ends within this hunk, as far as its counts tell. Put the diff between ```diff and ```");
  }

  void EndHunk() {
    if (!hunk_.has_value()) return;
    Hunk hunk = *std::exchange(hunk_, std::nullopt);
    const bool at_end = hunk.before_unended || hunk.after_unended;
    const std::size_t loose = at_end ? 0 : hunk.loose;
    Edit edit;
    edit.kind = EditKind::kReplace;
    edit.format = BlockFormat::kUnifiedDiff;
    edit.line = static_cast<int>(hunk.line) + 1;
    edit.search = Join(hunk.before, hunk.before.size() - loose);
    edit.replace = Join(hunk.after, hunk.after.size() - loose);
    if (hunk.before_unended != hunk.after_unended) {
      edit.final_newline = hunk.after_unended ? FinalNewline::kRemove : FinalNewline::kAdd;
    }
    if (hunk.after_unended && edit.search.empty() && !edit.replace.empty()) edit.replace.pop_back();
    hunks_.push_back(std::move(edit));
  }

  void EndFile() {
    EndHunk();
    if (begun_) Emit();
    hunks_.clear();
    old_path_.clear();
    new_path_.clear();
    begun_ = git_ = headers_ = is_new_ = deleted_ = renamed_ = executable_ = false;
  }

  void Emit() {
    const bool made = old_path_ == kNowhere || is_new_;
    const bool removed = new_path_ == kNowhere || deleted_;
    if ((made && removed) || (!made && old_path_.empty()) || (!removed && new_path_.empty())) {
      Fault(file_line_, "the diff names no file: begin it with `--- a/path` and `+++ b/path`");
      return;
    }
    if (removed) {
      Edit edit{.kind = EditKind::kDelete, .format = BlockFormat::kUnifiedDiff};
      edit.path = old_path_;
      edit.line = static_cast<int>(file_line_) + 1;
      result_.edits.push_back(std::move(edit));
      return;
    }
    if (made) return EmitNew();
    if (old_path_ != new_path_) {
      Edit edit{.kind = EditKind::kRename, .format = BlockFormat::kUnifiedDiff};
      edit.path = old_path_;
      edit.new_path = new_path_;
      edit.line = static_cast<int>(file_line_) + 1;
      result_.edits.push_back(std::move(edit));
    } else if (hunks_.empty()) {
      Fault(file_line_, "the diff has no hunk: each begins with `@@`");
    }
    for (Edit& edit : hunks_) {
      edit.path = old_path_;
      result_.edits.push_back(std::move(edit));
    }
  }

  // All hunks of a new file are one.
  void EmitNew() {
    Edit edit{.kind = EditKind::kReplace, .format = BlockFormat::kUnifiedDiff};
    edit.path = new_path_;
    edit.line = static_cast<int>(file_line_) + 1;
    edit.executable = executable_;
    for (const Edit& hunk : hunks_) {
      // An empty line whose '+' was forgotten is one all the same.
      if (hunk.search.find_first_not_of('\n') != std::string::npos) {
        Fault(static_cast<std::size_t>(hunk.line) - 1, "a new file has only lines with `+`");
        return;
      }
      edit.replace += hunk.replace;
    }
    result_.edits.push_back(std::move(edit));
  }

  const std::vector<std::string_view>& lines_;
  const DiffRange range_;
  DiffResult result_;
  std::vector<Edit> hunks_;
  std::optional<Hunk> hunk_;
  std::string old_path_, new_path_;
  std::size_t file_line_ = 0;
  bool begun_ = false, git_ = false, headers_ = false, is_new_ = false, deleted_ = false, renamed_ = false;
  bool executable_ = false;
};

}  // namespace

bool BeginsDiff(const std::vector<std::string_view>& lines, std::size_t at, std::size_t end) {
  if (at >= end) return false;
  const std::string_view line = TrimBlanks(lines[at]);
  if (StartsWith(line, "diff --git ")) return true;
  return StartsWith(line, "--- ") && at + 1 < end && StartsWith(TrimBlanks(lines[at + 1]), "+++ ");
}

DiffResult ReadDiff(const std::vector<std::string_view>& lines, const DiffRange& range) {
  return Reader(lines, range).Read();
}

}  // namespace switchyard::executor::edits
