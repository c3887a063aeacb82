#include "core/train/schedule.h"

#include <cmath>
#include <numbers>

namespace latent {

std::uint64_t WarmUpUpdates(double fraction, std::uint64_t updates) {
  return static_cast<std::uint64_t>(std::llround(fraction * static_cast<double>(updates)));
}

double LearningRate(const v1::Schedule& schedule, std::uint64_t update, std::uint64_t updates) {
  const std::uint64_t warm_up = WarmUpUpdates(schedule.warm_up_fraction(), updates);
  const double full = schedule.learning_rate();
  if (update <= warm_up) return full * static_cast<double>(update) / static_cast<double>(warm_up);
  if (!schedule.has_cosine()) return full;
  const double gone =
      static_cast<double>(update - warm_up) / static_cast<double>(updates - warm_up);
  const double last = schedule.cosine().final_fraction();
  return full * (last + (1 - last) * 0.5 * (1 + std::cos(std::numbers::pi * gone)));
}

void PlateauState::Observe(const v1::PlateauSchedule& rule, bool best) {
  epochs_since_change = best ? 0 : epochs_since_change + 1;
  if (epochs_since_change < rule.patience()) return;
  share *= rule.factor();
  epochs_since_change = 0;
}

namespace {

// How much of the warm-up is over.
double WarmedUp(const v1::ElboObjective& elbo, std::uint64_t update, std::uint64_t updates) {
  const std::uint64_t warm_up = WarmUpUpdates(elbo.warm_up_fraction(), updates);
  return update >= warm_up ? 1 : static_cast<double>(update) / static_cast<double>(warm_up);
}

}  // namespace

double KlWeight(const v1::ElboObjective& elbo, std::uint64_t update, std::uint64_t updates) {
  if (elbo.capacity() > 0) return elbo.capacity_weight();
  return elbo.beta() * WarmedUp(elbo, update, updates);
}

double Capacity(const v1::ElboObjective& elbo, std::uint64_t update, std::uint64_t updates) {
  return elbo.capacity() * WarmedUp(elbo, update, updates);
}

}  // namespace latent
