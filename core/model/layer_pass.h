// What a batch leaves in each layer, and what all parts of a training pass share. Owned by the
// pass; threads work on disjoint rows. Nothing is allocated after Attach.
#ifndef LATENT_CORE_MODEL_LAYER_PASS_H_
#define LATENT_CORE_MODEL_LAYER_PASS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/model/column_sample.h"
#include "core/model/layer.h"
#include "core/model/penalty.h"
#include "core/model/training_pass.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/gemm.h"
#include "core/nn/sparse_batch.h"

LATENT_NUMERICS_BEGIN

// A layer and what a batch leaves in it. A decoder layer has one row for each draw: row b's draws
// stand at b * draws, b * draws + 1, ...
struct LayerPass {
  const NetworkLayer* layer = nullptr;
  std::size_t row_factor = 1;            // rows for each row of the batch: 1, or the draws
  const AlignedBuffer* input = nullptr;  // what the layer reads
  // If not null, what it reads in place of `input`.
  const SparseBatch* sparse = nullptr;
  // If not null, the only outputs that it has; of dense layers with their own weights.
  const ColumnSample* sample = nullptr;
  LayerPenalty penalty;
  // Gradient by each output that a term has ready, [batch x outputs]; or null.
  const AlignedBuffer* slopes = nullptr;
  // Likewise, but the same for all rows, [outputs]; or empty.
  std::span<const Real> unit_slopes;
  AlignedBuffer output;  // after the activation
  AlignedBuffer inner;   // before it; where DerivativeNeedsInput, else empty
  AlignedBuffer delta;   // gradient before the activation
  PackedMatrix packed;   // one row a place: deltas, of a transposed layer inputs

  std::size_t outputs() const { return sample == nullptr ? layer->outputs : sample->size(); }
  Matrix View(const AlignedBuffer& buffer, std::size_t batch_rows) const {
    return {buffer.data(), batch_rows * row_factor, outputs()};
  }
  // What f' is computed from.
  Matrix SlopeValues(std::size_t batch_rows) const {
    return View(DerivativeNeedsInput(layer->activation) ? inner : output, batch_rows);
  }
  ConstMatrix Input(std::size_t batch_rows) const {
    return {input->data(), batch_rows * row_factor, layer->inputs};
  }
  // The gradient by W is a sum of products of what stands on W's two sides: on the right (that of
  // its columns) what `packed` holds, on the left the rest.
  ConstMatrix Right(std::size_t batch_rows) const {
    const ConstMatrix whole = layer->transposed ? Input(batch_rows) : View(delta, batch_rows);
    return {whole.data, whole.rows * layer->places(), narrow()};
  }
  ConstMatrix Left(std::size_t batch_rows) const {
    return layer->transposed ? View(delta, batch_rows) : Input(batch_rows);
  }
  std::size_t narrow() const { return sample == nullptr ? layer->narrow() : sample->size(); }
  // Of sparse rows the gradient reads the deltas themselves.
  bool packs() const { return sparse == nullptr; }
  void ResizePacked(std::size_t batch_rows) {
    if (packs()) packed.Resize(batch_rows * row_factor * layer->places(), narrow());
  }
  // Rows first, first + 1, ... of the gradient by W, when all deltas are packed.
  void WeightGradient(std::size_t batch_rows, std::size_t first, bool accumulate, Matrix dw) const;
};

// Numbers that Attach makes room for, for each row of a batch.
std::uint64_t CellsOf(const NetworkLayer& layer, std::uint64_t factor);

// A term whose value or gradient at a row depends on the batch's other rows: a mean over the batch,
// a sum over pairs. Where a pass has one, its rows take three phases in place of one.
class RowCoupled {
 public:
  virtual ~RowCoupled() = default;
  // When all rows are forward and none is backward: one thread's share of what is gathered over
  // the whole batch. Results must not depend on `threads`.
  virtual void Couple(std::size_t thread, std::size_t threads) = 0;
};

// A term that adds to a weight's gradient beside the layers that use it.
class WeightTerm {
 public:
  virtual ~WeightTerm() = default;
  // When all rows are backward: adds to rows first, first + 1, ... of the segment's gradient, sums
  // over the batch in row order. Of the segment's numbers only those rows may be read, as the
  // others may be under way; packed weights are as they were.
  virtual void AddGradient(std::size_t segment, std::size_t first, Matrix dw) const = 0;
};

// The batch, what it is charged row by row, and how layers are run and taken back.
struct PassContext {
  PassContext(const v1::ModelSpec& model_spec, const ParameterSet& model_parameters,
              const std::vector<DensePacked>& model_packed, std::size_t batch_limit);

  // Gives a layer its input and its buffers.
  void Attach(LayerPass& pass, const NetworkLayer& layer, const AlignedBuffer* input,
              std::size_t factor) const;
  // Rows [first, first + count) of the batch, in all of the following.
  void Run(LayerPass& pass, std::size_t first, std::size_t count) const;
  // Writes the gradient of the layer's penalties into its deltas; false if it has none.
  bool SeedPenalty(LayerPass& pass, std::size_t first, std::size_t count);
  // Carries deltas of `upper` down to `lower`, whose deltas start with its penalty.
  void CarryBack(const LayerPass& upper, LayerPass& lower, std::size_t first, std::size_t count);
  // Those of rows [first, first + count), as a layer with so many rows for each reads them.
  RowClasses ClassesOf(std::size_t first, std::size_t count, std::size_t factor) const {
    if (classes.empty()) return {};
    return {.rows = std::span(classes).subspan(first, count), .factor = factor};
  }
  // Some rows of the gradient by a layer's label_bias, from row `first` of that table on.
  void LabelGradient(const LayerPass& pass, std::size_t first, Matrix out) const;
  // The gradient at the upper layer's inputs, for rows [begin, begin + dx.rows) of that layer.
  void BackwardData(const LayerPass& upper, std::size_t begin, const NtOptions& options,
                    Matrix dx) const;
  const PackedMatrix& BackwardWeights(const NetworkLayer& layer) const;

  const v1::ModelSpec& spec;
  const ParameterSet& parameters;
  const std::vector<DensePacked>& packed;
  std::size_t max_batch;
  std::size_t columns = 0;
  // Rows that stay sparse, or null; and the buffer in whose place layers read them.
  std::unique_ptr<SparseBatch> sparse;
  const AlignedBuffer* row_buffer = nullptr;
  Batch batch;
  std::size_t rows = 0;                // of the batch
  std::vector<std::uint32_t> classes;  // of its rows; empty without a condition
  std::uint64_t noise_seed = 0, draw_seed = 0, cell_seed = 0;
  // Of each row.
  std::vector<double> reconstruction, kl, charged, l1, l2, contractive, dead;
  // Of each code entry, over the batch.
  std::vector<double> kl_sparsity;
  // Who must see the whole batch; each adds itself when it is made, and lives as long as the pass.
  std::vector<RowCoupled*> coupled;
  // Likewise, who adds to a weight's gradient.
  std::vector<const WeightTerm*> weight_terms;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LAYER_PASS_H_
