// Small models of any preset with untrained but fixed weights, as served versions.
#ifndef LATENT_TESTS_UNIT_SERVE_SERVED_FIXTURE_H_
#define LATENT_TESTS_UNIT_SERVE_SERVED_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/data/dataset.h"
#include "core/model/code_prior.h"
#include "core/model/column_statistics.h"
#include "core/model/item_map.h"
#include "core/model/model_io.h"
#include "core/model/sampler.h"
#include "core/serve/batch.h"
#include "core/serve/cells.h"
#include "core/serve/operations.h"
#include "core/serve/served_model.h"
#include "core/train/plan.h"
#include "core/train/version_files.h"

namespace latent {

inline constexpr std::size_t kTestColumns = 12;
inline constexpr std::size_t kTestDim = 3;

// n rows of cells in [0, 1).
inline Cells RandomCells(std::size_t rows, std::size_t columns, std::uint64_t seed) {
  Cells cells(rows, columns);
  FillUniform({seed, 0, 0}, cells.values);
  return cells;
}

inline v1::TrainingPlan TestPlan(const std::string& preset) {
  DatasetInfo info;
  info.name = "numbers";
  info.content_hash = std::string(64, '0');
  info.columns = kTestColumns;
  info.row_shape = {4, 3, 1};
  info.part_rows[v1::PART_TRAIN] = 64;
  info.part_rows[v1::PART_VALIDATION] = 16;
  info.max = info.train_max = 1;
  info.has_labels = true;
  info.part_labels.fill({0, 1, 2});
  v1::TrainJobSpec request;
  request.set_model("toy");
  request.set_dataset("numbers");
  request.set_preset(preset);
  if (!FindPreset(preset)->architecture.latent().has_none()) {
    request.mutable_architecture()->mutable_latent()->set_dim(kTestDim);
  }
  absl::StatusOr<v1::TrainingPlan> plan = Resolve(request, info, PlanEnvironment());
  EXPECT_TRUE(plan.ok()) << plan.status();
  return *std::move(plan);
}

inline VersionContent TestContent(const std::string& preset) {
  VersionContent content;
  content.plan = TestPlan(preset);
  const Cells rows = RandomCells(64, kTestColumns, 1);
  const ColumnStatistics statistics = ComputeColumnStatistics(rows.view());
  if (content.plan.architecture().latent().has_none()) {
    AlignedBuffer weights(kTestColumns * kTestColumns);
    FillUniform({.seed = 3}, weights.Span(kTestColumns * kTestColumns));
    content.model =
        std::make_unique<ItemMap>(content.plan.architecture(), statistics, std::move(weights));
    content.sampler = StandardNormalSampler(0);
    return content;
  }
  auto model = CreateModel(content.plan, statistics);
  EXPECT_TRUE(model.ok()) << model.status();
  // Labels begin without effect.
  ParameterSet& parameters = (*model)->parameters();
  for (std::size_t i = 0; i < parameters.segments().size(); ++i) {
    if (!parameters.segment(i).name.ends_with(".label_bias")) continue;
    FillNormal({.seed = 9, .sample = i}, parameters.span(i));
  }
  content.model = *std::move(model);
  if (content.model->variational()) {
    content.sampler = StandardNormalSampler(kTestDim);
  } else if (const auto codebook = content.model->codebook()) {
    Cells codes(rows.rows, kTestDim);
    Workspace workspace;
    content.model->Forward(rows.view(), {.codes = codes.view()}, workspace);
    auto sampler = FitCodePrior(codes.view(), *codebook, [] { return absl::OkStatus(); });
    EXPECT_TRUE(sampler.ok()) << sampler.status();
    content.sampler = *std::move(sampler);
  } else {
    auto sampler =
        FitGaussianSampler(RandomCells(64, kTestDim, 2).view(), [] { return absl::OkStatus(); });
    EXPECT_TRUE(sampler.ok()) << sampler.status();
    content.sampler = *std::move(sampler);
  }
  content.evaluation.score_quantiles = {1, 2, 3, 4};
  content.evaluation.anomaly_threshold = 3.5;
  return content;
}

inline ModelPtr TestModel(const std::string& preset, std::uint64_t version = 1) {
  auto served = ServedModel::Make({"toy", version}, TestContent(preset));
  EXPECT_TRUE(served.ok()) << served.status();
  return *std::move(served);
}

// Rows or codes as a version takes them: with labels 0, 1, 2, 0, ... if it reads labels.
inline Cells LabelledFor(const ModelPtr& model, Cells cells) {
  cells.labels.clear();
  for (std::size_t r = 0; model->condition().classes() > 0 && r < cells.rows; ++r) {
    cells.labels.push_back(static_cast<std::int32_t>(r % 3));
  }
  return cells;
}

// Makes an operation, runs it alone and returns it.
template <typename Op>
std::unique_ptr<Op> RunAlone(absl::StatusOr<std::unique_ptr<Op>> operation) {
  EXPECT_TRUE(operation.ok()) << operation.status();
  BatchRunner runner;
  EXPECT_TRUE(runner.Run(**operation, [] { return absl::OkStatus(); }).ok());
  return *std::move(operation);
}

}  // namespace latent

#endif  // LATENT_TESTS_UNIT_SERVE_SERVED_FIXTURE_H_
