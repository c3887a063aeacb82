// The code is a function of the row of which all but the k greatest entries are 0 (Gao et al.,
// arXiv 2406.04093). Entries that nothing has woken for long are dead: the greatest of those are
// trained on the residual that the living ones leave.
#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/top_k.h"
#include "core/model/workspace.h"

LATENT_NUMERICS_BEGIN
namespace {

double SquareOf(Real x) { return static_cast<double>(x) * static_cast<double>(x); }

class TopKPass final : public LatentPass, public WeightTerm {
 public:
  TopKPass(PassContext* context, const NetworkLayer& code, const AlignedBuffer* input,
           const LayerPenalty& penalty)
      : context_(*context), spec_(context->spec.latent().top_k()), dim_(code.outputs) {
    context_.Attach(code_, code, input, 1);
    code_.penalty = penalty;
    const std::size_t batch = context_.max_batch;
    code_.inner.Resize(batch * dim_);
    kept_.resize(batch * dim_);
    idle_.resize(dim_);
    if (!charges_dead()) return;
    dead_.reserve(dim_);
    dead_codes_.Resize(batch * dim_);
    residual_.Resize(batch * context_.columns);
    context_.weight_terms.push_back(this);
  }

  std::vector<LayerPass*> layers() override { return {&code_}; }
  const AlignedBuffer* decoder_input() const override { return &code_.output; }
  std::size_t row_factor() const override { return 1; }
  bool has_kl() const override { return false; }
  bool charges_dead() const override { return spec_.dead_weight() > 0; }
  std::span<std::uint64_t> counters() override { return idle_; }

  void Begin() override {
    dead_.clear();
    if (!charges_dead()) return;
    for (std::uint32_t i = 0; i < dim_; ++i) {
      if (idle_[i] >= spec_.dead_after_rows()) dead_.push_back(i);
    }
  }

