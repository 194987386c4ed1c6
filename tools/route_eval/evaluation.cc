#include "tools/route_eval/evaluation.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status_macros.h"
#include "libs/base/strings.h"
#include "services/router/tiers.h"
#include "tools/route_eval/csv.h"

namespace switchyard::route_eval {
namespace {

// The router takes the strongest model from here on.
constexpr double kProduction = 0.5;

absl::StatusOr<double> ReadCorrect(std::string_view text, std::size_t line, std::string_view column) {
  const std::string value = absl::AsciiStrToLower(absl::StripAsciiWhitespace(ToAbsl(text)));
  if (value == "true") return 1.0;
  if (value == "false") return 0.0;
  double number = 0;
  if (!absl::SimpleAtod(value, &number) || !(number >= 0 && number <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("line ", line, ": ", ToAbsl(column), " must be true, false or a number from 0 to 1"));
  }
  return number;
}

// Quality over share when rows go to the strong model in this order; `scores` part those that go together.
std::vector<Point> CurveOf(const std::vector<Row>& rows, const std::vector<double>& scores) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  const auto count = static_cast<double>(rows.size());
  double sum = 0;
  for (const Row& row : rows) sum += row.weak;
  std::vector<Point> curve = {{.threshold = 2, .share = 0, .quality = sum / count}};
  for (std::size_t i = 0; i < order.size(); ++i) {
    sum += rows[order[i]].strong - rows[order[i]].weak;
    if (i + 1 < order.size() && scores[order[i + 1]] == scores[order[i]]) continue;
    curve.push_back(
        {.threshold = scores[order[i]], .share = static_cast<double>(i + 1) / count, .quality = sum / count});
  }
  return curve;
}

double AreaOf(const std::vector<Point>& curve) {
  double area = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    area += (curve[i].share - curve[i - 1].share) * (curve[i].quality + curve[i - 1].quality) / 2;
  }
  return area;
}

}  // namespace

absl::StatusOr<std::vector<Row>> ReadRows(std::string_view csv) {
  CsvReader reader(csv);
  std::vector<std::string> fields;
  SY_ASSIGN_OR_RETURN(const bool any, reader.Next(fields));
  if (!any) return absl::InvalidArgumentError("the file is empty");
  std::map<std::string, std::size_t> columns;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(fields[i]));
    if (!columns.try_emplace(name, i).second) {
      return absl::InvalidArgumentError(absl::StrCat("line 1: the column ", name, " stands there twice"));
    }
  }
  for (const char* const name : {"prompt", "weak_correct", "strong_correct"}) {
    if (columns.count(name) == 0) {
      return absl::InvalidArgumentError(absl::StrCat("line 1: there is no column ", name));
    }
  }
  const std::size_t width = fields.size();
  std::vector<Row> rows;
  for (;;) {
    SY_ASSIGN_OR_RETURN(const bool more, reader.Next(fields));
    if (!more) break;
    if (fields.size() != width) {
      return absl::InvalidArgumentError(
          absl::StrCat("line ", reader.line(), ": has ", fields.size(), " fields, the header ", width));
    }
    Row row;
    SY_ASSIGN_OR_RETURN(row.weak, ReadCorrect(fields[columns["weak_correct"]], reader.line(), "weak_correct"));
    SY_ASSIGN_OR_RETURN(row.strong, ReadCorrect(fields[columns["strong_correct"]], reader.line(), "strong_correct"));
    row.prompt = std::move(fields[columns["prompt"]]);
    if (const auto type = columns.find("task_type"); type != columns.end()) row.task_type = fields[type->second];
    rows.push_back(std::move(row));
  }
  if (rows.empty()) return absl::InvalidArgumentError("there are no rows");
  return rows;
}

std::vector<double> ScoresOf(const std::vector<Row>& rows, const router::TierRules& rules) {
  const router::RaisingWords words(rules.raising_words);
  std::vector<double> scores;
  for (const Row& row : rows) {
    router::TaskFacts facts;
    facts.task_type = row.task_type;
    router::ReadText(words, std::vector<std::string_view>{row.prompt}, facts);
    scores.push_back(router::StrengthScore(facts, rules));
  }
  return scores;
}

