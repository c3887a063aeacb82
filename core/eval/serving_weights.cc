// What is lost when a version is served with weights of fewer bits.
#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/eval/collector.h"
#include "core/eval/sample.h"

namespace latent {
namespace {

constexpr std::size_t kComparedRows = 1'000;

struct NarrowFormat {
  WeightFormat format;
  const char* name;
};
constexpr NarrowFormat kNarrowFormats[] = {{WeightFormat::kFloat16, "float16"},
                                           {WeightFormat::kInt8, "int8"}};

// How far answers are from exact ones: greatest distance of a row's, over the root mean square
// length of the exact ones.
class AnswerDistance {
 public:
  void Add(ConstMatrix exact, ConstMatrix other) {
    for (std::size_t r = 0; r < exact.rows; ++r) {
      double length = 0, distance = 0;
      for (std::size_t c = 0; c < exact.columns; ++c) {
        const double value = exact(r, c), difference = other(r, c) - value;
        length += value * value;
        distance += difference * difference;
      }
      squares_ += length;
      greatest_ = std::max(greatest_, distance);
    }
    rows_ += exact.rows;
  }
  double relative() const { return std::sqrt(greatest_ / (squares_ / static_cast<double>(rows_))); }

 private:
  double squares_ = 0;
  double greatest_ = 0;
  std::size_t rows_ = 0;
};

// RowAnswers of one model for a batch.
struct RowAnswers {
  explicit RowAnswers(const Autoencoder& model)
      : codes(kEvaluationBatchRows * model.latent_dim()),
        rows(kEvaluationBatchRows * model.columns()) {}

  ForwardOutputs Run(const Autoencoder& model, const LabelledRows& batch) {
    ForwardOutputs outputs;
    outputs.codes = Matrix(codes.data(), batch.rows, model.latent_dim());
    outputs.reconstruction = Matrix(rows.data(), batch.rows, model.columns());
    model.Forward(batch, outputs, workspace);
    return outputs;
  }

  std::vector<float> codes, rows;
  Workspace workspace;
};

}  // namespace

absl::Status AddServingWeights(const EvaluationInput& input, MetricList& metrics) {
  const RowsView rows = EvenlySpaced(input.rows(), kComparedRows);
  std::vector<float> scratch;
  for (const NarrowFormat& narrow : kNarrowFormats) {
    const std::unique_ptr<Autoencoder> model = input.model.Narrowed(narrow.format);
    if (model == nullptr) continue;
    RowAnswers exact(input.model), other(*model);
    AnswerDistance codes, reconstructions;
    for (std::size_t first = 0; first < rows.rows; first += kEvaluationBatchRows) {
      LATENT_RETURN_IF_ERROR(input.CheckStop());
      const auto batch =
          rows.Read(first, std::min(kEvaluationBatchRows, rows.rows - first), scratch);
      const ForwardOutputs a = exact.Run(input.model, batch), b = other.Run(*model, batch);
      codes.Add(a.codes, b.codes);
      reconstructions.Add(a.reconstruction, b.reconstruction);
    }
    metrics.Add(absl::StrCat(narrow.name, "_weights_code_error"), codes.relative(), input.part);
    metrics.Add(absl::StrCat(narrow.name, "_weights_reconstruction_error"),
                reconstructions.relative(), input.part);
  }
  return absl::OkStatus();
}

}  // namespace latent
