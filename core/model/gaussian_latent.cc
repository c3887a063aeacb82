// The code is a draw of N(mu(x), diag(exp(log_variance(x)))); two heads read the encoder.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/model/latent.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"
#include "core/model/workspace.h"
#include "core/nn/activation.h"
#include "core/nn/optimizer.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr Real kLogVarianceGain = static_cast<Real>(0.1);

// What the objective asks for.
struct DrawTerms {
  explicit DrawTerms(const v1::Objective& objective)
      : charge_kl(objective.has_elbo()),
        weighs(objective.has_iwae()),
        capacity(objective.elbo().capacity() > 0),
        draws(
            std::max<std::size_t>(1, weighs ? objective.iwae().draws() : objective.elbo().draws())),
        free_bits(objective.elbo().free_bits()) {}
  bool charge_kl;  // false where no KL term is charged in closed form
  bool weighs;     // importance-weighted: draws count by p(x, z) / q(z|x)
  bool capacity;   // the batch's KL is drawn to a target
  std::size_t draws;
  double free_bits;
};

class GaussianPass final : public LatentPass, private RowCoupled {
 public:
  GaussianPass(PassContext* context, const DrawTerms& terms, const NetworkLayer& mu,
               const NetworkLayer& log_variance, const AlignedBuffer* input,
               const LayerPenalty& penalty)
      : context_(*context), terms_(terms), dim_(mu.outputs) {
    context_.Attach(mu_, mu, input, 1);
    mu_.penalty = penalty;
    context_.Attach(log_variance_, log_variance, input, 1);
    const std::size_t cells = context_.max_batch * dim_;
    for (AlignedBuffer* buffer : {&sigma_, &variance_}) buffer->Resize(cells);
    for (AlignedBuffer* buffer : {&noise_, &draws_, &draw_delta_}) {
      buffer->Resize(cells * terms_.draws);
    }
    if (terms_.weighs) {
      weights_.Resize(context_.max_batch * terms_.draws);
      log_weights_.resize(context_.max_batch * terms_.draws);
    }
    if (terms_.capacity) context_.coupled.push_back(this);
  }

  std::vector<LayerPass*> layers() override { return {&mu_, &log_variance_}; }
  const AlignedBuffer* decoder_input() const override { return &draws_; }
  std::size_t row_factor() const override { return terms_.draws; }
  bool has_kl() const override { return true; }
  bool weighs_draws() const override { return terms_.weighs; }

  void Forward(std::size_t first, std::size_t count) override {
    context_.Run(mu_, first, count);
    context_.Run(log_variance_, first, count);
    for (std::size_t r = first; r < first + count; ++r) {
      DrawRow(r);
      // What Couple looks at; replaced by the charge on the way back.
      if (terms_.capacity) context_.charged[r] = Charge(r, 0, {}, {}).charged;
    }
  }

  // log w = -nats + log p(z) - log q(z|x), of which ln 2 pi cancels; normalised by the greatest.
  void WeighDraws(std::size_t row, std::span<const double> nats, std::span<Real> weights) override {
    const std::span<const Real> lv = LogVariance(row);
    double log_sigma = 0;
    for (const Real v : lv) log_sigma += static_cast<double>(v) / 2;
    double greatest = -std::numeric_limits<double>::infinity();
    const std::span<double> log_weights(log_weights_.data() + row * terms_.draws, terms_.draws);
    for (std::size_t d = 0; d < terms_.draws; ++d) {
      const Real* const z = draws_.data() + (row * terms_.draws + d) * dim_;
      const Real* const e = noise_.data() + (row * terms_.draws + d) * dim_;
      double squares = 0;
      for (std::size_t i = 0; i < dim_; ++i) {
        squares += static_cast<double>(e[i]) * static_cast<double>(e[i]) -
                   static_cast<double>(z[i]) * static_cast<double>(z[i]);
      }
      log_weights[d] = squares / 2 + log_sigma - nats[d];
      greatest = std::max(greatest, log_weights[d]);
    }
    double sum = 0;
    for (const double w : log_weights) sum += std::exp(w - greatest);
    double reconstruction = 0;
    for (std::size_t d = 0; d < terms_.draws; ++d) {
      const double weight = std::exp(log_weights[d] - greatest) / sum;
      weights[d] = static_cast<Real>(weight);
      weights_.data()[row * terms_.draws + d] = weights[d];
      reconstruction += static_cast<double>(weights[d]) * nats[d];
    }
    const double bound = greatest + std::log(sum / static_cast<double>(terms_.draws));
    context_.charged[row] = -bound - reconstruction;
  }

