// Loss and gradient of one batch, in phases that threads share: first every thread takes rows
// (forward, per-row loss, all deltas), then, after a barrier, parameters (each gradient is one
// fixed-order sum over the batch's rows). Nothing depends on the number of threads, nothing is
// allocated after the constructor. Owned by one training run, borrows the model. Not its job:
// threads, barriers, updates, schedules (core/train).
#ifndef LATENT_CORE_MODEL_TRAINING_PASS_H_
#define LATENT_CORE_MODEL_TRAINING_PASS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/model/composed_autoencoder.h"
#include "core/nn/matrix.h"
#include "core/nn/rows_view.h"

LATENT_NUMERICS_BEGIN

// One step's input.
struct Batch {
  RowsView rows;                           // all training rows, dataset units
  std::span<const std::uint64_t> indices;  // the batch's rows, in order; 1 to max_batch
  std::uint64_t seed = 0;                  // with epoch and index, the key of a row's noise
  std::uint64_t epoch = 0;
  std::uint64_t update = 0;  // with seed and epoch, the key of what is drawn for the batch
  double beta = 1;           // weight of the KL term now; ignored without one
  // What the mean KL shall be now, nats; ignored where the objective has no capacity.
  double capacity = 0;
};

// Means over the batch's rows, nats; sums run in row order, in float64.
struct BatchLoss {
  double total = 0;           // what is minimised: the objective and the penalties
  double reconstruction = 0;  // -log p(x|z), mean over draws (of iwae by their weights)
  double kl = 0;              // KL(q(z|x) || N(0, I)), neither weighted nor floored by free bits;
                              // of mmd the squared discrepancy; of vector-quantised codes half
                              // the squared distance from their vectors, not weighted
  double l1 = 0, l2 = 0;      // weighted activity penalties
  double kl_sparsity = 0, contractive = 0;  // weighted
  double dead = 0;  // weighted share of the residual that a top-k code's dead entries leave
};

// A term by the name it has in progress reports and messages.
struct NamedTerm {
  // "reconstruction", "kl", "mmd" or "commitment", "l1", "l2", "kl_sparsity", "contractive", "dead"
  std::string_view name;
  double value = 0;
};

// Part of one parameter segment.
struct ParameterRange {
  std::size_t segment = 0;    // index into model.parameters().segments()
  std::size_t first_row = 0;  // rows of the segment
  std::size_t rows = 0;
  std::size_t offset = 0;  // into the flat arrays
  std::size_t size = 0;
};

// A step, for every thread t of `threads`, with `|` for a barrier:
//   Begin (one thread) | for p < phases(): RunPhase(p, t, its rows) | for r in ranges(t):
//   Gradient(r), and where no norm is clipped the update of r at once, and if packs_ranges()
//   PackRange(r); else | ApplyConstraints(t) | RefreshPacked(t) |
class TrainingPass {
 public:
  // `model` must outlive this. Batches hold at most `max_batch` rows; `threads` fixes ranges(),
  // which leave out what makes codes if the latent space is kept. Where rows come sparse,
  // `sparse_cells` > 0 is the most cells that a batch has, and models for which ReadsSparseRows
  // (sparse_layer.h) read them as they are.
  TrainingPass(ComposedAutoencoder* model, std::size_t max_batch, std::size_t threads,
               bool keep_latent_space = false, std::size_t sparse_cells = 0);
  ~TrainingPass();
  TrainingPass(const TrainingPass&) = delete;
  TrainingPass& operator=(const TrainingPass&) = delete;

  // What has to be held for a batch of `max_batch` rows, bytes (activations, deltas, gradient,
  // packed weights); the model itself is not counted.
  static std::uint64_t BytesNeeded(const v1::ModelSpec& spec, std::size_t columns,
                                   std::size_t max_batch);

  // Names the batch; `batch` and what it views must live until the next Begin.
  void Begin(const Batch& batch);
  // 1, or 3 (forward, coupling, backward) where a row's loss depends on the batch's other rows; and
  // one more, before them, where the softmax is taken over some columns alone.
  // Between two phases, and after the last, stands a barrier.
  std::size_t phases() const;
  // One thread's share: rows [first, first + count) of the batch. Together the phases do noise,
  // forward pass, losses and the deltas of every layer.
  void RunPhase(std::size_t phase, std::size_t thread, std::size_t first, std::size_t count);
  // The batch's loss, and its terms that this model has; after the last phase's barrier.
  BatchLoss Loss() const;
  std::vector<NamedTerm> Terms(const BatchLoss& loss) const;

  // What thread `thread` computes gradients for, in pieces that the cache holds; disjoint over
  // threads, together everything that learns.
  std::span<const ParameterRange> ranges(std::size_t thread) const;
  // Writes that part of gradient().
  void Gradient(const ParameterRange& range);
  // By row of that part, whether it has a gradient at all: of weights that read sparse rows. Empty
  // for others. After Gradient.
  std::span<const std::uint8_t> touched(const ParameterRange& range) const;
  // As long as model.parameters().values(); padding is 0.
  std::span<Real> gradient();

  // What the latent remembers from batch to batch, part of a checkpoint; may be empty.
  std::span<std::uint64_t> counters();

  // Of vector-quantised codes: perplexity of how often each vector was chosen of late.
  std::optional<double> CodebookPerplexity() const;

  // After all updates: unit-norm decoder columns, the bounds of a learned variance, codebook,
  // counters.
  void ApplyConstraints(std::size_t thread);
  // False if ApplyConstraints does nothing, so that its barrier can be left out.
  bool has_constraints() const;
  // After all parameters are final: this thread's share of the layouts that the next step reads.
  void RefreshPacked(std::size_t thread);
  // Likewise what the model reads as well, before it is asked anything.
  void RefreshServing(std::size_t thread);
  // Whether nobody reads those layouts or changes parameters once gradients are under way; then
  // PackRange of every range, each as soon as its parameters are final, is as good.
  bool packs_ranges() const;
  void PackRange(const ParameterRange& range);

  // Where the first number that is NaN or infinite stands, e.g. "layer encoder.0 (activation)",
  // "term kl", "gradient of latent.mu.weight", "parameter encoder.0.weight"; empty if all are
  // finite. Slow; for the message when a step went wrong.
  std::string FindNotFinite() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_TRAINING_PASS_H_