  void Forward(std::size_t first, std::size_t count) override {
    const Matrix inner = code_.View(code_.inner, context_.rows);
    const Matrix codes = code_.View(code_.output, context_.rows);
    const Matrix scratch = code_.View(code_.delta, context_.rows);
    RunAffine(*code_.layer, context_.parameters, context_.packed,
              code_.Input(context_.rows).slice_rows(first, count), inner.slice_rows(first, count),
              context_.ClassesOf(first, count, 1));
    for (std::size_t r = first; r < first + count; ++r) {
      std::copy(inner.row(r).begin(), inner.row(r).end(), codes.row(r).begin());
      KeepGreatest(spec_.k(), spec_.relu(), codes.row(r), scratch.row(r),
                   std::span(kept_).subspan(r * dim_, dim_));
    }
  }

  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    const Matrix delta = code_.View(code_.delta, context_.rows);
    const NtOptions options{.accumulate = context_.SeedPenalty(code_, first, count)};
    context_.BackwardData(decoder, first, options, delta.slice_rows(first, count));
    for (std::size_t r = first; r < first + count; ++r) {
      for (std::size_t i = 0; i < dim_; ++i) {
        if (kept_[r * dim_ + i] == 0) delta(r, i) = 0;
      }
    }
    if (dead_.empty()) return;
    decoder_ = decoder.layer;
    for (std::size_t r = first; r < first + count; ++r) ChargeDead(decoder, r);
  }

  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    context_.CarryBack(code_, top, first, count);
  }

  // d W = z (gradient by what the dead entries explain), row by row.
  void AddGradient(std::size_t segment, std::size_t first, Matrix dw) const override {
    if (dead_.empty() || segment != decoder_->weight) return;
    for (std::size_t r = 0; r < context_.rows; ++r) {
      const Real* const z = dead_codes_.data() + r * dim_;
      const Real* const g = residual_.data() + r * context_.columns;
      for (const std::uint32_t d : dead_) {
        if (z[d] == 0) continue;
        if (decoder_->transposed) {
          for (std::size_t i = 0; i < dw.rows; ++i) dw(i, d) += z[d] * g[first + i];
        } else if (d >= first && d < first + dw.rows) {
          for (std::size_t c = 0; c < dw.columns; ++c) dw(d - first, c) += z[d] * g[c];
        }
      }
    }
  }

  void EndBatch(ParameterSet& /*parameters*/) override {
    for (std::uint64_t& rows : idle_) rows += context_.rows;
    const ConstMatrix codes = code_.View(code_.output, context_.rows);
    for (std::size_t i = 0; i < dim_; ++i) {
      // The last row that it was active in tells how many have passed since.
      for (std::size_t r = context_.rows; r-- > 0;) {
        if (codes(r, i) == 0) continue;
        idle_[i] = context_.rows - 1 - r;
        break;
      }
    }
  }

 private:
  // e = target - output, whose gradient the decoder holds. The dead entries of the greatest values
  // (Select) explain e' = z W of it; |e - e'|^2 / |e|^2 is charged, e counting as a constant.
  void ChargeDead(const LayerPass& decoder, std::size_t r) {
    const std::size_t columns = context_.columns;
    const double variance = context_.spec.likelihood().gaussian().variance();
    const auto rows = static_cast<double>(context_.rows);
    const std::span<const Real> delta = decoder.View(decoder.delta, context_.rows).row(r);
    const std::span<Real> z(dead_codes_.data() + r * dim_, dim_);
    Select(r, z);
    const std::span<Real> left(residual_.data() + r * columns, columns);
    double power = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      left[c] = static_cast<Real>(-rows * variance) * delta[c];
      power += SquareOf(left[c]);
    }
    // A row without a residual leaves nothing to learn.
    const double weight = power > 0 ? spec_.dead_weight() / power : 0;
    for (const std::uint32_t d : dead_) {
      if (z[d] == 0) continue;
      for (std::size_t c = 0; c < columns; ++c) left[c] -= z[d] * Weight(decoder, d, c);
    }
    double squares = 0;
    for (Real& cell : left) {
      squares += SquareOf(cell);
      cell *= static_cast<Real>(-2 * weight / rows);
    }
    context_.dead[r] = weight * squares;
    const std::span<Real> code_delta = code_.View(code_.delta, context_.rows).row(r);
    for (const std::uint32_t d : dead_) {
      if (z[d] == 0) continue;
      Real sum = 0;
      for (std::size_t c = 0; c < columns; ++c) sum += left[c] * Weight(decoder, d, c);
      code_delta[d] += sum;
    }
  }

  // The dead entries that take part in a row, at their places; 0 elsewhere. They need not be
  // positive: one that every row leaves negative could else never come back.
  void Select(std::size_t r, std::span<Real> z) {
    const std::span<Real> inner = code_.View(code_.inner, context_.rows).row(r);
    std::fill(z.begin(), z.end(), -std::numeric_limits<Real>::infinity());
    for (const std::uint32_t d : dead_) z[d] = inner[d];
    const std::size_t taken = std::min<std::size_t>(spec_.dead_k(), dead_.size());
    KeepGreatest(taken, false, z, inner);  // whose own values have had their use
  }

  Real Weight(const LayerPass& decoder, std::size_t entry, std::size_t column) const {
    const ConstMatrix w = context_.parameters.matrix(decoder.layer->weight);
    return decoder.layer->transposed ? w(column, entry) : w(entry, column);
  }

  PassContext& context_;
  const v1::TopKLatent& spec_;
  const std::size_t dim_;
  LayerPass code_;                   // `inner` before, `output` after the selection
  std::vector<std::uint8_t> kept_;   // [batch x dim]
  std::vector<std::uint64_t> idle_;  // rows since each entry was last active
  std::vector<std::uint32_t> dead_;  // of this batch
  AlignedBuffer dead_codes_;         // [batch x dim]
  AlignedBuffer residual_;           // [batch x columns], at last the gradient by e'
  const NetworkLayer* decoder_ = nullptr;
};

class TopKLatent final : public LatentPart {
 public:
  TopKLatent(const v1::ModelSpec& spec, LayerInput input, ParameterSet* parameters)
      : k_(spec.latent().top_k().k()),
        relu_(spec.latent().top_k().relu()),
        name_(absl::StrCat("top_k:", k_, relu_ ? ":relu" : "")),
        layers_{AddLayer("latent.code", input, spec.latent().dim(), Activation::kIdentity,
                         parameters)} {}

  std::string_view name() const override { return name_; }
  std::size_t dim() const override { return code().outputs; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return false; }
  std::span<const NetworkLayer> layers() const override { return layers_; }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    DrawWeights(code(), seed, parameters);
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& ws) const override {
    run(code(), hidden, codes);
    const std::span<Real> scratch = ws.buffers().variance.Span(codes.columns);
    for (std::size_t r = 0; r < codes.rows; ++r) KeepGreatest(k_, relu_, codes.row(r), scratch);
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<TopKPass>(context, code(), input, penalty);
  }
  std::size_t row_factor() const override { return 1; }
  std::uint64_t training_cells() const override {
    return CellsOf(code(), 1) + 3 * code().outputs + code().inputs;
  }

 private:
  const std::size_t k_;
  const bool relu_;
  const std::string name_;
  std::array<NetworkLayer, 1> layers_;
};

}  // namespace

std::unique_ptr<LatentPart> MakeTopKLatent(const v1::ModelSpec& spec, LayerInput input,
                                           ParameterSet* parameters) {
  return std::make_unique<TopKLatent>(spec, input, parameters);
}

LATENT_NUMERICS_END