  // The sign of what the batch's KL is beyond the capacity.
  void Couple(std::size_t thread, std::size_t /*threads*/) override {
    if (thread != 0) return;
    double sum = 0;
    for (std::size_t r = 0; r < context_.rows; ++r) sum += context_.charged[r];
    const double excess = sum / static_cast<double>(context_.rows) - context_.batch.capacity;
    side_ = excess > 0 ? 1 : excess < 0 ? -1 : 0;
  }

  void Backward(const LayerPass& decoder, std::size_t first, std::size_t count) override {
    const std::size_t begin = first * terms_.draws;
    const std::size_t n = count * terms_.draws;
    const Matrix dz(draw_delta_.data(), context_.rows * terms_.draws, dim_);
    DenseBackwardData(decoder.View(decoder.delta, context_.rows).slice_rows(begin, n),
                      context_.BackwardWeights(*decoder.layer), {}, dz.slice_rows(begin, n));
    if (!context_.SeedPenalty(mu_, first, count)) {
      const Matrix slice = mu_.View(mu_.delta, context_.rows).slice_rows(first, count);
      std::fill_n(slice.data, count * slice.columns, Real{0});
    }
    for (std::size_t r = first; r < first + count; ++r) BackwardRow(r);
  }

  void BackwardEncoder(LayerPass& top, std::size_t first, std::size_t count) override {
    // Two heads read the top layer: their gradients add up before its derivative is applied.
    const std::size_t rows = context_.rows;
    const Matrix delta = top.View(top.delta, rows).slice_rows(first, count);
    const NtOptions one{.accumulate = context_.SeedPenalty(top, first, count)};
    DenseBackwardData(mu_.View(mu_.delta, rows).slice_rows(first, count),
                      context_.BackwardWeights(*mu_.layer), one, delta);
    const NtOptions two{.accumulate = true,
                        .activation = top.layer->activation,
                        .outputs = top.View(top.output, rows).slice_rows(first, count)};
    DenseBackwardData(log_variance_.View(log_variance_.delta, rows).slice_rows(first, count),
                      context_.BackwardWeights(*log_variance_.layer), two, delta);
  }

 private:
  std::span<const Real> LogVariance(std::size_t r) const {
    return log_variance_.View(log_variance_.output, context_.rows).row(r);
  }
  KlCharge Charge(std::size_t r, Real weight, std::span<Real> dmu, std::span<Real> dlv) const {
    return ChargeKl(mu_.View(mu_.output, context_.rows).row(r), LogVariance(r),
                    {variance_.data() + r * dim_, dim_}, terms_.free_bits, weight, dmu, dlv);
  }

  void DrawRow(std::size_t r) {
    const std::span<Real> lv = log_variance_.View(log_variance_.output, context_.rows).row(r);
    const std::span<Real> s(sigma_.data() + r * dim_, dim_);
    BoundLogVariance(lv);
    SigmaOf(lv, s);
    Exp(lv, {variance_.data() + r * dim_, dim_});
    const std::span<const Real> mu = mu_.View(mu_.output, context_.rows).row(r);
    // All draws of a row are one row of random numbers: entry draw * dim + i.
    const std::size_t n = terms_.draws * dim_;
    const std::span<Real> e(noise_.data() + r * n, n);
    FillNormal({.seed = context_.draw_seed,
                .stream = static_cast<std::uint32_t>(context_.batch.epoch),
                .sample = context_.batch.indices[r]},
               e);
    Real* const z = draws_.data() + r * n;
    for (std::size_t i = 0; i < n; ++i) z[i] = mu[i % dim_] + s[i % dim_] * e[i];
  }

  // z = mu + sigma e, sigma = exp(lv / 2): dmu = sum dz, dlv = sum dz e sigma / 2, plus the KL's.
  void BackwardRow(std::size_t r) {
    const std::size_t n = terms_.draws * dim_;
    const double side = terms_.capacity ? side_ : 1;
    const double beta = terms_.charge_kl ? side * context_.batch.beta : 0;
    const auto weight = static_cast<Real>(beta / static_cast<double>(context_.rows));
    const std::span<Real> dmu = mu_.View(mu_.delta, context_.rows).row(r);
    const std::span<Real> dlv = log_variance_.View(log_variance_.delta, context_.rows).row(r);
    const std::span<const Real> lv = LogVariance(r);
    std::fill(dlv.begin(), dlv.end(), Real{0});
    Real* const dz = draw_delta_.data() + r * n;
    if (terms_.weighs) AddDensities(r, {dz, n}, dlv);
    const Real* const e = noise_.data() + r * n;
    const Real* const s = sigma_.data() + r * dim_;
    for (std::size_t i = 0; i < n; ++i) {
      dmu[i % dim_] += dz[i];
      dlv[i % dim_] += dz[i] * e[i] * s[i % dim_] / 2;
    }
    const KlCharge charge = Charge(r, weight, dmu, dlv);
    context_.kl[r] = charge.kl;
    if (!terms_.weighs) {
      const double base = terms_.capacity ? context_.batch.capacity : 0;
      context_.charged[r] = beta == 0 ? 0 : beta * (charge.charged - base);
    }
    for (std::size_t i = 0; i < dim_; ++i) dlv[i] *= BoundLogVarianceSlope(lv[i]);
  }

