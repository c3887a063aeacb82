#include "core/eval/collector.h"

#include <algorithm>

#include "core/base/status.h"

namespace latent {
namespace {

// The model's answers to one batch; memory is kept from one batch to the next.
class BatchPass {
 public:
  explicit BatchPass(const Autoencoder& model)
      : model_(model), codes_(kEvaluationBatchRows * model.latent_dim()) {
    if (model.variational()) sigma_.resize(codes_.size());
  }

  EvaluationBatch Run(const LabelledRows& rows, std::size_t first_row) {
    const std::size_t n = rows.rows;
    const Matrix codes(codes_.data(), n, model_.latent_dim());
    ForwardOutputs outputs;
    outputs.codes = codes;
    outputs.squared_error = std::span(squared_error_).first(n);
    outputs.reconstruction_nats = std::span(nats_).first(n);
    if (model_.variational()) {
      outputs.sigma = Matrix(sigma_.data(), n, model_.latent_dim());
      outputs.kl = std::span(kl_).first(n);
    }
    model_.Forward(rows, outputs, workspace_);
    return {.first_row = first_row,
            .rows = rows,
            .codes = codes,
            .sigma = outputs.sigma,
            .squared_error = outputs.squared_error,
            .reconstruction_nats = outputs.reconstruction_nats,
            .kl = outputs.kl};
  }

 private:
  const Autoencoder& model_;
  Workspace workspace_;
  std::vector<float> codes_;
  std::vector<float> sigma_;
  std::vector<double> squared_error_ = std::vector<double>(kEvaluationBatchRows);
  std::vector<double> nats_ = std::vector<double>(kEvaluationBatchRows);
  std::vector<double> kl_ = std::vector<double>(kEvaluationBatchRows);
};

}  // namespace

absl::Status EvaluationInput::CheckStop() const {
  return stop.stop_requested() ? absl::CancelledError("evaluation was stopped") : absl::OkStatus();
}

bool LiesInUnitInterval(const DatasetInfo& info) { return info.min >= 0 && info.max <= 1; }

double SquaredRange(const DatasetInfo& info) {
  const double range = LiesInUnitInterval(info) ? 1 : info.max - info.min;
  return range * range;
}

absl::Status Collect(const EvaluationInput& input,
                     std::span<const std::unique_ptr<Collector>> collectors) {
  BatchPass pass(input.model);
  const RowsView rows = input.rows();
  std::vector<float> scratch;
  for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
    LATENT_RETURN_IF_ERROR(input.CheckStop());
    const std::size_t count = std::min(kEvaluationBatchRows, rows.rows - first);
    const EvaluationBatch batch = pass.Run(rows.Read(first, count, scratch), first);
    for (const auto& collector : collectors) collector->Observe(batch);
  }
  return absl::OkStatus();
}

}  // namespace latent
