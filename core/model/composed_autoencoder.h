// The autoencoder that a spec describes: scaling -> encoder -> latent -> decoder -> likelihood,
// each part chosen from the spec's oneofs. Const calls from any number of threads, each with its
// own Workspace; whoever trains owns it alone and is the only writer. Not its job: gradients
// (training_pass.h), files (model_io.h).
#ifndef LATENT_CORE_MODEL_COMPOSED_AUTOENCODER_H_
#define LATENT_CORE_MODEL_COMPOSED_AUTOENCODER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "core/model/autoencoder.h"
#include "core/model/column_statistics.h"
#include "core/model/parameters.h"

LATENT_NUMERICS_BEGIN

class TrainingPass;

// What a model is for. One that serves holds its weights packed alone, as calls read them: it can
// be neither trained nor changed, and parameters() has no numbers for them.
enum class ModelUse { kTraining, kServing };

class ComposedAutoencoder final : public Autoencoder {
 public:
  // Parts by a spec that CheckArchitecture (network.h) accepts, scaling fitted to the rows that
  // `statistics` describe. Weights are 0 until Initialise or whoever writes parameters().
  ComposedAutoencoder(const v1::ModelSpec& spec, const ColumnStatistics& statistics,
                      ModelUse use = ModelUse::kTraining);
  ~ComposedAutoencoder() override;

  std::size_t columns() const override;
  std::size_t latent_dim() const override;
  bool variational() const override;
  std::optional<Codebook> codebook() const override;
  const v1::ModelSpec& spec() const override;
  bool takes_missing() const override;
  std::string LatentSpaceId() const override;
  void Forward(const LabelledRows& rows, const ForwardOutputs& outputs,
               Workspace& ws) const override;
  void Decode(const LabelledRows& codes, Matrix rows, Workspace& ws) const override;
  void ReconstructionNats(const LabelledRows& rows, ConstMatrix codes, std::span<double> nats,
                          Workspace& ws) const override;
  absl::Status CheckTargets(ConstMatrix rows, std::size_t first_row) const override;
  void DrawCells(Matrix rows, std::uint64_t seed, std::uint64_t first_row) const override;
  absl::Status Corrupt(ConstMatrix rows, const v1::Corruption& corruption, std::uint64_t seed,
                       Matrix noisy) const override;
  std::span<const Real> column_means() const override;
  void ScaleRows(ConstMatrix rows, Matrix scaled) const override;
  std::unique_ptr<Autoencoder> Narrowed(WeightFormat format) const override;
  std::uint64_t weight_bytes() const override;
  void AddTensors(TensorFile& file) const override;

  // First parameters. Weights: He before ReLU and its
  // kin, else Glorot uniform, a tenth of it for the
  // log-variance head, drawn by seed and weight number. Biases: 0, but for the output, which starts
  // at the training rows' mean (as a logit of the mean clipped to [0.001, 0.999] for Bernoulli
  // cells). A top-k encoder starts as
  // its decoder transposed. Constraints hold from the start.
  void Initialise(std::uint64_t seed);

  // Rounded to Real, as files keep them.
  const ColumnStatistics& statistics() const;
  ParameterSet& parameters();
  const ParameterSet& parameters() const;
  // Call after writing parameters, before the next const call. TrainingPass::RefreshPacked does it
  // for its model.
  void RefreshPacked();
  // Packs a segment that parameters() does not hold, from its transpose [columns x rows].
  void PackTransposed(std::size_t segment, ConstMatrix transposed);

  // Closed form: code = components (s - mean), reconstruction = componentsᵀ code + mean, where s is
  // the row in scaled units, components [latent_dim x columns]. FAILED_PRECONDITION unless the
  // model is deterministic, identity-activated and without hidden layers.
  absl::Status SetLinear(MatrixView<const double> components, std::span<const double> mean);

 private:
  friend class TrainingPass;
  struct Parts;
  void Judge(ConstMatrix rows, ConstMatrix target, Matrix parameters,
             const ForwardOutputs& outputs) const;
  ConstMatrix Scaled(ConstMatrix rows, Workspace& ws) const;
  // What the encoder reads: `scaled`, and something in place of what is missing.
  ConstMatrix Input(ConstMatrix rows, ConstMatrix scaled, Workspace& ws) const;
  // Rows in the likelihood's units.
  ConstMatrix Target(ConstMatrix rows, ConstMatrix scaled) const;

  std::unique_ptr<Parts> parts_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_COMPOSED_AUTOENCODER_H_
