// Facts in what an agent writes: its model, its answer, what it used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}  // namespace re2

namespace switchyard::executor::external {

// Where a fact stands: in a JSON document, or behind a pattern. Neither set: nowhere.
struct Extract {
  // A JSON pointer (RFC 6901), such as "/usage/input_tokens".
  std::string pointer;
  // The first group of an RE2 expression, matched within one line. Shared, since it is immutable.
  std::shared_ptr<const re2::RE2> pattern;
  // Numbers of all places are added; otherwise the last place counts.
  bool sum = false;

  bool set() const { return !pointer.empty() || pattern != nullptr; }
};

// "1234", "1,234", "2.5k", "1.2M", "0.0031"; a '$' in front does not count. Nothing when it is no such number, or
// negative.
std::optional<double> ParseAmount(std::string_view text);

// Looks for one fact in text that arrives line by line. Not thread-safe.
class Finder {
 public:
  explicit Finder(Extract extract) : extract_(std::move(extract)) {}

  // Without its end. With a pointer, lines that are no JSON object are passed over.
  void Line(std::string_view line);
  // All of a text that may be one JSON document, else its lines.
  void Document(std::string_view text);

  // At most 64 KiB. A number as JSON writes it.
  const std::optional<std::string>& text() const { return text_; }
  // Of what was found: the last, or the sum.
  std::optional<double> amount() const;

 private:
  bool FromJson(std::string_view text);
  void Take(std::string text);

  const Extract extract_;
  std::optional<std::string> text_;
  double sum_ = 0;
  bool summed_ = false;
};

// Cuts a stream into lines. A line longer than kMaxLine is given up to its end. Not thread-safe.
class LineCutter {
 public:
  static constexpr std::size_t kMaxLine = std::size_t{1} << 20;

  template <class Each>
  void Push(std::string_view text, const Each& each) {
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = text.find('\n', from);
      const std::string_view part = text.substr(from, end == std::string_view::npos ? end : end - from);
      if (pending_.size() + part.size() > kMaxLine) {
        skipping_ = true;
        pending_.clear();
      }
      if (!skipping_) pending_ += part;
      if (end == std::string_view::npos) return;
      End(each);
      from = end + 1;
    }
  }
  // The rest, which has no end of line.
  template <class Each>
  void Finish(const Each& each) {
    if (!pending_.empty()) End(each);
  }

 private:
  template <class Each>
  void End(const Each& each) {
    if (!skipping_) {
      std::string_view line = pending_;
      if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
      each(line);
    }
    skipping_ = false;
    pending_.clear();
  }

  std::string pending_;
  bool skipping_ = false;
};

}  // namespace switchyard::executor::external
