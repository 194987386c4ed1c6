#include "services/router/scoring.h"

#include <algorithm>

namespace switchyard::router {
namespace {

// The time to a first token that halves the part.
const absl::Duration kHalfLatency = absl::Seconds(2);
// Where nothing was measured.
constexpr double kUnknownLatency = 0.5;

double HealthOf(const Endpoint& endpoint) {
  double base = 0;
  switch (endpoint.state) {
    case EndpointState::kHealthy:
    case EndpointState::kBusy:
    case EndpointState::kLoading:
      base = 1;
      break;
    case EndpointState::kRecovering:
      base = 0.5;
      break;
    case EndpointState::kFailing:
      base = 0.3;
      break;
    default:
      return 0;
  }
  return base * (1 - std::clamp(endpoint.failure_rate, 0.0, 1.0)) / (1 + std::max(endpoint.failures_in_row, 0));
}

double WarmthOf(Warmth warmth) {
  switch (warmth) {
    case Warmth::kWarm:
      return 1;
    case Warmth::kLoading:
      return 0.5;
    case Warmth::kCold:
      return 0.2;
    case Warmth::kAbsent:
      return 0;
  }
  return 0;
}

}  // namespace

int FreeCapacity(const Endpoint& endpoint, const PlacedModel& placed, bool urgent) {
  int free = endpoint.capacity - endpoint.in_flight - (urgent ? 0 : endpoint.urgent_slots);
  if (placed.capacity > 0) free = std::min(free, placed.capacity - placed.in_flight);
  return free;
}

Parts PartsOf(const Endpoint& endpoint, const PlacedModel& placed, const Price& price, double dearest, bool urgent) {
  Parts parts;
  parts.health = HealthOf(endpoint);
  parts.warmth = WarmthOf(placed.warmth);
  int usable = endpoint.capacity - (urgent ? 0 : endpoint.urgent_slots);
  if (placed.capacity > 0) usable = std::min(usable, placed.capacity);
  parts.load = std::clamp(FreeCapacity(endpoint, placed, urgent) / std::max<double>(usable, 1), 0.0, 1.0);
  parts.latency = placed.first_token_p50 <= absl::ZeroDuration()
                      ? kUnknownLatency
                      : absl::FDivDuration(kHalfLatency, kHalfLatency + placed.first_token_p50);
  const double nominal = NominalPrice(price);
  if (nominal >= 0) parts.price = dearest > 0 ? std::clamp(1 - nominal / dearest, 0.0, 1.0) : 1;
  return parts;
}

double NominalPrice(const Price& price) {
  if (price.free) return 0;
  if (!price.known()) return -1;
  return static_cast<double>(3 * *price.rates.input + *price.rates.output) / 4;
}

double PreferenceOf(int position, int count) {
  return position < 0 || count <= 0 ? 0 : 1 - static_cast<double>(position) / count;
}

double ScoreOf(const Parts& parts, const ScoreWeights& weights, bool urgent, bool with_preference) {
  const double latency = urgent ? 2 * weights.latency : weights.latency;
  double sum = weights.health + weights.warmth + weights.load + latency + weights.price;
  double got = weights.health * parts.health + weights.warmth * parts.warmth + weights.load * parts.load +
               latency * parts.latency + weights.price * parts.price;
  if (with_preference) {
    sum += weights.preference;
    got += weights.preference * parts.preference;
  }
  return sum > 0 ? got / sum : 0;
}

}  // namespace switchyard::router
