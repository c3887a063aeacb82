// Small models for tests: specs as text, rows that look like data, one training step at a time.
// Header only; compiled for either number type.
#ifndef LATENT_TESTS_UNIT_MODEL_MODEL_FIXTURE_H_
#define LATENT_TESTS_UNIT_MODEL_MODEL_FIXTURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/model/column_statistics.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/network.h"
#include "core/model/training_pass.h"
#include "core/nn/sparse_batch.h"
#include "google/protobuf/text_format.h"

LATENT_NUMERICS_BEGIN

inline v1::ModelSpec ParseSpec(const std::string& text) {
  v1::ModelSpec spec;
  if (!google::protobuf::TextFormat::ParseFromString(text, &spec)) throw std::logic_error(text);
  return spec;
}

// Rows of uniform cells in [0, 1): fit for every likelihood.
struct UniformRows {
  UniformRows(std::size_t row_count, std::size_t columns, std::uint64_t seed = 1)
      : cells(row_count * columns), rows(cells.data(), row_count, columns) {
    FillUniform({.seed = seed}, cells);
  }
  std::vector<Real> cells;
  Matrix rows;
};

// A label of kLabels for each of so many rows.
inline constexpr char kLabels[] =
    "condition { label { classes { label: -3 } classes { label: 2 } classes { label: 7 } } } ";
inline std::vector<std::int32_t> SomeLabels(std::size_t rows) {
  constexpr std::int32_t kValues[] = {7, -3, 7, 2};
  std::vector<std::int32_t> labels(rows);
  for (std::size_t r = 0; r < rows; ++r) labels[r] = kValues[r % 4];
  return labels;
}

// The cells of a matrix that are not 0.
struct SparseCopy {
  explicit SparseCopy(ConstMatrix rows) : offsets(1, 0), count(rows.rows), columns(rows.columns) {
    for (std::size_t r = 0; r < rows.rows; ++r) {
      for (std::size_t c = 0; c < rows.columns; ++c) {
        if (rows(r, c) == 0) continue;
        indices.push_back(static_cast<std::uint32_t>(c));
        values.push_back(rows(r, c));
      }
      offsets.push_back(indices.size());
    }
  }
  RowsView view() const {
    return RowsView(SparseRows{offsets.data(), indices.data(), values.data(), count, columns});
  }
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint32_t> indices;
  std::vector<Real> values;
  std::size_t count, columns;
};

inline std::unique_ptr<ComposedAutoencoder> MakeModel(const v1::ModelSpec& spec, ConstMatrix rows,
                                                      std::uint64_t seed = 7) {
  const absl::Status status = CheckArchitecture(spec, rows.columns);
  if (!status.ok()) throw std::logic_error(std::string(status.message()));
  auto model = std::make_unique<ComposedAutoencoder>(spec, ComputeColumnStatistics(rows));
  model->Initialise(seed);
  return model;
}

// A pass over all of `rows` as one batch, on one thread or as several threads would split it.
class OneBatch {
 public:
  OneBatch(ComposedAutoencoder* model, const RowsView& rows, std::size_t threads = 1)
      : model_(*model),
        rows_(rows),
        threads_(threads),
        indices_(rows.rows),
        pass(model, rows.rows, threads, false, rows.sparse() ? MostCells(rows, rows.rows) : 0) {
    std::iota(indices_.begin(), indices_.end(), std::uint64_t{0});
  }

  BatchLoss Forward(double beta = 1) {
    pass.Begin({.rows = rows_,
                .indices = indices_,
                .seed = 3,
                .epoch = 2,
                .beta = beta,
                .capacity = model_.spec().objective().elbo().capacity()});
    const std::size_t share = (rows_.rows + threads_ - 1) / threads_;
    for (std::size_t phase = 0; phase < pass.phases(); ++phase) {
      for (std::size_t t = 0; t < threads_; ++t) {
        const std::size_t first = std::min(t * share, rows_.rows);
        pass.RunPhase(phase, t, first, std::min(share, rows_.rows - first));
      }
    }
    return pass.Loss();
  }
  BatchLoss ForwardBackward(double beta = 1) {
    const BatchLoss loss = Forward(beta);
    for (std::size_t t = 0; t < threads_; ++t) {
      for (const ParameterRange& range : pass.ranges(t)) pass.Gradient(range);
    }
    return loss;
  }
  void Refresh() {
    for (std::size_t t = 0; t < threads_; ++t) pass.RefreshPacked(t);
  }
  // Plain gradient descent, enough to see two runs part.
  void Step(Real rate) {
    ForwardBackward();
    const std::span<Real> values = model_.parameters().values();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= rate * pass.gradient()[i];
    for (std::size_t t = 0; t < threads_; ++t) pass.ApplyConstraints(t);
    Refresh();
  }

 private:
  ComposedAutoencoder& model_;
  RowsView rows_;
  std::size_t threads_;
  std::vector<std::uint64_t> indices_;

 public:
  TrainingPass pass;
};

LATENT_NUMERICS_END

#endif  // LATENT_TESTS_UNIT_MODEL_MODEL_FIXTURE_H_
