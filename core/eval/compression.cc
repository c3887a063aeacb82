#include "core/eval/compression.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/half.h"
#include "core/base/status.h"
#include "core/eval/mean.h"
#include "core/eval/sample.h"

namespace latent {
namespace {

constexpr std::size_t kMaxTrainRows = 20'000;
// Wider codes have no entropy: the counts would take too much memory.
constexpr std::size_t kMaxEntropyEntries = 4096;

class Compression : public Collector {
 public:
  Compression(const EvaluationInput& input, CodeScales scales)
      : input_(input),
        scales_(std::move(scales)),
        codes_(kEvaluationBatchRows * input.model.latent_dim()),
        cells_(kEvaluationBatchRows * input.model.columns()),
        quantised_(input.model.latent_dim()) {
    const std::size_t dim = input.model.latent_dim();
    if (!scales_.empty() && dim <= kMaxEntropyEntries) counts_.resize(dim);
  }

  void Observe(const EvaluationBatch& batch) override {
    rows_ += batch.rows.rows;
    const Matrix codes(codes_.data(), batch.codes.rows, batch.codes.columns);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      for (std::size_t i = 0; i < codes.columns; ++i) {
        codes(r, i) = FromHalf(ToHalf(batch.codes(r, i)));
      }
    }
    AddErrors(batch.rows, codes, half_error_);
    if (scales_.empty()) return;
    for (std::size_t r = 0; r < codes.rows; ++r) {
      QuantiseCode(scales_, batch.codes.row(r), quantised_);
      for (std::size_t i = 0; i < counts_.size(); ++i) {
        ++counts_[i][static_cast<std::size_t>(quantised_[i] + 127)];
      }
      DequantiseCode(scales_, quantised_, codes.row(r));
    }
    AddErrors(batch.rows, codes, int8_error_);
  }

  void AddTo(MetricList& metrics) const override {
    const v1::Part part = input_.part;
    const auto entries = static_cast<double>(input_.model.latent_dim());
    metrics.Add("code_bits_float32", 32 * entries, part);
    metrics.Add("code_bits_float16", 16 * entries, part);
    metrics.Add("float16_mse_per_element", half_error_.mean(), part, half_error_.standard_error());
    if (scales_.empty()) return;
    metrics.Add("code_bits_int8", 8 * entries, part);
    metrics.Add("int8_mse_per_element", int8_error_.mean(), part, int8_error_.standard_error());
    if (!counts_.empty()) metrics.Add("int8_entropy_bits", Entropy(), part);
  }

 private:
  using Counts = std::array<std::uint32_t, 255>;

  void AddErrors(const LabelledRows& rows, ConstMatrix codes, Mean& error) {
    const Matrix decoded(cells_.data(), rows.rows, rows.columns);
    input_.model.Decode({codes, rows.labels}, decoded, workspace_);
    for (std::size_t r = 0; r < rows.rows; ++r) {
      double sum = 0;
      std::size_t known = 0;
      for (std::size_t c = 0; c < rows.columns; ++c) {
        if (std::isnan(rows(r, c))) continue;  // missing
        ++known;
        const double difference = static_cast<double>(decoded(r, c)) - rows(r, c);
        sum += difference * difference;
      }
      if (known > 0) error.Add(sum / static_cast<double>(known));
    }
  }

  // Of each entry by itself, summed.
  double Entropy() const {
    double bits = 0;
    for (const Counts& counts : counts_) {
      for (const std::uint32_t count : counts) {
        if (count == 0) continue;
        const double share = count / static_cast<double>(rows_);
        bits -= share * std::log2(share);
      }
    }
    return bits;
  }

  const EvaluationInput& input_;
  const CodeScales scales_;
  Workspace workspace_;
  std::vector<float> codes_, cells_;
  std::vector<std::int8_t> quantised_;
  std::vector<Counts> counts_;
  std::uint64_t rows_ = 0;
  Mean half_error_, int8_error_;
};

}  // namespace

absl::StatusOr<CodeScales> FitScales(const EvaluationInput& input) {
  LATENT_ASSIGN_OR_RETURN(const Sample codes, CodeSample(input, v1::PART_TRAIN, kMaxTrainRows));
  return FitCodeScales(codes.view());
}

std::uint64_t CodeScaleBytes(const v1::TrainingPlan& plan) {
  return std::min<std::uint64_t>(plan.data().train_rows(), kMaxTrainRows) *
         plan.architecture().latent().dim() * sizeof(float);
}

std::unique_ptr<Collector> CompressionCollector(const EvaluationInput& input, CodeScales scales) {
  return std::make_unique<Compression>(input, std::move(scales));
}

}  // namespace latent
