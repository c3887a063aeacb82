#include <algorithm>
#include <cmath>
#include <vector>

#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/eval/collector.h"
#include "core/eval/mean.h"
#include "core/nn/linalg.h"

namespace latent {
namespace {

constexpr std::size_t kMaxColumns = 2048;
// Bound on multiplications of the covariance; 54,000 rows of 784 columns take 3.3e10.
constexpr double kMaxProducts = 6e10;

// Every k-th row, so that the covariance stays affordable.
MatrixView<const float> Thinned(MatrixView<const float> rows) {
  const double products =
      static_cast<double>(rows.rows) * static_cast<double>(rows.columns * rows.columns);
  const auto step = static_cast<std::size_t>(std::max(1.0, std::ceil(products / kMaxProducts)));
  return {rows.data, (rows.rows + step - 1) / step, rows.columns, rows.stride * step};
}

// Squared distance of a row from the plane through the mean along the first `rank` eigenvectors.
double Residual(std::span<const float> row, const Moments& moments, const SymmetricEigen& eigen,
                std::size_t rank, std::vector<double>& centred) {
  double rest = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    centred[c] = row[c] - moments.mean[c];
    rest += centred[c] * centred[c];
  }
  for (std::size_t k = 0; k < rank; ++k) {
    double projection = 0;
    for (std::size_t c = 0; c < row.size(); ++c) projection += eigen.vectors(k, c) * centred[c];
    rest -= projection * projection;
  }
  return std::max(rest, 0.0);
}

}  // namespace

absl::Status AddPcaBaseline(const EvaluationInput& input, std::size_t threads,
                            MetricList& metrics) {
  const MatrixView<const float> train = input.data.rows(v1::PART_TRAIN);
  if (train.columns > kMaxColumns || train.rows < 2) return absl::OkStatus();
  ThreadPool pool(threads);
  const Moments moments = MeanAndCovariance(Thinned(train), &pool);
  LATENT_RETURN_IF_ERROR(input.CheckStop());
  LATENT_ASSIGN_OR_RETURN(const SymmetricEigen eigen, EigenSymmetric(moments.covariance));
  const std::size_t rank = std::min(input.model.latent_dim(), train.columns);
  const MatrixView<const float> rows = input.rows();
  const auto width = static_cast<double>(rows.columns);
  std::vector<double> centred(rows.columns);
  Mean residual;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    if (r % kEvaluationBatchRows == 0) LATENT_RETURN_IF_ERROR(input.CheckStop());
    residual.Add(Residual(rows.row(r), moments, eigen, rank, centred) / width);
  }
  metrics.Add("pca_test_mse_per_element", residual.mean(), input.part, residual.standard_error());
  return absl::OkStatus();
}

}  // namespace latent
