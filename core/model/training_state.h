// The buffers of a training pass and the row-parallel half of its work. Belongs to TrainingPass.
#ifndef LATENT_CORE_MODEL_TRAINING_STATE_H_
#define LATENT_CORE_MODEL_TRAINING_STATE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/model/composed_parts.h"
#include "core/model/penalty.h"
#include "core/model/training_pass.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/gemm.h"

LATENT_NUMERICS_BEGIN

// A layer and what a batch leaves in it. A decoder layer has one row for each draw: row b's draws
// stand at b * draws, b * draws + 1, ...
struct LayerPass {
  const NetworkLayer* layer = nullptr;
  std::size_t row_factor = 1;            // rows for each row of the batch: 1, or the draws
  const AlignedBuffer* input = nullptr;  // what the layer reads
  LayerPenalty penalty;
  AlignedBuffer output;  // after the activation
  AlignedBuffer delta;   // gradient before the activation
  PackedMatrix packed;   // deltas; of a borrowing layer the inputs: what its dW needs on the right

  Matrix View(const AlignedBuffer& buffer, std::size_t batch_rows) const {
    return {buffer.data(), batch_rows * row_factor, layer->outputs};
  }
  ConstMatrix Input(std::size_t batch_rows) const {
    return {input->data(), batch_rows * row_factor, layer->inputs};
  }
};

// What the objective asks for.
struct ObjectiveTerms {
  explicit ObjectiveTerms(const v1::ModelSpec& spec);
  bool charge_kl;  // false where a Gaussian latent is trained on reconstruction alone
  std::size_t draws;
  double free_bits;
};

struct TrainingPass::State {
  State(ComposedAutoencoder::Parts* model_parts, std::size_t max_batch, std::size_t threads);

  // Rows [first, first + count) of the batch, in this order.
  void PrepareRows(std::size_t first, std::size_t count);
  void ForwardRows(std::size_t first, std::size_t count);
  void DrawLatent(std::size_t first, std::size_t count);
  void ChargeReconstruction(std::size_t first, std::size_t count);
  void BackwardDecoder(std::size_t first, std::size_t count);
  void BackwardLatent(std::size_t first, std::size_t count);
  void BackwardEncoder(std::size_t first, std::size_t count);
  void PackRows(std::size_t first, std::size_t count);

  // Writes the gradient of the layer's penalty into its deltas; false if it has none.
  bool SeedPenalty(LayerPass& pass, std::size_t first, std::size_t count);
  // Carries deltas of `upper` down to `lower`, whose deltas start with its penalty.
  void Backward(const LayerPass& upper, LayerPass& lower, std::size_t first, std::size_t count);
  const PackedMatrix& BackwardWeights(const NetworkLayer& layer) const;
  std::vector<LayerPass*> Layers();
  // Gives a layer its input and its buffers.
  void Attach(LayerPass& pass, const NetworkLayer& layer, const AlignedBuffer* input,
              std::size_t factor) const;
  // Sets up `encoder`, `code`, `log_variance` and `decoder`.
  void AttachLayers();
  // Sets up `layers`, `uses` and `ranges`.
  void AssignGradients(std::size_t threads);

  ComposedAutoencoder::Parts& parts;
  ObjectiveTerms objective;
  bool corrupts;
  std::size_t max_batch;
  Batch batch;
  std::size_t rows = 0;  // of the batch
  std::uint64_t noise_seed = 0, draw_seed = 0;

  AlignedBuffer target, noisy;  // scaled rows, and with noise; `noisy` is unused without corruption
  std::vector<LayerPass> encoder, decoder;
  LayerPass code;
  std::optional<LayerPass> log_variance;
  std::vector<LayerPass*> layers;          // all of them, in forward order
  AlignedBuffer sigma, variance;           // [batch x dim] of Gaussian latents
  AlignedBuffer noise, draws, draw_delta;  // [batch * draws x dim]
  // Of each row.
  std::vector<double> reconstruction, kl, charged, l1, l2;

  AlignedBuffer gradient;
  // Which layers' products make up a segment's gradient.
  struct Use {
    LayerPass* owner = nullptr;
    LayerPass* borrower = nullptr;  // tied weights
  };
  std::vector<Use> uses;
  std::vector<std::vector<ParameterRange>> ranges;  // by thread
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_TRAINING_STATE_H_
