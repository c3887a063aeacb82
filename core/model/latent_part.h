// What stands between encoder and decoder: one file for each kind of latent, one row each in
// latent_part.cc. A LatentPart belongs to its model's network and is const after Initialise (any
// thread, each with its own Workspace); a LatentPass belongs to one training pass. Calls are made
// for slices of rows, never for a row or a number.
#ifndef LATENT_CORE_MODEL_LATENT_PART_H_
#define LATENT_CORE_MODEL_LATENT_PART_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/autoencoder.h"
#include "core/model/condition.h"
#include "core/model/layer.h"
#include "core/model/parameters.h"
#include "core/nn/aligned_buffer.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

struct LayerPass;
struct LayerPenalty;
struct PassContext;

// A latent while it trains. Its layers' deltas and the rows' charges are what it leaves behind.
class LatentPass {
 public:
  virtual ~LatentPass() = default;

  // Its layers, in forward order.
  virtual std::vector<LayerPass*> layers() = 0;
  // What the decoder reads, and how many of its rows there are for each row of the batch: row b's
  // stand at b * row_factor, b * row_factor + 1, ...
  virtual const AlignedBuffer* decoder_input() const = 0;
  virtual std::size_t row_factor() const = 0;
  // Whether it charges a distance from the prior, and which; and a term for dead entries.
  virtual bool has_kl() const = 0;
  virtual std::string_view divergence() const { return "kl"; }
  virtual bool charges_dead() const { return false; }

  // Whether a row's draws count by weights of their own, and if so those weights: they sum to 1,
  // and `nats` are the draws' -log p(x|z).
  virtual bool weighs_draws() const { return false; }
  virtual void WeighDraws(std::size_t /*row*/, std::span<const double> /*nats*/,
                          std::span<Real> /*weights*/) {}

  // What it remembers from batch to batch: part of a checkpoint; and when to do so, once all
  // updates of a batch are made.
  virtual std::span<std::uint64_t> counters() { return {}; }
  // May write segments that gradients do not train.
  virtual void EndBatch(ParameterSet& /*parameters*/) {}
  // Of vector-quantised codes: of how often each vector was chosen of late.
  virtual std::optional<double> perplexity() const { return std::nullopt; }
  // When a batch has been named; one thread.
  virtual void Begin() {}

  // Rows [first, first + count) of the batch, from its input to what the decoder reads.
  virtual void Forward(std::size_t first, std::size_t count) = 0;
  // Takes the deltas of the decoder's first layer down to those of its own layers.
  virtual void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) = 0;
  // And on to the encoder's last hidden layer; not called where there is none.
  virtual void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) = 0;
};

// Where the vectors of vector-quantised codes stand, [entries of a group x vectors], and how many
// groups a code has.
struct CodebookPlace {
  std::size_t segment = 0;
  std::size_t groups = 0;
};

class LatentPart {
 public:
  virtual ~LatentPart() = default;

  // Name in latent space ids: never changes.
  virtual std::string_view name() const = 0;
  // Numbers a code has, and numbers that the decoder reads for one.
  virtual std::size_t dim() const = 0;
  virtual std::size_t decoder_inputs() const = 0;
  // Whether codes are draws of a diagonal Gaussian, with sigma and KL.
  virtual bool variational() const = 0;
  // Its layers: those that make the code first, of them the one that makes the code itself (or its
  // mean) foremost. Addresses last as long as this.
  virtual std::span<const NetworkLayer> layers() const = 0;
  // How many of the layers make the code.
  virtual std::size_t encoding_layers() const { return layers().size(); }
  const NetworkLayer& code() const { return layers().front(); }
  // What else makes the code.
  virtual std::optional<CodebookPlace> codebook() const { return std::nullopt; }

  // First weights.
  virtual void Initialise(std::uint64_t seed, ParameterSet& parameters) const = 0;

  // Codes (means) of rows whose last hidden layer is `hidden`.
  virtual void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
                      Workspace& ws) const = 0;
  // Writes outputs.sigma and outputs.kl, and adds the KL to outputs.score, as far as they are
  // asked for; of variational latents alone.
  virtual void Posterior(const LayerRunner& run, ConstMatrix hidden, ConstMatrix codes,
                         const ForwardOutputs& outputs, Workspace& ws) const;
  // What the decoder reads for some codes; may live in `ws`.
  virtual ConstMatrix DecoderInput(const LayerRunner& run, ConstMatrix codes, Workspace& ws) const;

  // How this latent trains. `context` and `input`, the buffer of its input's rows, must outlive the
  // pass; `penalty` is the code's.
  virtual std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                               const LayerPenalty& penalty) const = 0;
  // Rows of the decoder for each row of a batch, and numbers that a pass holds for each row of a
  // batch beyond the decoder's.
  virtual std::size_t row_factor() const = 0;
  virtual std::uint64_t training_cells() const = 0;
};

// Whether there is such a kind, and whether its codes are draws of a diagonal Gaussian.
bool IsLatent(const v1::Latent& spec);
bool IsVariational(const v1::Latent& spec);
// The kinds that IsLatent takes, "deterministic or gaussian".
std::string LatentNames();
// The latent of a spec that CheckArchitecture accepts, on what the encoder gives; adds its
// segments to `parameters`.
std::unique_ptr<LatentPart> MakeLatent(const v1::ModelSpec& spec, LayerInput input,
                                       ParameterSet* parameters);

// For latents with Gaussian codes. First weights of a log-variance head: a tenth of the usual.
void DrawLogVarianceWeights(const NetworkLayer& layer, std::uint64_t seed,
                            ParameterSet& parameters);
// What Posterior does once the heads have run; `log_variance` comes unbounded and is bounded.
void JudgePosterior(ConstMatrix codes, Matrix log_variance, const ForwardOutputs& outputs,
                    Workspace& ws);

// Rows of the table.
std::unique_ptr<LatentPart> MakeDeterministicLatent(const v1::ModelSpec& spec, LayerInput input,
                                                    ParameterSet* parameters);
std::unique_ptr<LatentPart> MakeGaussianLatent(const v1::ModelSpec& spec, LayerInput input,
                                               ParameterSet* parameters);
std::unique_ptr<LatentPart> MakeTopKLatent(const v1::ModelSpec& spec, LayerInput input,
                                           ParameterSet* parameters);

std::unique_ptr<LatentPart> MakeHierarchicalLatent(const v1::ModelSpec& spec, LayerInput input,
                                                   ParameterSet* parameters);
std::unique_ptr<LatentPart> MakeVectorQuantisedLatent(const v1::ModelSpec& spec, LayerInput input,
                                                      ParameterSet* parameters);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_LATENT_PART_H_
