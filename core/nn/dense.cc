#include "core/nn/dense.h"

#include <algorithm>
#include <cassert>

LATENT_NUMERICS_BEGIN

void DensePacked::Resize(std::size_t inputs, std::size_t outputs) {
  forward.Resize(inputs, outputs);
  backward.Resize(outputs, inputs);
}

void DensePacked::Pack(ConstMatrix weights) {
  forward.Pack(weights);
  backward.PackTransposed(weights);
}

void DensePacked::PackRows(ConstMatrix slice, std::size_t first) {
  forward.PackRows(slice, first);
  backward.PackTransposedRows(slice, first);
}

void DenseForward(ConstMatrix x, const PackedMatrix& forward, std::span<const Real> bias,
                  Activation activation, Matrix y) {
  GemmNn(x, forward, bias, activation, y);
}

void DenseBackwardData(ConstMatrix dy, const PackedMatrix& backward, const NtOptions& options,
                       Matrix dx) {
  GemmNt(dy, backward, options, dx);
}

void DenseWeightGradient(ConstMatrix x, const PackedMatrix& dy, std::size_t first, bool accumulate,
                         Matrix dw) {
  GemmTn(x, dy, first, accumulate, dw);
}

void DenseBiasGradient(ConstMatrix dy, std::size_t first, bool accumulate, std::span<Real> db) {
  assert(first + db.size() <= dy.columns);
  if (!accumulate) std::fill(db.begin(), db.end(), Real{0});
  for (std::size_t r = 0; r < dy.rows; ++r) {
    const Real* row = dy.row(r).data() + first;
    for (std::size_t j = 0; j < db.size(); ++j) db[j] += row[j];
  }
}

LATENT_NUMERICS_END
