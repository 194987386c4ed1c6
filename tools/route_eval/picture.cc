#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/strings.h"
#include "tools/route_eval/evaluation.h"

namespace switchyard::route_eval {
namespace {

constexpr double kLeft = 70;
constexpr double kTop = 50;
constexpr double kWidth = 560;
constexpr double kHeight = 340;
// More points than pixels show nothing.
constexpr std::size_t kMostPoints = 2'000;

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) out.push_back(c);
    }
  }
  return out;
}

// From shares and qualities to the picture.
struct Frame {
  double low = 0;
  double high = 1;

  double X(double share) const { return kLeft + share * kWidth; }
  double Y(double quality) const { return kTop + (high - quality) / (high - low) * kHeight; }
};

std::string Text(double x, double y, std::string_view anchor, std::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, ToAbsl(anchor),
                         Escaped(text));
}

}  // namespace

std::string ToSvg(const Evaluation& evaluation, std::string_view title) {
  Frame frame;
  double low = std::min(evaluation.weak, evaluation.strong);
  double high = std::max(evaluation.weak, evaluation.strong);
  for (const Point& point : evaluation.curve) {
    low = std::min(low, point.quality);
    high = std::max(high, point.quality);
  }
  const double margin = std::max(0.01, (high - low) * 0.1);
  frame.low = std::max(0.0, low - margin);
  frame.high = std::min(1.0, high + margin);
  if (frame.high - frame.low < 1e-6) frame.high = frame.low + 0.01;

  std::string svg = absl::StrFormat(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" "
      "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
      kLeft + kWidth + 30, kTop + kHeight + 60);
  svg += Text(kLeft, 24, "start", title);
  for (int i = 0; i <= 4; ++i) {
    const double share = i / 4.0;
    const double quality = frame.low + (frame.high - frame.low) * share;
    absl::StrAppendFormat(&svg, "<path d=\"M%.1f %.1fV%.1f M%.1f %.1fH%.1f\" stroke=\"#dddddd\"/>\n", frame.X(share),
                          kTop, kTop + kHeight, kLeft, frame.Y(quality), kLeft + kWidth);
    svg += Text(frame.X(share), kTop + kHeight + 18, "middle", absl::StrFormat("%.0f %%", 100 * share));
    svg += Text(kLeft - 8, frame.Y(quality) + 4, "end", absl::StrFormat("%.3f", quality));
  }
  svg += Text(kLeft + kWidth / 2, kTop + kHeight + 40, "middle", "share of prompts sent to the strong model");
  absl::StrAppendFormat(&svg, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"#888888\" stroke-dasharray=\"5 4\"/>\n",
                        frame.X(0), frame.Y(evaluation.weak), frame.X(1), frame.Y(evaluation.strong));
  svg += "<path fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\" d=\"";
  const std::size_t step = std::max<std::size_t>(1, evaluation.curve.size() / kMostPoints);
  for (std::size_t i = 0; i < evaluation.curve.size(); ++i) {
    if (i % step != 0 && i + 1 != evaluation.curve.size()) continue;
    absl::StrAppendFormat(&svg, "%s%.1f %.1f", i == 0 ? "M" : "L", frame.X(evaluation.curve[i].share),
                          frame.Y(evaluation.curve[i].quality));
  }
  svg += "\"/>\n";
  const Point& here = evaluation.production;
  absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"#d1242f\"/>\n", frame.X(here.share),
                        frame.Y(here.quality));
  svg += Text(kLeft + 8, kTop + 16, "start",
              absl::StrFormat("blue: inference, area %.4f; dashed: chance, %.4f; red: the router", evaluation.area,
                              evaluation.random_area));
  return svg + "</svg>\n";
}

}  // namespace switchyard::route_eval
