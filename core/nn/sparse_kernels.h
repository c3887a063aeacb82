// The hot loops over cells that are not 0, one table an instruction-set level, under the rules of
// kernels.h. Chains are those of the dense kernels with the products of zeros left out, so that the
// sums have the same bits. For core/nn itself; others use sparse_batch.h.
#ifndef LATENT_CORE_NN_SPARSE_KERNELS_H_
#define LATENT_CORE_NN_SPARSE_KERNELS_H_

#include <stddef.h>
#include <stdint.h>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN
namespace kernels {

// Where row k of a weight matrix has columns 16 p .. 16 p + 15: at data + k * row + p * panel.
struct WeightPlace {
  const Real* data;
  size_t row;
  size_t panel;
};

// c[j] = start[j] + sum over e < count, in order, of values[e] * weights(indices[e], j).
struct GatherCall {
  WeightPlace weights;
  const uint32_t* indices;
  const Real* values;
  size_t count;
  const Real* start;  // null: 0; may be c
  Real* c;
  size_t first, n;  // columns first .. n - 1; first is a multiple of 16
};

struct SparseTable {
  void (*gather)(const GatherCall& call);
  Real (*greatest)(const Real* cells, size_t count);
};

extern const SparseTable kSparsePortable;
#if defined(__x86_64__) && !defined(LATENT_REAL_DOUBLE)
extern const SparseTable kSparseAvx2;
#endif

// The table of the level in use; levels beyond AVX2 take that one.
const SparseTable& ActiveSparse();

}  // namespace kernels
LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_SPARSE_KERNELS_H_
