#include "core/eval/pca_baseline.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/base/status.h"
#include "core/base/thread_pool.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

// Bound on multiplications of the covariance; 54,000 rows of 784 columns take 3.3e10.
constexpr double kMaxProducts = 6e10;

// Every k-th row, so that the covariance stays affordable.
RowsView Thinned(const RowsView& rows) {
  const double products =
      static_cast<double>(rows.rows) * static_cast<double>(rows.columns * rows.columns);
  const auto step = static_cast<std::size_t>(std::max(1.0, std::ceil(products / kMaxProducts)));
  return rows.EveryNth(step);
}

// A row's components, and the squared length of what they leave.
double Project(std::span<const float> row, const PcaBasis& basis, std::vector<double>& centred,
               std::vector<double>& components) {
  double rest = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    centred[c] = row[c] - basis.mean[c];
    rest += centred[c] * centred[c];
  }
  for (std::size_t k = 0; k < basis.axes.rows; ++k) {
    double projection = 0;
    for (std::size_t c = 0; c < row.size(); ++c) projection += basis.axes(k, c) * centred[c];
    components[k] = projection;
    rest -= projection * projection;
  }
  return std::max(rest, 0.0);
}

}  // namespace

absl::StatusOr<std::optional<PcaBasis>> FitPcaBasis(const EvaluationInput& input,
                                                    std::size_t threads) {
  const RowsView train = input.data.rows(v1::PART_TRAIN);
  if (train.columns > kMaxControlColumns || train.rows < 2) return std::nullopt;
  const RowsView fitted = Thinned(train);
  const std::size_t rank = std::min(input.model.latent_dim(), train.columns);
  if (!CanFitPrincipalAxes(fitted.rows, fitted.columns, rank)) return std::nullopt;
  ThreadPool pool(threads);
  std::vector<float> scratch;
  const auto read = [&](std::size_t first, std::size_t count) {
    return fitted.Read(first, count, scratch);
  };
  LATENT_ASSIGN_OR_RETURN(PcaBasis basis,
                          FitPrincipalAxes(fitted.rows, fitted.columns, read, rank, &pool,
                                           [&] { return input.CheckStop(); }));
  return basis;
}

std::uint64_t PcaBasisBytes(const v1::TrainingPlan& plan) {
  const std::uint64_t columns = plan.data().columns();
  if (columns > kMaxControlColumns) return 0;
  const std::uint64_t rank = std::min<std::uint64_t>(plan.architecture().latent().dim(), columns);
  return PrincipalAxesBytes(plan.data().train_rows(), columns, rank);
}

absl::Status AddPcaBaseline(const EvaluationInput& input, const PcaBasis& basis,
                            MetricList& metrics) {
  // Components of rows with stand-ins for what is missing have no error that compares.
  if (input.model.takes_missing() && input.data.missing(input.part).any()) return absl::OkStatus();
  const RowsView rows = input.rows();
  std::vector<float> scratch(rows.columns);
  const auto width = static_cast<double>(rows.columns);
  std::vector<double> centred(rows.columns), components(basis.axes.rows);
  std::vector<Mean> columns(rows.columns);
  Mean residual;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    if (r % kEvaluationBatchRows == 0) LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::span<const float> row = rows.row(r, scratch);
    residual.Add(Project(row, basis, centred, components) / width);
    for (std::size_t c = 0; c < rows.columns; ++c) columns[c].Add(row[c]);
  }
  metrics.Add("pca_test_mse_per_element", residual.mean(), input.part, residual.standard_error());
  double variance = 0;
  for (const Mean& column : columns) variance += column.variance();
  if (variance > 0) metrics.Add("pca_r2", 1 - residual.mean() * width / variance, input.part);
  return absl::OkStatus();
}

absl::StatusOr<Sample> PcaSample(const EvaluationInput& input, const PcaBasis& basis, v1::Part part,
                                 std::size_t most) {
  const RowsView rows = EvenlySpaced(input.data.rows(part), most);
  std::vector<float> scratch(rows.columns);
  Sample sample{.rows = rows.rows, .columns = basis.axes.rows};
  std::vector<double> centred(rows.columns), components(basis.axes.rows);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    if (r % kEvaluationBatchRows == 0) LATENT_RETURN_IF_ERROR(input.CheckStop());
    Project(rows.row(r, scratch), basis, centred, components);
    sample.cells.insert(sample.cells.end(), components.begin(), components.end());
  }
  return sample;
}

}  // namespace latent
