// The buffers of a training pass and the row-parallel half of its work. Belongs to TrainingPass.
#ifndef LATENT_CORE_MODEL_TRAINING_STATE_H_
#define LATENT_CORE_MODEL_TRAINING_STATE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <vector>

#include "core/model/composed_parts.h"
#include "core/model/contraction.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/training_pass.h"
#include "core/nn/aligned_buffer.h"

LATENT_NUMERICS_BEGIN

struct TrainingPass::State : PassContext {
  State(ComposedAutoencoder::Parts* model_parts, std::size_t max_batch, std::size_t threads,
        bool keep_latent_space, std::size_t sparse_cells);

  // Rows [first, first + count) of the batch: noise, activations, losses; then deltas.
  void Forward(std::size_t first, std::size_t count);
  void Backward(std::size_t first, std::size_t count);
  // Their steps, in this order.
  void PrepareRows(std::size_t first, std::size_t count);
  void PrepareSparseRow(std::size_t row);
  void ForwardRows(std::size_t first, std::size_t count);
  void ChargeReconstruction(std::size_t first, std::size_t count);
  // Lets a row's draws count by their weights.
  void WeighDraws(std::size_t row, std::span<const double> nats);
  void BackwardDecoder(std::size_t first, std::size_t count);
  void BackwardEncoder(std::size_t first, std::size_t count);
  void PackRows(std::size_t first, std::size_t count);
  double Nats(std::size_t row, std::size_t draw, Real scale);
  // The batch's gradient by weights or biases that have a value in some rows or columns alone.
  void SparseGradient(const LayerPass& layer, const ParameterRange& range, Matrix dw);
  void SampledGradient(const LayerPass& layer, const ParameterRange& range, Matrix dw);
  void SampledBiasGradient(const LayerPass& layer, const ParameterRange& range,
                           std::span<Real> out);
  // Whether a step reads the segment's packed weights.
  bool ReadsPacked(std::size_t segment) const;
  // One thread's share of the weights of which that is so, or else of the others.
  void Pack(std::size_t thread, bool read_in_steps);
  // The batch's gradient by some of the numbers that the likelihood learns.
  void LearnedGradient(const ParameterRange& range, std::span<Real> out);

  std::vector<LayerPass*> Layers();
  // Sets up `sparse` and `sample`, if rows come sparse and the model takes them so.
  void AttachSparse(std::size_t sparse_cells);
  // Sets up `encoder`, `latent` and `decoder`.
  void AttachLayers();
  // Sets up `layers`, `uses` and `ranges`.
  void AssignGradients(std::size_t threads, const std::set<std::size_t>& kept);
  // How many rows of a segment make one of its ranges.
  std::size_t SlabRows(std::size_t segment) const;
  std::set<std::size_t> MakersOfCodes() const;

  ComposedAutoencoder::Parts& parts;
  bool corrupts, binarises;
  bool keeps_codes;  // what makes codes does not change
  bool own_input;    // the encoder reads other rows than the decoder is compared with

  // Of sparse rows no target is made if the likelihood needs none.
  bool sparse_target = false;
  std::unique_ptr<ColumnSample> sample;  // of the output, or null
  // Rows in the likelihood's units; and as the encoder reads them, unused without `own_input`.
  AlignedBuffer target, noisy;
  std::vector<LayerPass> encoder, decoder;
  std::unique_ptr<LatentPass> latent;
  std::unique_ptr<Contraction> contraction;  // null without that penalty
  std::vector<double> draw_nats;             // of each draw of each row
  AlignedBuffer draw_weights;                // likewise; unused where all count alike
  std::vector<LayerPass*> layers;            // all of them, in forward order

  AlignedBuffer gradient;
  std::vector<double> learned_sums;  // of the numbers that the likelihood learns
  // Which layers' products make up a segment's gradient.
  struct Use {
    LayerPass* owner = nullptr;
    LayerPass* borrower = nullptr;  // tied weights
  };
  std::vector<Use> uses;
  std::vector<std::vector<ParameterRange>> ranges;  // by thread
  // By segment and row of it, whether its gradient is not 0; empty if the layer's rows are dense.
  std::vector<std::vector<std::uint8_t>> touched;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_TRAINING_STATE_H_
