#include <algorithm>
#include <cmath>
#include <vector>

#include "core/eval/collector.h"

namespace latent {
namespace {

class CodebookUse : public Collector {
 public:
  CodebookUse(const EvaluationInput& input, const Codebook& codebook)
      : input_(input),
        codebook_(codebook),
        indices_(codebook.groups),
        counts_(codebook.groups * codebook.size()) {}

  void Observe(const EvaluationBatch& batch) override {
    for (std::size_t r = 0; r < batch.codes.rows; ++r) {
      IndicesOf(codebook_, batch.codes.row(r), indices_);
      for (std::size_t g = 0; g < indices_.size(); ++g) {
        ++counts_[g * codebook_.size() + indices_[g]];
      }
    }
  }

  void AddTo(MetricList& metrics) const override {
    const std::size_t size = codebook_.size();
    std::vector<double> uses(size);
    double bits = 0;
    for (std::size_t g = 0; g < codebook_.groups; ++g) {
      std::vector<double> of_group(size);
      for (std::size_t k = 0; k < size; ++k) {
        of_group[k] = static_cast<double>(counts_[g * size + k]);
        uses[k] += of_group[k];
      }
      bits += std::log2(Perplexity(of_group));
    }
    const auto groups = static_cast<double>(codebook_.groups);
    metrics.Add("code_bits_indices", groups * std::log2(static_cast<double>(size)), input_.part);
    metrics.Add("indices_entropy_bits", bits, input_.part);
    metrics.Add("codebook_perplexity", Perplexity(uses), input_.part);
    metrics.Add("codebook_unused", static_cast<double>(std::count(uses.begin(), uses.end(), 0.0)),
                input_.part);
  }

 private:
  const EvaluationInput& input_;
  const Codebook codebook_;
  std::vector<std::uint32_t> indices_;
  std::vector<std::uint64_t> counts_;  // [groups x vectors]
};

}  // namespace

std::unique_ptr<Collector> CodebookCollector(const EvaluationInput& input,
                                             const Codebook& codebook) {
  return std::make_unique<CodebookUse>(input, codebook);
}

}  // namespace latent
