#include <cmath>
#include <limits>
#include <vector>

#include "core/eval/collector.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

class Reconstruction : public Collector {
 public:
  explicit Reconstruction(const EvaluationInput& input)
      : input_(input), columns_(input.model.columns()) {}

  void Observe(const EvaluationBatch& batch) override {
    for (std::size_t r = 0; r < batch.rows.rows; ++r) {
      squared_error_.Add(batch.squared_error[r]);
      nats_.Add(batch.reconstruction_nats[r]);
      const std::span<const float> row = batch.rows.row(r);
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (!std::isnan(row[c])) columns_[c].Add(row[c]);
      }
    }
  }

  void AddTo(MetricList& metrics) const override {
    // Cells a row that have a value, on average.
    const auto rows = static_cast<double>(squared_error_.count());
    double width = 0;
    for (const Mean& column : columns_) width += static_cast<double>(column.count());
    width /= rows;
    const double sse = squared_error_.mean();
    const std::optional<double> error = squared_error_.standard_error();
    const auto per_element = error ? std::optional(*error / width) : std::nullopt;
    metrics.Add("test_mse_per_element", sse / width, input_.part, per_element);
    metrics.Add("test_sse_per_row", sse, input_.part, error);
    // An error of 0 or data of no range give an infinite figure, which is left out.
    metrics.Add("psnr_db", 10 * std::log10(SquaredRange(input_.data.info()) / (sse / width)),
                input_.part);
    double variance = 0;
    for (const Mean& column : columns_) {
      variance += column.variance() * (static_cast<double>(column.count()) / rows);
    }
    if (variance > 0) metrics.Add("r2", 1 - sse / variance, input_.part);
    if (!input_.model.variational()) {
      metrics.Add("nll", nats_.mean(), input_.part, nats_.standard_error());
    }
  }

 private:
  const EvaluationInput& input_;
  Mean squared_error_;
  Mean nats_;
  std::vector<Mean> columns_;
};

}  // namespace

std::unique_ptr<Collector> ReconstructionCollector(const EvaluationInput& input) {
  return std::make_unique<Reconstruction>(input);
}

}  // namespace latent
