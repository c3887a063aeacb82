#include <algorithm>
#include <cmath>
#include <vector>

#include "core/eval/collector.h"
#include "core/eval/mean.h"

namespace latent {
namespace {

constexpr float kActiveValue = 1e-5f;
// Burda, Grosse, Salakhutdinov 2015 (arXiv 1509.00519), section 5.
constexpr double kActiveVariance = 0.01;

class Codes : public Collector {
 public:
  explicit Codes(const EvaluationInput& input)
      : input_(input), entries_(input.model.latent_dim()), active_(entries_.size()) {}

  void Observe(const EvaluationBatch& batch) override {
    for (std::size_t r = 0; r < batch.codes.rows; ++r) {
      const std::span<const float> code = batch.codes.row(r);
      for (std::size_t i = 0; i < code.size(); ++i) {
        entries_[i].Add(code[i]);
        active_[i] += std::abs(code[i]) > kActiveValue ? 1 : 0;
      }
    }
    rows_ += batch.codes.rows;
  }

  void AddTo(MetricList& metrics) const override {
    double active = 0;
    for (const std::uint64_t count : active_) active += static_cast<double>(count);
    const double values = static_cast<double>(rows_) * static_cast<double>(entries_.size());
    metrics.Add("code_l0", active / static_cast<double>(rows_), input_.part);
    metrics.Add("code_density", active / values, input_.part);
    metrics.Add("dead_units", static_cast<double>(std::count(active_.begin(), active_.end(), 0u)),
                input_.part);
    if (!input_.model.variational()) return;
    const auto varies = [](const Mean& entry) { return entry.variance() > kActiveVariance; };
    metrics.Add("active_units",
                static_cast<double>(std::count_if(entries_.begin(), entries_.end(), varies)),
                input_.part);
  }

 private:
  const EvaluationInput& input_;
  std::vector<Mean> entries_;
  std::vector<std::uint64_t> active_;  // rows that bring the entry beyond kActiveValue
  std::uint64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<Collector> CodeCollector(const EvaluationInput& input) {
  return std::make_unique<Codes>(input);
}

}  // namespace latent
