// A trained (or fresh) autoencoder as a value: a composition of parts, described by a resolved
// plan. Const to use from any number of threads, each with its own Workspace; rows are in dataset
// units, both ways. What trains is the implementation, ComposedAutoencoder. Not its job: optimising
// (core/train), versions and files' places (core/store), batching (core/serve).
#ifndef LATENT_CORE_MODEL_AUTOENCODER_H_
#define LATENT_CORE_MODEL_AUTOENCODER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/model/codebook.h"
#include "core/nn/gemm.h"
#include "core/nn/labelled_rows.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

namespace latent {
struct TensorFile;
}

LATENT_NUMERICS_BEGIN

// Scratch of one thread: grows to the largest batch it has seen, then allocates no more.
class Workspace {
 public:
  Workspace();
  ~Workspace();
  Workspace(Workspace&&) noexcept;
  Workspace& operator=(Workspace&&) noexcept;
  struct Buffers;
  Buffers& buffers() { return *buffers_; }

 private:
  std::unique_ptr<Buffers> buffers_;
};

// What one pass over rows shall yield; null or empty views are not computed. All views have as many
// rows as the input.
struct ForwardOutputs {
  Matrix codes = {};           // [n x latent_dim] mean code
  Matrix sigma = {};           // [n x latent_dim] standard deviation; Gaussian latents only
  Matrix reconstruction = {};  // [n x columns] likelihood's mean, dataset units
  std::span<double> squared_error = {};  // [n] sum over cells, dataset units squared
  std::span<double> score = {};  // [n] -log p(x|code) (+ KL for Gaussian), nats, scaled units
  std::span<double> reconstruction_nats = {};  // [n] the first term of `score` alone
  std::span<double> kl = {};                   // [n] the second
  Matrix feature_nats = {};  // [n x columns] each cell's term of reconstruction_nats
};

class Autoencoder {
 public:
  virtual ~Autoencoder() = default;

  virtual std::size_t columns() const = 0;
  virtual std::size_t latent_dim() const = 0;
  // Whether codes are draws of a diagonal Gaussian.
  virtual bool variational() const = 0;
  virtual const v1::ModelSpec& spec() const = 0;
  // Whether NaN in a row stands for a cell without a value: the encoder then reads a stand-in, and
  // errors, scores and nats leave the cell out.
  virtual bool takes_missing() const { return false; }
  // What codes are made of where they are vector-quantised.
  virtual std::optional<Codebook> codebook() const { return std::nullopt; }
  // First 16 hex digits of SHA-256 over latent spec, scaling, encoder weights and codebook. Reads
  // all of them: ask once and keep it.
  virtual std::string LatentSpaceId() const = 0;

  // The three below: a conditional model (IsConditional) reads a label with each row or code, one
  // that it knows. Whoever lets rows in checks that.
  //
  // One pass; codes are the mean. A row's bits do not depend on which rows share the call.
  virtual void Forward(const LabelledRows& rows, const ForwardOutputs& outputs,
                       Workspace& ws) const = 0;
  // Codes to the likelihood's mean, dataset units.
  virtual void Decode(const LabelledRows& codes, Matrix rows, Workspace& ws) const = 0;
  // -log p(row | code) of each pair, nats, scaled units; codes may be draws.
  virtual void ReconstructionNats(const LabelledRows& rows, ConstMatrix codes,
                                  std::span<double> nats, Workspace& ws) const = 0;
  // INVALID_ARGUMENT naming the first cell, if p(row | code) is not defined for a row: a Bernoulli
  // cell lies in [0, 1] in scaled units, within rounding. What scores rows asks this first.
  // `first_row` is the number of the first in messages.
  virtual absl::Status CheckTargets(ConstMatrix rows, std::size_t first_row) const = 0;
  // Draws cells from the likelihood around the means in `rows` (dataset units), in place. Element
  // noise is keyed by (seed, first_row + r, column).
  virtual void DrawCells(Matrix rows, std::uint64_t seed, std::uint64_t first_row) const = 0;
  // Adds training-like noise in scaled units and writes the result in dataset units.
  virtual absl::Status Corrupt(ConstMatrix rows, const v1::Corruption& corruption,
                               std::uint64_t seed, Matrix noisy) const = 0;
  // Mean of each column over the training rows, dataset units: stands in for missing cells.
  virtual std::span<const Real> column_means() const = 0;
  // Rows in the units that the network sees. `scaled` may be `rows`.
  virtual void ScaleRows(ConstMatrix rows, Matrix scaled) const = 0;
  // A copy to answer with whose weights take fewer bytes, or null where there is no such thing: a
  // map without a code. Its answers differ by what rounding loses; each row's bits are still the
  // same in any batch. In kFloat16 a matrix beyond its range stays as it is.
  virtual std::unique_ptr<Autoencoder> Narrowed(WeightFormat /*format*/) const { return nullptr; }
  // Bytes of the weights in memory, as often as they are kept.
  virtual std::uint64_t weight_bytes() const = 0;
  // Adds everything that FromTensors (model_io.h) needs to make this model again.
  virtual void AddTensors(TensorFile& file) const = 0;
};

// Draws of the posteriors N(mean, diag(sigma^2)), as Forward gives them for Gaussian latents.
// Entry (r, c) is keyed by (seed, first_row + r, c). `draws` may be `mean`.
void DrawCodes(ConstMatrix mean, ConstMatrix sigma, std::uint64_t seed, std::uint64_t first_row,
               Matrix draws);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_AUTOENCODER_H_
