#include "core/nn/sparse_kernels.h"

#include "core/base/isa.h"

LATENT_NUMERICS_BEGIN
namespace kernels {

const SparseTable& ActiveSparse() {
#if defined(__x86_64__) && !defined(LATENT_REAL_DOUBLE)
  if (ActiveIsa() != Isa::kPortable) return kSparseAvx2;
#endif
  return kSparsePortable;
}

}  // namespace kernels
LATENT_NUMERICS_END
