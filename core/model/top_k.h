// Keeps the k greatest of a row's values. Pure; any thread.
#ifndef LATENT_CORE_MODEL_TOP_K_H_
#define LATENT_CORE_MODEL_TOP_K_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// Sets all but the k greatest cells to 0, of equal ones keeping those of lower index; with `relu`
// what is kept and not positive too. kept[i], if not empty, says whether cell i was. A row with a
// NaN stays as it is, so that it shows. `scratch` has the row's size; 1 <= k.
void KeepGreatest(std::size_t k, bool relu, std::span<Real> cells, std::span<Real> scratch,
                  std::span<std::uint8_t> kept = {});

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_TOP_K_H_
