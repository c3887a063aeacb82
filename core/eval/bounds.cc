#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/importance.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

// All models are judged by the same draws.
constexpr std::uint64_t kDrawSeed = 0;

class Bound : public Collector {
 public:
  explicit Bound(const EvaluationInput& input)
      : input_(input), draws_(kEvaluationBatchRows * input.model.latent_dim()) {}

  void Observe(const EvaluationBatch& batch) override {
    const std::size_t n = batch.rows.rows;
    const Matrix draws(draws_.data(), n, input_.model.latent_dim());
    DrawCodes(batch.codes, batch.sigma, kDrawSeed, batch.first_row, draws);
    const std::span<double> nats = std::span(nats_).first(n);
    input_.model.ReconstructionNats(batch.rows, draws, nats, workspace_);
    for (std::size_t r = 0; r < n; ++r) {
      reconstruction_.Add(nats[r]);
      kl_.Add(batch.kl[r]);
      bound_.Add(nats[r] + batch.kl[r]);
    }
  }

  void AddTo(MetricList& metrics) const override {
    const v1::Part part = input_.part;
    metrics.Add("neg_elbo", bound_.mean(), part, bound_.standard_error());
    metrics.Add("reconstruction_nats", reconstruction_.mean(), part,
                reconstruction_.standard_error());
    metrics.Add("kl_nats", kl_.mean(), part, kl_.standard_error());
    metrics.Add("rate_bits", kl_.mean() / std::numbers::ln2, part);
    const double bits = static_cast<double>(input_.model.columns()) * std::numbers::ln2;
    metrics.Add("bits_per_dim", bound_.mean() / bits, part);
  }

 private:
  const EvaluationInput& input_;
  Workspace workspace_;
  std::vector<float> draws_;
  std::vector<double> nats_ = std::vector<double>(kEvaluationBatchRows);
  Mean reconstruction_;
  Mean kl_;
  Mean bound_;
};

}  // namespace

absl::Status AddImportance(const EvaluationInput& input, const v1::TrainingSpec& training,
                           MetricList& metrics) {
  const std::uint32_t draws = training.evaluation().importance_draws();
  const RowsView all = input.rows();
  if (!input.model.variational() || draws == 0 || all.rows == 0) return absl::OkStatus();
  const std::size_t most = training.evaluation().importance_rows();
  const std::size_t step = most == 0 ? 1 : (all.rows + most - 1) / most;
  const RowsView rows = all.EveryNth(step);
  const std::size_t threads = std::max(1u, training.threads());
  LATENT_ASSIGN_OR_RETURN(const Mean nll,
                          ImportanceNll(input.model, rows, draws, kDrawSeed, threads, input.stop));
  metrics.Add("test_iwae_nll", nll.mean(), input.part, nll.standard_error());
  if (std::isfinite(nll.mean())) metrics.SetDraws(draws);
  return absl::OkStatus();
}

std::unique_ptr<Collector> BoundCollector(const EvaluationInput& input) {
  return std::make_unique<Bound>(input);
}

}  // namespace latent
