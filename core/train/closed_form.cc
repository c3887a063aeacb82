#include "core/train/closed_form.h"

#include <vector>

#include "core/base/status.h"
#include "core/nn/principal.h"

namespace latent {

absl::Status SolvePca(const RowsView& rows, ThreadPool& pool, ComposedAutoencoder& model,
                      CheckGoesOn check) {
  std::vector<Real> scratch;
  std::vector<Real> cells;
  const auto scaled = [&](std::size_t first, std::size_t count) -> ConstMatrix {
    cells.resize(count * rows.columns);
    const Matrix block(cells.data(), count, rows.columns);
    model.ScaleRows(rows.Read(first, count, scratch), block);
    return block;
  };
  LATENT_ASSIGN_OR_RETURN(
      const PrincipalAxes fit,
      FitPrincipalAxes(rows.rows, rows.columns, scaled, model.latent_dim(), &pool, check));
  return model.SetLinear(
      MatrixView<const double>(fit.axes.cells.data(), fit.axes.rows, fit.axes.columns), fit.mean);
}

}  // namespace latent
