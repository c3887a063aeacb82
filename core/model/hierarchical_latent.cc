// Several layers of Gaussian codes e_l ~ N(0, I) (arXiv 1401.4082, non-centred): h_top = G_top
// e_top, h_l = T_l(h_(l+1)) + G_l e_l, and the decoder reads h_1. Level 0 is the one nearest the
// row.
#include <algorithm>
#include <array>
#include <deque>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/gaussian_pass.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/workspace.h"
#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN
namespace {

// Where each level's layers stand in one list: those that make the code first.
class Places {
 public:
  explicit Places(std::size_t levels) : levels_(levels) {}

  std::size_t levels() const { return levels_; }
  std::size_t mu(std::size_t level) const { return level == 0 ? 0 : 3 * level; }
  std::size_t log_variance(std::size_t level) const { return mu(level) + 1; }
  // The hidden layer below a level's heads; not of level 0, which reads the encoder.
  std::size_t up(std::size_t level) const { return 3 * level - 1; }
  std::size_t encoding() const { return 3 * levels_ - 1; }
  // G of a level.
  std::size_t gain(std::size_t level) const { return encoding() + 3 * (levels_ - 1 - level); }
  // The hidden and the linear layer of T, which read the level above; not of the top level.
  std::size_t down(std::size_t level) const { return gain(level) - 2; }
  std::size_t mix(std::size_t level) const { return gain(level) - 1; }

 private:
  std::size_t levels_;
};

class HierarchicalPass final : public GaussianPass {
 public:
  HierarchicalPass(PassContext* context, const DrawTerms& terms,
                   std::span<const NetworkLayer> layers, std::size_t levels,
                   const AlignedBuffer* input, const LayerPenalty& penalty)
      : GaussianPass(context, terms),
        places_(levels),
        up_(levels),
        down_(levels),
        mix_(levels),
        gain_(levels) {
    for (std::size_t l = 0; l < levels; ++l) {
      if (l > 0) {
        context_.Attach(up_[l], layers[places_.up(l)], input, 1);
        input = &up_[l].output;
      }
      AddHead(layers[places_.mu(l)], layers[places_.log_variance(l)], input, penalty);
    }
    for (std::size_t l = levels; l-- > 0;) {
      context_.Attach(gain_[l], layers[places_.gain(l)], &heads_[l].draws, terms_.draws);
      if (l + 1 == levels) continue;
      context_.Attach(down_[l], layers[places_.down(l)], &StateAt(l + 1).output, terms_.draws);
      context_.Attach(mix_[l], layers[places_.mix(l)], &down_[l].output, terms_.draws);
    }
    Allocate();
  }

  std::vector<LayerPass*> layers() override {
    std::vector<LayerPass*> all;
    for (std::size_t l = 0; l < places_.levels(); ++l) {
      if (l > 0) all.push_back(&up_[l]);
      all.insert(all.end(), {&heads_[l].mu, &heads_[l].log_variance});
    }
    for (std::size_t l = places_.levels(); l-- > 0;) {
      if (l + 1 < places_.levels()) all.insert(all.end(), {&down_[l], &mix_[l]});
      all.push_back(&gain_[l]);
    }
    return all;
  }
  const AlignedBuffer* decoder_input() const override { return &mix_[0].output; }

