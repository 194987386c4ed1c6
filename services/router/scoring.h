#pragma once

#include "services/router/catalogue.h"
#include "services/router/rules.h"

namespace switchyard::router {

// What a score is made of, each 0 to 1, higher is better.
struct Parts {
  double health = 0;
  double warmth = 0;
  // Of the capacity that the work may use.
  double load = 0;
  double latency = 0;
  double price = 0;
  // 1 for the first of the role's models, towards 0 for the last; 0 without a role.
  double preference = 0;
};

// Requests that may still go there: fewer for work that is not urgent. 0 and less: full.
int FreeCapacity(const Endpoint& endpoint, const PlacedModel& placed, bool urgent);

// Without preference. `dearest` is the highest nominal price among those compared; 0: none has one.
Parts PartsOf(const Endpoint& endpoint, const PlacedModel& placed, const Price& price, double dearest, bool urgent);

// For comparing models whatever the request: three parts of input to one of output. 0 when free; below 0 when unknown.
double NominalPrice(const Price& price);

// Of the model at `position` of `count`.
double PreferenceOf(int position, int count);

// The weighted mean, 0 to 1. Preference counts only with a role; latency twice for urgent work.
double ScoreOf(const Parts& parts, const ScoreWeights& weights, bool urgent, bool with_preference);

}  // namespace switchyard::router
