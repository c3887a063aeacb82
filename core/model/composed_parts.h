// What a ComposedAutoencoder is made of; shared by its serving side, its initialisation and its
// training pass, and by nobody else. Belongs to the autoencoder.
#ifndef LATENT_CORE_MODEL_COMPOSED_PARTS_H_
#define LATENT_CORE_MODEL_COMPOSED_PARTS_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/model/column_statistics.h"
#include "core/model/composed_autoencoder.h"
#include "core/model/condition.h"
#include "core/model/corruption.h"
#include "core/model/likelihood.h"
#include "core/model/network.h"
#include "core/model/parameters.h"
#include "core/model/scaling.h"

LATENT_NUMERICS_BEGIN

// What noise a seed is for, so that no two uses share a stream. Persisted results depend on these
// numbers: never change them.
enum class RandomPurpose : std::uint64_t {
  kWeights = 1,
  kCorruption = 2,
  kTrainingDraws = 3,
  kPosteriorDraws = 4,
  kCellDraws = 5,
  kRequestCorruption = 6,
  kPriorDraws = 7,
  kBinarise = 12,
  kCodebookRestarts = 16,
  kColumnSample = 17,
};

inline std::uint64_t SeedFor(RandomPurpose purpose, std::uint64_t seed) {
  return DeriveSeed(seed, static_cast<std::uint64_t>(purpose));
}

struct ComposedAutoencoder::Parts {
  Parts(const v1::ModelSpec& model_spec, const ColumnStatistics& column_statistics, ModelUse use);

  // Packs rows first .. first + count - 1 of one weight matrix as far as they are read.
  void PackWeight(std::size_t segment, std::size_t first, std::size_t count);
  void PackAll();
  // One segment as rows x columns, out of its packing if the numbers are not held; then in
  // `scratch`.
  ConstMatrix Weights(std::size_t segment, AlignedBuffer& scratch) const;
  // Holds the columns of the first decoder layer at unit norm, if the spec says so.
  void ApplyUnitNorm();
  // Runs layers over rows of some classes; empty without a condition.
  LayerRunner runner(std::span<const std::uint32_t> classes) const {
    return {parameters, packed, classes};
  }
  // Of layers that may read the rows themselves.
  LayerRunner row_runner(std::span<const std::uint32_t> classes, Workspace& ws) const;
  // The classes of a chunk's rows; live in `ws`.
  std::span<const std::uint32_t> ClassesOf(const LabelledRows& rows, Workspace& ws) const;
  // Puts what the encoder reads in place of cells without a value; dataset units.
  void FillMissing(std::span<Real> row) const;
  // The last hidden layer of the encoder (the rows themselves if there is none); lives in `ws`.
  ConstMatrix RunEncoder(const LayerRunner& run, ConstMatrix scaled, Workspace& ws) const;
  // The decoder's parameters of p(row | code) for some codes; the result lives in `ws`.
  Matrix RunDecoder(const LayerRunner& run, ConstMatrix codes, Workspace& ws) const;

  v1::ModelSpec spec;
  ColumnStatistics statistics;
  ParameterSet parameters;
  Network network;
  Condition condition;
  std::unique_ptr<RowLikelihood> likelihood;
  ColumnScaling scaling;
  CellExtremes extremes;
  std::vector<Real> means;
  std::vector<std::optional<CellRange>> ranges;  // of targets, by column; empty if all may be any
  std::vector<DensePacked> packed;               // by segment; weights only
  bool pack_backward = false;  // tied weights, transposed layers and training read both packings
  // Rows that pass through the layers together: bounds the workspace and keeps it in cache. Bits do
  // not depend on it.
  std::size_t chunk_rows;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_COMPOSED_PARTS_H_
