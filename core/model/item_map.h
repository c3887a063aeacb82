// A model without a code: row x becomes x B, B of zero diagonal, so that every column is told from
// the others alone. Products are summed over a row's cells that are not 0, in column order. Const
// to use from any thread. Not its job: finding B (core/train/ease).
#ifndef LATENT_CORE_MODEL_ITEM_MAP_H_
#define LATENT_CORE_MODEL_ITEM_MAP_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/model/autoencoder.h"
#include "core/model/column_statistics.h"
#include "core/model/corruption.h"
#include "core/nn/aligned_buffer.h"

LATENT_NUMERICS_BEGIN

class ItemMap final : public Autoencoder {
 public:
  // `weights` is B, [columns x columns]: row i holds what a unit of column i adds.
  ItemMap(const v1::ModelSpec& spec, const ColumnStatistics& statistics, AlignedBuffer weights);

  std::size_t columns() const override { return means_.size(); }
  std::size_t latent_dim() const override { return 0; }
  bool variational() const override { return false; }
  const v1::ModelSpec& spec() const override { return spec_; }
  // Empty: there are no codes to compare.
  std::string LatentSpaceId() const override { return ""; }
  // `score` and `feature_nats` are squared errors; `reconstruction_nats` is that of a Gaussian of
  // variance 1. Codes have no columns.
  void Forward(const LabelledRows& rows, const ForwardOutputs& outputs,
               Workspace& ws) const override;
  // These need a code: never called, as whoever answers calls asks for latent_dim() first.
  void Decode(const LabelledRows& codes, Matrix rows, Workspace& ws) const override;
  void ReconstructionNats(const LabelledRows& rows, ConstMatrix codes, std::span<double> nats,
                          Workspace& ws) const override;
  // Squared errors are defined for every row.
  absl::Status CheckTargets(ConstMatrix /*rows*/, std::size_t /*first_row*/) const override {
    return absl::OkStatus();
  }
  void DrawCells(Matrix rows, std::uint64_t seed, std::uint64_t first_row) const override;
  absl::Status Corrupt(ConstMatrix rows, const v1::Corruption& corruption, std::uint64_t seed,
                       Matrix noisy) const override;
  std::span<const Real> column_means() const override { return means_; }
  void ScaleRows(ConstMatrix rows, Matrix scaled) const override;
  std::uint64_t weight_bytes() const override { return weights_.capacity() * sizeof(Real); }
  void AddTensors(TensorFile& file) const override;

  ConstMatrix weights() const { return {weights_.data(), columns(), columns()}; }

 private:
  v1::ModelSpec spec_;
  ColumnStatistics statistics_;
  ColumnScaling scaling_;  // the identity
  CellExtremes extremes_;
  std::vector<Real> means_;
  AlignedBuffer weights_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_ITEM_MAP_H_