  void Forward(std::size_t first, std::size_t count) override {
    for (std::size_t l = 0; l < places_.levels(); ++l) {
      if (l > 0) context_.Run(up_[l], first, count);
      RunHead(heads_[l], first, count);
    }
    Draw(first, count);
    for (std::size_t l = places_.levels(); l-- > 0;) {
      context_.Run(gain_[l], first, count);
      if (l + 1 == places_.levels()) continue;
      context_.Run(down_[l], first, count);
      context_.Run(mix_[l], first, count);
      const std::span<Real> h = Cells(mix_[l], mix_[l].output, first, count);
      const std::span<const Real> g = Cells(gain_[l], gain_[l].output, first, count);
      for (std::size_t i = 0; i < h.size(); ++i) h[i] += g[i];
    }
  }

  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    context_.CarryBack(decoder, mix_[0], first, count);
    for (std::size_t l = 0; l < places_.levels(); ++l) {
      if (l + 1 < places_.levels()) {
        // h = mix + gain: both get its gradient.
        const std::span<const Real> dh = Cells(mix_[l], mix_[l].delta, first, count);
        std::copy(dh.begin(), dh.end(), Cells(gain_[l], gain_[l].delta, first, count).begin());
        context_.CarryBack(mix_[l], down_[l], first, count);
        context_.CarryBack(down_[l], StateAt(l + 1), first, count);
      }
      DenseBackwardData(Slice(gain_[l], gain_[l].delta, first, count),
                        context_.BackwardWeights(*gain_[l].layer), {},
                        Slice(gain_[l], heads_[l].draw_delta, first, count));
    }
    BackwardHeads(first, count);
    for (std::size_t l = places_.levels() - 1; l > 0; --l) JoinAt(l, up_[l], first, count);
  }

  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    JoinAt(0, top, first, count);
  }

 private:
  // The layer whose output is a level's h.
  LayerPass& StateAt(std::size_t level) {
    return level + 1 == places_.levels() ? gain_[level] : mix_[level];
  }
  // What reads the input of a level's heads: those heads and the next level's hidden layer.
  void JoinAt(std::size_t level, LayerPass& lower, std::size_t first, std::size_t count) {
    std::array<const LayerPass*, 3> readers = {&heads_[level].mu, &heads_[level].log_variance};
    const bool top = level + 1 == places_.levels();
    if (!top) readers[2] = &up_[level + 1];
    JoinBack(std::span(readers).first(top ? 2 : 3), lower, first, count);
  }
  Matrix Slice(const LayerPass& pass, const AlignedBuffer& buffer, std::size_t first,
               std::size_t count) const {
    return pass.View(buffer, context_.rows).slice_rows(first * terms_.draws, count * terms_.draws);
  }
  std::span<Real> Cells(const LayerPass& pass, const AlignedBuffer& buffer, std::size_t first,
                        std::size_t count) const {
    const Matrix slice = Slice(pass, buffer, first, count);
    return {slice.data, slice.rows * slice.columns};
  }

  Places places_;
  std::deque<LayerPass> up_, down_, mix_, gain_;  // by level
};

class HierarchicalLatent final : public LatentPart {
 public:
  HierarchicalLatent(const v1::ModelSpec& spec, LayerInput input, ParameterSet* parameters)
      : terms_(spec.objective()),
        places_(static_cast<std::size_t>(spec.latent().hierarchical().layers_size())) {
    const v1::HierarchicalLatent& latent = spec.latent().hierarchical();
    const Activation activation = ActivationOf(latent.activation());
    const auto add = [&](std::size_t level, const char* name, LayerInput inputs,
                         std::size_t outputs, Activation function) {
      layers_.push_back(AddLayer(absl::StrCat("latent.", level, ".", name), inputs, outputs,
                                 function, parameters));
    };
    const auto entries = [&](std::size_t l) { return latent.layers(static_cast<int>(l)); };
    const auto hidden = [&](std::size_t l) { return latent.hidden_units(static_cast<int>(l)); };
    const std::size_t levels = places_.levels();
    for (std::size_t l = 0; l < levels; ++l) {
      if (l > 0) {
        add(l, "up", input, hidden(l - 1), activation);
        input = hidden(l - 1);
      }
      add(l, "mu", input, entries(l), Activation::kIdentity);
      add(l, "log_variance", input, entries(l), Activation::kIdentity);
      dim_ += entries(l);
    }
    for (std::size_t l = levels; l-- > 0;) {
      if (l + 1 < levels) {
        add(l, "down", entries(l + 1), hidden(l), activation);
        add(l, "mix", hidden(l), entries(l), Activation::kIdentity);
      }
      add(l, "gain", entries(l), entries(l), Activation::kIdentity);
    }
  }

