// The code is a function of the row.
#include <array>
#include <optional>

#include "core/model/kl_sparsity.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/mmd.h"

LATENT_NUMERICS_BEGIN
namespace {

class DeterministicPass final : public LatentPass {
 public:
  DeterministicPass(PassContext* context, const NetworkLayer& code, const AlignedBuffer* input,
                    const LayerPenalty& penalty)
      : context_(*context) {
    context_.Attach(code_, code, input, 1);
    code_.penalty = penalty;
    if (context_.spec.objective().has_mmd()) {
      mmd_.emplace(context, &code_, context_.spec.objective().mmd().weight());
    }
    const v1::KlSparsityPenalty& sparsity = context_.spec.penalties().kl_sparsity();
    if (sparsity.weight() > 0) kl_sparsity_.emplace(context, &code_, sparsity);
  }

  std::vector<LayerPass*> layers() override { return {&code_}; }
  const AlignedBuffer* decoder_input() const override { return &code_.output; }
  std::size_t row_factor() const override { return 1; }
  bool has_kl() const override { return mmd_.has_value(); }
  std::string_view divergence() const override { return "mmd"; }

  void Forward(std::size_t first, std::size_t count) override {
    context_.Run(code_, first, count);
    if (mmd_) mmd_->Draw(first, count);
  }
  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    context_.CarryBack(decoder, code_, first, count);
  }
  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    context_.CarryBack(code_, top, first, count);
  }

 private:
  PassContext& context_;
  LayerPass code_;
  std::optional<Mmd> mmd_;
  std::optional<KlSparsity> kl_sparsity_;
};

class DeterministicLatent final : public LatentPart {
 public:
  DeterministicLatent(const v1::Latent& spec, LayerInput input, ParameterSet* parameters)
      : layers_{AddLayer("latent.code", input, spec.dim(),
                         ActivationOf(spec.deterministic().activation()), parameters)} {}

  std::string_view name() const override { return "deterministic"; }
  std::size_t dim() const override { return code().outputs; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return false; }
  std::span<const NetworkLayer> layers() const override { return layers_; }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    DrawWeights(code(), seed, parameters);
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& /*ws*/) const override {
    run(code(), hidden, codes);
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<DeterministicPass>(context, code(), input, penalty);
  }
  std::size_t row_factor() const override { return 1; }
  std::uint64_t training_cells() const override { return CellsOf(code(), 1); }

 private:
  std::array<NetworkLayer, 1> layers_;
};

}  // namespace

std::unique_ptr<LatentPart> MakeDeterministicLatent(const v1::ModelSpec& spec, LayerInput input,
                                                    ParameterSet* parameters) {
  return std::make_unique<DeterministicLatent>(spec.latent(), input, parameters);
}

LATENT_NUMERICS_END
