// The code is a draw of N(mu(x), diag(exp(log_variance(x)))); two heads read the encoder.
#include <array>

#include "core/model/gaussian_pass.h"
#include "core/model/latent.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/workspace.h"
#include "core/nn/dense.h"
#include "core/nn/optimizer.h"

LATENT_NUMERICS_BEGIN
namespace {

class OneBlockPass final : public GaussianPass {
 public:
  OneBlockPass(PassContext* context, const DrawTerms& terms, const NetworkLayer& mu,
               const NetworkLayer& log_variance, const AlignedBuffer* input,
               const LayerPenalty& penalty)
      : GaussianPass(context, terms), head_(AddHead(mu, log_variance, input, penalty)) {
    Allocate();
  }

  std::vector<LayerPass*> layers() override { return {&head_.mu, &head_.log_variance}; }
  const AlignedBuffer* decoder_input() const override { return &head_.draws; }

  void Forward(std::size_t first, std::size_t count) override {
    RunHead(head_, first, count);
    Draw(first, count);
  }

  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    const std::size_t begin = first * terms_.draws;
    const std::size_t n = count * terms_.draws;
    const Matrix dz(head_.draw_delta.data(), context_.rows * terms_.draws, head_.dim);
    context_.BackwardData(decoder, begin, {}, dz.slice_rows(begin, n));
    BackwardHeads(first, count);
  }

  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    const std::array<const LayerPass*, 2> readers = {&head_.mu, &head_.log_variance};
    JoinBack(readers, top, first, count);
  }

 private:
  GaussianHead& head_;
};

class GaussianLatent final : public LatentPart {
 public:
  GaussianLatent(const v1::ModelSpec& spec, LayerInput input, ParameterSet* parameters)
      : terms_(spec.objective()),
        layers_{
            AddLayer("latent.mu", input, spec.latent().dim(), Activation::kIdentity, parameters),
            AddLayer("latent.log_variance", input, spec.latent().dim(), Activation::kIdentity,
                     parameters)} {}

  std::string_view name() const override { return "gaussian"; }
  std::size_t dim() const override { return code().outputs; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return true; }
  std::span<const NetworkLayer> layers() const override { return layers_; }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    DrawWeights(code(), seed, parameters);
    DrawLogVarianceWeights(log_variance(), seed, parameters);
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& /*ws*/) const override {
    run(code(), hidden, codes);
  }

  void Posterior(const LayerRunner& run, ConstMatrix hidden, ConstMatrix codes,
                 const ForwardOutputs& outputs, Workspace& ws) const override {
    const Matrix lv = ws.buffers().log_variance.Shape(codes.rows, codes.columns);
    run(log_variance(), hidden, lv);
    JudgePosterior(codes, lv, outputs, ws);
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<OneBlockPass>(context, terms_, code(), log_variance(), input, penalty);
  }
  std::size_t row_factor() const override { return terms_.draws; }
  std::uint64_t training_cells() const override {
    return CellsOf(code(), 1) + CellsOf(log_variance(), 1 + terms_.draws);
  }

 private:
  const NetworkLayer& log_variance() const { return layers_[1]; }

  DrawTerms terms_;
  std::array<NetworkLayer, 2> layers_;
};

}  // namespace

std::unique_ptr<LatentPart> MakeGaussianLatent(const v1::ModelSpec& spec, LayerInput input,
                                               ParameterSet* parameters) {
  return std::make_unique<GaussianLatent>(spec, input, parameters);
}

LATENT_NUMERICS_END
