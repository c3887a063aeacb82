#include "core/train/early_stopping.h"

namespace latent {

bool EarlyStopping::Observe(double objective) {
  if (best && !(objective < *best)) {
    ++epochs_since_best;
    return false;
  }
  best = objective;
  epochs_since_best = 0;
  return true;
}

}  // namespace latent