  // The gradient of log q(z|x) - log p(z): of each draw its weight times z, and of ln sigma -1.
  void AddDensities(std::size_t r, std::span<Real> dz, std::span<Real> dlv) const {
    const auto scale = static_cast<Real>(1.0 / static_cast<double>(context_.rows));
    const Real* const z = draws_.data() + r * dz.size();
    const Real* const weights = weights_.data() + r * terms_.draws;
    for (std::size_t i = 0; i < dz.size(); ++i) dz[i] += scale * weights[i / dim_] * z[i];
    for (Real& d : dlv) d -= scale / 2;
  }

  PassContext& context_;
  const DrawTerms terms_;
  const std::size_t dim_;
  LayerPass mu_, log_variance_;
  AlignedBuffer sigma_, variance_;            // [batch x dim]
  AlignedBuffer noise_, draws_, draw_delta_;  // [batch * draws x dim]
  AlignedBuffer weights_;                     // [batch x draws], where draws are weighed
  std::vector<double> log_weights_;           // likewise
  double side_ = 0;                           // of the capacity: 1 above, -1 below
};

class GaussianLatent final : public LatentPart {
 public:
  GaussianLatent(const v1::ModelSpec& spec, std::size_t width, ParameterSet* parameters)
      : terms_(spec.objective()),
        layers_{
            AddLayer("latent.mu", width, spec.latent().dim(), Activation::kIdentity, parameters),
            AddLayer("latent.log_variance", width, spec.latent().dim(), Activation::kIdentity,
                     parameters)} {}

  std::string_view name() const override { return "gaussian"; }
  std::size_t dim() const override { return code().outputs; }
  std::size_t decoder_inputs() const override { return code().outputs; }
  bool variational() const override { return true; }
  std::span<const NetworkLayer> layers() const override { return layers_; }

  void Initialise(std::uint64_t seed, ParameterSet& parameters) const override {
    DrawWeights(code(), seed, parameters);
    DrawWeights(log_variance(), seed, parameters);
    Scale(kLogVarianceGain, parameters.span(log_variance().weight));
  }

  void Encode(const LayerRunner& run, ConstMatrix hidden, Matrix codes,
              Workspace& /*ws*/) const override {
    run(code(), hidden, codes);
  }

  void Posterior(const LayerRunner& run, ConstMatrix hidden, ConstMatrix codes,
                 const ForwardOutputs& outputs, Workspace& ws) const override {
    const Matrix lv = ws.buffers().log_variance.Shape(codes.rows, codes.columns);
    run(log_variance(), hidden, lv);
    const std::span<Real> variance = ws.buffers().variance.Span(codes.columns);
    for (std::size_t r = 0; r < codes.rows; ++r) {
      BoundLogVariance(lv.row(r));
      if (outputs.sigma.data != nullptr) SigmaOf(lv.row(r), outputs.sigma.row(r));
      if (outputs.kl.empty() && outputs.score.empty()) continue;
      Exp(lv.row(r), variance);
      const double kl = ChargeKl(codes.row(r), lv.row(r), variance, 0, 0, {}, {}).kl;
      if (!outputs.kl.empty()) outputs.kl[r] = kl;
      if (!outputs.score.empty()) outputs.score[r] += kl;
    }
  }

  std::unique_ptr<LatentPass> MakePass(PassContext* context, const AlignedBuffer* input,
                                       const LayerPenalty& penalty) const override {
    return std::make_unique<GaussianPass>(context, terms_, code(), log_variance(), input, penalty);
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

std::unique_ptr<LatentPart> MakeGaussianLatent(const v1::ModelSpec& spec, std::size_t width,
                                               ParameterSet* parameters) {
  return std::make_unique<GaussianLatent>(spec, width, parameters);
}

LATENT_NUMERICS_END
