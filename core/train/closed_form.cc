#include "core/train/closed_form.h"

#include <vector>

#include "core/base/status.h"
#include "core/nn/linalg.h"

namespace latent {

absl::Status SolvePca(ConstMatrix rows, ThreadPool& pool, ComposedAutoencoder& model) {
  std::vector<Real> cells(rows.rows * rows.columns);
  const Matrix scaled(cells.data(), rows.rows, rows.columns);
  pool.Run([&](std::size_t thread) {
    const auto [first, count] = Share(rows.rows, pool.threads(), thread);
    if (count > 0) {
      model.ScaleRows(rows.slice_rows(first, count), scaled.slice_rows(first, count));
    }
  });
  const Moments moments = MeanAndCovariance(scaled, &pool);
  LATENT_ASSIGN_OR_RETURN(SymmetricEigen eigen, EigenSymmetric(moments.covariance));
  return model.SetLinear(
      MatrixView<const double>(eigen.vectors.cells.data(), model.latent_dim(), rows.columns),
      moments.mean);
}

}  // namespace latent
