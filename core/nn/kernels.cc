#include "core/nn/kernels.h"

#include "core/base/isa.h"

LATENT_NUMERICS_BEGIN
namespace kernels {

const Table& TableOf([[maybe_unused]] Isa level) {
#if defined(__x86_64__) && !defined(LATENT_REAL_DOUBLE)
  if (level == Isa::kAvx512) return kAvx512;
  if (level == Isa::kAvx2) return kAvx2;
#endif
  return kPortable;
}

const Table& Active() { return TableOf(ActiveIsa()); }

}  // namespace kernels
LATENT_NUMERICS_END