Evaluation Evaluate(const std::vector<Row>& rows, const std::vector<double>& scores) {
  Evaluation out;
  out.rows = rows.size();
  if (rows.empty()) return out;
  out.curve = CurveOf(rows, scores);
  out.weak = out.curve.front().quality;
  out.strong = out.curve.back().quality;
  std::vector<double> wins;
  for (const Row& row : rows) wins.push_back(row.strong - row.weak);
  out.area = AreaOf(out.curve);
  out.random_area = (out.weak + out.strong) / 2;
  out.best_area = AreaOf(CurveOf(rows, wins));
  if (out.best_area > out.random_area) out.gain = (out.area - out.random_area) / (out.best_area - out.random_area);
  out.production = out.curve.front();
  for (const Point& point : out.curve) {
    if (point.threshold >= kProduction) out.production = point;
  }
  out.production.threshold = kProduction;
  return out;
}

Point AtShare(const Evaluation& evaluation, double share) {
  for (const Point& point : evaluation.curve) {
    if (point.share >= share - 1e-9) return point;
  }
  return evaluation.curve.empty() ? Point() : evaluation.curve.back();
}

double CostAt(double share, double ratio) { return 1 + share * (ratio - 1); }

double Recovered(const Evaluation& evaluation, const Point& point) {
  const double all = evaluation.strong - evaluation.weak;
  return all > 0 ? (point.quality - evaluation.weak) / all : 0;
}

std::string ToText(const Evaluation& evaluation, double cost_ratio) {
  std::string text = absl::StrFormat(
      "%d rows; quality %.3f all weak, %.3f all strong\n"
      "area under quality over share to the strong model: %.4f; at random %.4f, at best %.4f\n"
      "gain over chance: %.1f %% of what the best order gains\n\n",
      evaluation.rows, evaluation.weak, evaluation.strong, evaluation.area, evaluation.random_area,
      evaluation.best_area, 100 * evaluation.gain);
  absl::StrAppendFormat(&text, "%10s %8s %8s %8s %10s\n", "threshold", "strong", "cost", "quality", "recovered");
  const auto line = [&](const Point& point, const char* mark) {
    const std::string threshold = point.threshold > 1 ? "none" : absl::StrFormat("%.4f", point.threshold);
    absl::StrAppendFormat(&text, "%10s %7.1f%% %8.2f %8.3f %9.1f%%%s\n", threshold, 100 * point.share,
                          CostAt(point.share, cost_ratio), point.quality, 100 * Recovered(evaluation, point), mark);
  };
  double last = -1;
  for (int tenth = 0; tenth <= 10; ++tenth) {
    const Point point = AtShare(evaluation, tenth / 10.0);
    // One score may stand for many rows.
    if (point.share <= last) continue;
    last = point.share;
    line(point, "");
  }
  line(evaluation.production, "  <- the router");
  return text;
}

std::string ToJson(const Evaluation& evaluation, double cost_ratio) {
  const auto number = [](double value) { return absl::StrFormat("%.6g", value); };
  const auto object = [&](const Point& point) {
    return absl::StrCat("{\"threshold\":", point.threshold > 1 ? "null" : number(point.threshold),
                        ",\"strong_share\":", number(point.share),
                        ",\"cost\":", number(CostAt(point.share, cost_ratio)), ",\"quality\":", number(point.quality),
                        ",\"recovered\":", number(Recovered(evaluation, point)), "}");
  };
  std::string json = absl::StrCat(
      "{\"rows\":", evaluation.rows, ",\"weak\":", number(evaluation.weak), ",\"strong\":", number(evaluation.strong),
      ",\"area\":", number(evaluation.area), ",\"random_area\":", number(evaluation.random_area),
      ",\"best_area\":", number(evaluation.best_area), ",\"gain\":", number(evaluation.gain),
      ",\"router\":", object(evaluation.production), ",\"curve\":[");
  for (std::size_t i = 0; i < evaluation.curve.size(); ++i) {
    absl::StrAppend(&json, i == 0 ? "" : ",", object(evaluation.curve[i]));
  }
  return absl::StrCat(json, "]}");
}

}  // namespace switchyard::route_eval
