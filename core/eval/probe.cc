// How much of the labels codes hold, beside raw rows and principal components.
#include "core/eval/probe.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/status.h"
#include "core/eval/linear_probe.h"
#include "core/eval/mean.h"
#include "core/eval/neighbours.h"

namespace latent {
namespace {

constexpr std::size_t kNeighbours = 5;
constexpr std::size_t kProbeTrainRows = 10'000;
constexpr std::size_t kProbeRows = 2'000;
constexpr std::size_t kMaxClasses = 256;
// A linear probe's weights; more would take longer than a job's evaluation should.
constexpr std::size_t kMaxWeights = 200'000;

// Labels of the rows that are learned from and of those that are told.
struct ProbeLabels {
  std::span<const std::int32_t> train, test;
};

// Inputs of both probes: rows that labels are learned from and rows that are told.
struct Pair {
  Sample train, test;
};

// One class a label that TRAIN rows have.
class Classes {
 public:
  explicit Classes(std::span<const std::int32_t> labels) : labels_(labels.begin(), labels.end()) {
    std::sort(labels_.begin(), labels_.end());
    labels_.erase(std::unique(labels_.begin(), labels_.end()), labels_.end());
  }
  std::size_t size() const { return labels_.size(); }
  std::int32_t label(std::uint32_t index) const { return labels_[index]; }
  std::vector<std::uint32_t> Of(std::span<const std::int32_t> labels) const {
    std::vector<std::uint32_t> classes;
    for (const std::int32_t label : labels) {
      const auto found = std::lower_bound(labels_.begin(), labels_.end(), label);
      classes.push_back(static_cast<std::uint32_t>(found - labels_.begin()));
    }
    return classes;
  }

 private:
  std::vector<std::int32_t> labels_;
};

absl::Status AddNeighbours(const EvaluationInput& input, const char* metric, const Pair& pair,
                           const ProbeLabels& labels, MetricList& metrics) {
  LATENT_RETURN_IF_ERROR(input.CheckStop());
  Mean right;
  Neighbours(pair.train.view())
      .ForEach(pair.test.view(), [&](std::size_t r, std::span<const float> squared) {
        right.Add(Vote(squared, labels.train, kNeighbours) == labels.test[r] ? 1 : 0);
      });
  metrics.Add(metric, right.mean(), input.part, right.standard_error());
  return absl::OkStatus();
}

absl::Status AddLinear(const EvaluationInput& input, const char* metric, Pair pair,
                       const ProbeLabels& labels, MetricList& metrics) {
  const Classes classes(labels.train);
  if (classes.size() < 2 || classes.size() > kMaxClasses) return absl::OkStatus();
  if ((pair.train.columns + 1) * classes.size() > kMaxWeights) return absl::OkStatus();
  Standardise(pair.train, pair.test);
  LATENT_ASSIGN_OR_RETURN(
      const LinearProbe probe,
      LinearProbe::Fit(pair.train.view(), classes.Of(labels.train), classes.size(), input.stop));
  Mean right;
  for (std::size_t r = 0; r < pair.test.rows; ++r) {
    const std::uint32_t told = probe.Predict(pair.test.view().row(r));
    right.Add(classes.label(told) == labels.test[r] ? 1 : 0);
  }
  metrics.Add(metric, right.mean(), input.part, right.standard_error());
  return absl::OkStatus();
}

}  // namespace

absl::Status AddProbes(const EvaluationInput& input, const std::optional<PcaBasis>& basis,
                       MetricList& metrics) {
  // Rows would find themselves among TRAIN rows.
  if (!input.data.info().has_labels || input.part == v1::PART_TRAIN) return absl::OkStatus();
  if (input.data.rows(v1::PART_TRAIN).rows < kNeighbours) return absl::OkStatus();
  Pair codes;
  LATENT_ASSIGN_OR_RETURN(codes.train, CodeSample(input, v1::PART_TRAIN, kProbeTrainRows));
  LATENT_ASSIGN_OR_RETURN(codes.test, CodeSample(input, input.part, kProbeRows));
  const ProbeLabels labels = {codes.train.labels, codes.test.labels};
  Standardise(codes.train, codes.test);
  LATENT_RETURN_IF_ERROR(AddNeighbours(input, "knn5_code_accuracy", codes, labels, metrics));
  LATENT_RETURN_IF_ERROR(AddLinear(input, "linear_code_accuracy", codes, labels, metrics));
  if (input.model.columns() > kMaxControlColumns) return absl::OkStatus();

  Pair rows;
  LATENT_ASSIGN_OR_RETURN(rows.train, RowSample(input, v1::PART_TRAIN, kProbeTrainRows));
  LATENT_ASSIGN_OR_RETURN(rows.test, RowSample(input, input.part, kProbeRows));
  LATENT_RETURN_IF_ERROR(AddNeighbours(input, "knn5_raw_accuracy", rows, labels, metrics));
  LATENT_RETURN_IF_ERROR(AddLinear(input, "linear_raw_accuracy", rows, labels, metrics));
  if (!basis) return absl::OkStatus();

  Pair pca;
  LATENT_ASSIGN_OR_RETURN(pca.train, PcaSample(input, *basis, v1::PART_TRAIN, kProbeTrainRows));
  LATENT_ASSIGN_OR_RETURN(pca.test, PcaSample(input, *basis, input.part, kProbeRows));
  LATENT_RETURN_IF_ERROR(AddNeighbours(input, "knn5_pca_accuracy", pca, labels, metrics));
  return AddLinear(input, "linear_pca_accuracy", pca, labels, metrics);
}

std::uint64_t ProbeBytes(const v1::TrainingPlan& plan) {
  const v1::DatasetSchema& data = plan.data();
  const std::uint64_t rows =
      std::min<std::uint64_t>(data.train_rows(), kProbeTrainRows) +
      std::min<std::uint64_t>(std::max(data.test_rows(), data.validation_rows()), kProbeRows);
  const std::uint64_t columns = data.columns();
  const std::uint64_t raw = columns > kMaxControlColumns ? 0 : columns;
  const std::uint64_t dim = plan.architecture().latent().dim();
  // Codes and components, each once more standardised; raw rows twice likewise.
  return 2 * rows * (dim + std::min(dim, raw) + raw) * sizeof(float);
}

}  // namespace latent
