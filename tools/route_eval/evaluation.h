// How well the router's inference tells hard prompts from easy ones, on rows for which it is known what a weak and a
// strong model make of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "services/router/rules.h"

namespace switchyard::route_eval {

struct Row {
  std::string prompt;
  std::string task_type;
  // How good the answer was, 0 to 1.
  double weak = 0;
  double strong = 0;
};

// A header, then rows. Columns in any order: prompt, weak_correct, strong_correct, optionally task_type; others are not
// read. Values of the middle two are true, false, or numbers from 0 to 1. INVALID_ARGUMENT names the line and what is
// wrong there.
absl::StatusOr<std::vector<Row>> ReadRows(std::string_view csv);

// What the inference makes of one row: 0 to 1, from 0.5 on it takes the strongest model.
std::vector<double> ScoresOf(const std::vector<Row>& rows, const router::TierRules& rules);

// Where rows with at least `threshold` go to the strong model.
struct Point {
  double threshold = 0;
  // Of all rows, to the strong model.
  double share = 0;
  // Mean of what the rows' models made of them.
  double quality = 0;
};

struct Evaluation {
  std::size_t rows = 0;
  double weak = 0;
  double strong = 0;
  // From nothing to the strong model to everything, one point for each score that occurs.
  std::vector<Point> curve;
  // What the router does.
  Point production;
  // Under quality over share: of the curve; of rows sent at random; of rows sent in the best order there is.
  double area = 0;
  double random_area = 0;
  double best_area = 0;
  // Of what the best order wins over chance, how much the inference wins; 0 where there is nothing to win.
  double gain = 0;
};

Evaluation Evaluate(const std::vector<Row>& rows, const std::vector<double>& scores);

// The first point of the curve with at least this share.
Point AtShare(const Evaluation& evaluation, double share);
// Cost of a request at that share, in costs of the weak model, when the strong one costs `ratio` times as much.
double CostAt(double share, double ratio);
// Of the quality that all-strong adds to all-weak, which part is had; 0 where it adds nothing.
double Recovered(const Evaluation& evaluation, const Point& point);

// For people.
std::string ToText(const Evaluation& evaluation, double cost_ratio);
// One line of JSON, with the whole curve.
std::string ToJson(const Evaluation& evaluation, double cost_ratio);
// A picture: the curve, chance, the best order, and where production stands.
std::string ToSvg(const Evaluation& evaluation, std::string_view title);

}  // namespace switchyard::route_eval
