#include "core/nn/kernels.h"

#include "core/base/isa.h"

LATENT_NUMERICS_BEGIN
namespace kernels {

const Table& Active() {
#if defined(__x86_64__) && !defined(LATENT_REAL_DOUBLE)
  if (ActiveIsa() == Isa::kAvx2) return kAvx2;
#endif
  return kPortable;
}

}  // namespace kernels
LATENT_NUMERICS_END
