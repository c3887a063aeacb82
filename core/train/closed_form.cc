#include "core/train/closed_form.h"

#include <vector>

#include "core/base/status.h"
#include "core/nn/linalg.h"

namespace latent {

absl::Status SolvePca(const RowsView& rows, ThreadPool& pool, ComposedAutoencoder& model) {
  std::vector<Real> scratch;
  std::vector<Real> cells;
  const auto scaled = [&](std::size_t first, std::size_t count) -> ConstMatrix {
    cells.resize(count * rows.columns);
    const Matrix block(cells.data(), count, rows.columns);
    model.ScaleRows(rows.Read(first, count, scratch), block);
    return block;
  };
  const Moments moments = MeanAndCovariance(rows.rows, rows.columns, scaled, &pool);
  LATENT_ASSIGN_OR_RETURN(SymmetricEigen eigen, EigenSymmetric(moments.covariance));
  return model.SetLinear(
      MatrixView<const double>(eigen.vectors.cells.data(), model.latent_dim(), rows.columns),
      moments.mean);
}

}  // namespace latent
