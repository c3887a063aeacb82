// Remembers the least validation objective and how long ago it was. A value; one thread.
// Not its job: the weights that go with it (trainer), when to ask (after the KL warm-up).
#ifndef LATENT_CORE_TRAIN_EARLY_STOPPING_H_
#define LATENT_CORE_TRAIN_EARLY_STOPPING_H_

#include <cstdint>
#include <optional>

#include "latent/v1/spec.pb.h"

namespace latent {

struct EarlyStopping {
  std::optional<double> best;  // nats a row
  std::uint32_t epochs_since_best = 0;

  // Takes an epoch's objective; true if it is the best so far.
  bool Observe(double objective);
  // Whether training shall end.
  bool ShouldStop(const v1::EarlyStopping& rule) const {
    return rule.enabled() && epochs_since_best >= rule.patience();
  }
};

}  // namespace latent

#endif  // LATENT_CORE_TRAIN_EARLY_STOPPING_H_
