// How learning rate and KL weight move over the updates of a run. Values and pure functions; one
// thread each.
#ifndef LATENT_CORE_TRAIN_SCHEDULE_H_
#define LATENT_CORE_TRAIN_SCHEDULE_H_

#include <cstdint>

#include "latent/v1/spec.pb.h"

namespace latent {

// Updates that a share of all of them comes to, rounded to the nearest.
std::uint64_t WarmUpUpdates(double fraction, std::uint64_t updates);

// Learning rate of update `update` (from 1) of `updates`: it rises linearly and is full at the last
// update of the warm-up; then it stays (a plateau's fall is PlateauState's), or falls by half a
// cosine to its final share at the last.
double LearningRate(const v1::Schedule& schedule, std::uint64_t update, std::uint64_t updates);

// What a plateau schedule has seen so far; part of a checkpoint.
struct PlateauState {
  double share = 1;  // of the learning rate that is left
  std::uint32_t epochs_since_change = 0;

  // Takes an epoch whose validation objective was the best so far or not.
  void Observe(const v1::PlateauSchedule& rule, bool best);
};

// Weight of the KL term at update `update` (from 1): linear over the warm-up, then `beta`. With a
// capacity, the weight of the distance from it, which does not change.
double KlWeight(const v1::ElboObjective& elbo, std::uint64_t update, std::uint64_t updates);

// The capacity at update `update` (from 1): linear over the warm-up, then as asked for.
double Capacity(const v1::ElboObjective& elbo, std::uint64_t update, std::uint64_t updates);

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_SCHEDULE_H_