  std::string_view name() const override { return "hierarchical"; }
  std::size_t dim() const override { return dim_; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return true; }
  std::span<const NetworkLayer> layers() const override { return layers_; }
  std::size_t encoding_layers() const override { return places_.encoding(); }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    for (const NetworkLayer& layer : layers_) DrawWeights(layer, seed, parameters);
    for (std::size_t l = 0; l < places_.levels(); ++l) {
      DrawLogVarianceWeights(layers_[places_.log_variance(l)], seed, parameters);
    }
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& ws) const override {
    RunHeads(run, hidden, &Places::mu, codes, ws);
  }

  void Posterior(const LayerRunner& run, ConstMatrix hidden, ConstMatrix codes,
                 const ForwardOutputs& outputs, Workspace& ws) const override {
    const Matrix lv = ws.buffers().log_variance.Shape(codes.rows, dim_);
    RunHeads(run, hidden, &Places::log_variance, lv, ws);
    JudgePosterior(codes, lv, outputs, ws);
  }

  ConstMatrix DecoderInput(const LayerRunner& run, ConstMatrix codes,
                           Workspace& ws) const override {
    auto& buffers = ws.buffers().latent;
    std::size_t end = dim_;
    Matrix h;
    for (std::size_t l = places_.levels(); l-- > 0;) {
      const NetworkLayer& gain = layers_[places_.gain(l)];
      end -= gain.inputs;
      const ConstMatrix e(codes.data + end, codes.rows, gain.inputs, codes.stride);
      const Matrix own = buffers[l % 2].Shape(codes.rows, gain.outputs);
      run(gain, e, own);
      if (l + 1 < places_.levels()) {
        const NetworkLayer& down = layers_[places_.down(l)];
        const Matrix t = buffers[2].Shape(codes.rows, down.outputs);
        run(down, h, t);
        const Matrix mixed = buffers[3].Shape(codes.rows, gain.outputs);
        run(layers_[places_.mix(l)], t, mixed);
        const std::size_t cells = codes.rows * gain.outputs;
        for (std::size_t i = 0; i < cells; ++i) own.data[i] += mixed.data[i];
      }
      h = own;
    }
    return h;
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<HierarchicalPass>(context, terms_, layers_, places_.levels(), input,
                                              penalty);
  }
  std::size_t row_factor() const override { return terms_.draws; }
  std::uint64_t training_cells() const override {
    std::uint64_t cells = 0;
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      cells += CellsOf(layers_[i], i < places_.encoding() ? 1 : terms_.draws);
    }
    return cells + 3 * dim_ * terms_.draws;  // noise, draws and their gradient
  }

 private:
  // Runs the hidden layers and one head of each level, side by side into `out`.
  void RunHeads(const LayerRunner& run, ConstMatrix hidden,
                std::size_t (Places::*head)(std::size_t) const, Matrix out, Workspace& ws) const {
    std::size_t offset = 0;
    for (std::size_t l = 0; l < places_.levels(); ++l) {
      if (l > 0) {
        const NetworkLayer& up = layers_[places_.up(l)];
        const Matrix y = ws.buffers().latent[l % 2].Shape(hidden.rows, up.outputs);
        run(up, hidden, y);
        hidden = y;
      }
      const NetworkLayer& layer = layers_[(places_.*head)(l)];
      run(layer, hidden, Matrix(out.data + offset, out.rows, layer.outputs, out.stride));
      offset += layer.outputs;
    }
  }

  DrawTerms terms_;
  Places places_;
  std::size_t dim_ = 0;
  std::vector<NetworkLayer> layers_;
};

}  // namespace

std::unique_ptr<LatentPart> MakeHierarchicalLatent(const v1::ModelSpec& spec, LayerInput input,
                                                   ParameterSet* parameters) {
  return std::make_unique<HierarchicalLatent>(spec, input, parameters);
}

LATENT_NUMERICS_END
