#include "core/model/gaussian_pass.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/random.h"
#include "core/nn/activation.h"
#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN

DrawTerms::DrawTerms(const v1::Objective& objective)
    : charge_kl(objective.has_elbo()),
      weighs(objective.has_iwae()),
      capacity(objective.elbo().capacity() > 0),
      draws(std::max<std::size_t>(1, weighs ? objective.iwae().draws() : objective.elbo().draws())),
      free_bits(objective.elbo().free_bits()) {}

GaussianHead& GaussianPass::AddHead(const NetworkLayer& mu, const NetworkLayer& log_variance,
                                    const AlignedBuffer* input, const LayerPenalty& penalty) {
  GaussianHead& head = heads_.emplace_back();
  head.dim = mu.outputs;
  head.offset = dim_;
  dim_ += head.dim;
  context_.Attach(head.mu, mu, input, 1);
  head.mu.penalty = penalty;
  context_.Attach(head.log_variance, log_variance, input, 1);
  const std::size_t cells = context_.max_batch * head.dim;
  for (AlignedBuffer* buffer : {&head.sigma, &head.variance}) buffer->Resize(cells);
  for (AlignedBuffer* buffer : {&head.draws, &head.draw_delta}) {
    buffer->Resize(cells * terms_.draws);
  }
  return head;
}

void GaussianPass::Allocate() {
  noise_.Resize(context_.max_batch * terms_.draws * dim_);
  if (terms_.weighs) {
    weights_.Resize(context_.max_batch * terms_.draws);
    log_weights_.resize(context_.max_batch * terms_.draws);
  }
  if (terms_.capacity) context_.coupled.push_back(this);
}

std::span<const Real> GaussianPass::LogVariance(const GaussianHead& head, std::size_t r) const {
  return head.log_variance.View(head.log_variance.output, context_.rows).row(r);
}

KlCharge GaussianPass::Charge(const GaussianHead& head, std::size_t r, Real weight,
                              std::span<Real> dmu, std::span<Real> dlv) const {
  return ChargeKl(head.mu.View(head.mu.output, context_.rows).row(r), LogVariance(head, r),
                  {head.variance.data() + r * head.dim, head.dim}, terms_.free_bits, weight, dmu,
                  dlv);
}

void GaussianPass::RunHead(GaussianHead& head, std::size_t first, std::size_t count) const {
  context_.Run(head.mu, first, count);
  context_.Run(head.log_variance, first, count);
}

void GaussianPass::Draw(std::size_t first, std::size_t count) {
  for (std::size_t r = first; r < first + count; ++r) {
    DrawRow(r);
    if (!terms_.capacity) continue;
    // What Couple looks at; replaced by the charge on the way back.
    for (const GaussianHead& head : heads_) {
      context_.charged[r] += Charge(head, r, 0, {}, {}).charged;
    }
  }
}

void GaussianPass::DrawRow(std::size_t r) {
  // All draws of a row are one row of random numbers: entry draw * dim + i.
  const std::size_t n = terms_.draws * dim_;
  FillNormal({.seed = context_.draw_seed,
              .stream = static_cast<std::uint32_t>(context_.batch.epoch),
              .sample = context_.batch.indices[r]},
             std::span(noise_.data() + r * n, n));
  for (GaussianHead& head : heads_) {
    const std::span<Real> lv =
        head.log_variance.View(head.log_variance.output, context_.rows).row(r);
    const std::span<Real> s(head.sigma.data() + r * head.dim, head.dim);
    BoundLogVariance(lv);
    SigmaOf(lv, s);
    Exp(lv, {head.variance.data() + r * head.dim, head.dim});
    const std::span<const Real> mu = head.mu.View(head.mu.output, context_.rows).row(r);
    for (std::size_t d = 0; d < terms_.draws; ++d) {
      const Real* const e = NoiseOf(head, r, d);
      Real* const z = head.draws.data() + (r * terms_.draws + d) * head.dim;
      for (std::size_t i = 0; i < head.dim; ++i) z[i] = mu[i] + s[i] * e[i];
    }
  }
}

// ln 2 pi cancels; the greatest weight is taken out before exp.
void GaussianPass::WeighDraws(std::size_t row, std::span<const double> nats,
                              std::span<Real> weights) {
  const std::span<double> log_weights(log_weights_.data() + row * terms_.draws, terms_.draws);
  double greatest = -std::numeric_limits<double>::infinity();
  for (std::size_t d = 0; d < terms_.draws; ++d) {
    double log_weight = -nats[d];
    for (const GaussianHead& head : heads_) {
      const std::span<const Real> lv = LogVariance(head, row);
      const Real* const z = head.draws.data() + (row * terms_.draws + d) * head.dim;
      const Real* const e = NoiseOf(head, row, d);
      for (std::size_t i = 0; i < head.dim; ++i) {
        const auto noise = static_cast<double>(e[i]), code = static_cast<double>(z[i]);
        log_weight += (noise * noise - code * code + static_cast<double>(lv[i])) / 2;
      }
    }
    log_weights[d] = log_weight;
    greatest = std::max(greatest, log_weight);
  }
  double sum = 0;
  for (const double w : log_weights) sum += std::exp(w - greatest);
  double reconstruction = 0;
  for (std::size_t d = 0; d < terms_.draws; ++d) {
    weights[d] = static_cast<Real>(std::exp(log_weights[d] - greatest) / sum);
    weights_.data()[row * terms_.draws + d] = weights[d];
    reconstruction += static_cast<double>(weights[d]) * nats[d];
  }
  const double bound = greatest + std::log(sum / static_cast<double>(terms_.draws));
  context_.charged[row] = -bound - reconstruction;
}

// Which side of the capacity the batch's KL is on.
void GaussianPass::Couple(std::size_t thread, std::size_t /*threads*/) {
  if (thread != 0) return;
  double sum = 0;
  for (std::size_t r = 0; r < context_.rows; ++r) sum += context_.charged[r];
  const double excess = sum / static_cast<double>(context_.rows) - context_.batch.capacity;
  side_ = excess > 0 ? 1 : excess < 0 ? -1 : 0;
}

void GaussianPass::BackwardHeads(std::size_t first, std::size_t count) {
  for (GaussianHead& head : heads_) {
    if (context_.SeedPenalty(head.mu, first, count)) continue;
    const Matrix slice = head.mu.View(head.mu.delta, context_.rows).slice_rows(first, count);
    std::fill_n(slice.data, count * slice.columns, Real{0});
  }
  for (std::size_t r = first; r < first + count; ++r) BackwardRow(r);
}

// z = mu + sigma e, sigma = exp(lv / 2): dmu = sum dz, dlv = sum dz e sigma / 2, plus the KL's.
void GaussianPass::BackwardRow(std::size_t r) {
  const double side = terms_.capacity ? side_ : 1;
  const double beta = terms_.charge_kl ? side * context_.batch.beta : 0;
  const auto weight = static_cast<Real>(beta / static_cast<double>(context_.rows));
  KlCharge charge;
  for (GaussianHead& head : heads_) {
    const std::span<Real> dmu = head.mu.View(head.mu.delta, context_.rows).row(r);
    const std::span<Real> dlv =
        head.log_variance.View(head.log_variance.delta, context_.rows).row(r);
    const std::span<const Real> lv = LogVariance(head, r);
    const std::size_t n = terms_.draws * head.dim;
    const std::span<Real> dz(head.draw_delta.data() + r * n, n);
    const Real* const s = head.sigma.data() + r * head.dim;
    std::fill(dlv.begin(), dlv.end(), Real{0});
    if (terms_.weighs) AddDensities(head, r, dz, dlv);
    for (std::size_t d = 0; d < terms_.draws; ++d) {
      const Real* const e = NoiseOf(head, r, d);
      for (std::size_t i = 0; i < head.dim; ++i) {
        const Real slope = dz[d * head.dim + i];
        dmu[i] += slope;
        dlv[i] += slope * e[i] * s[i] / 2;
      }
    }
    const KlCharge own = Charge(head, r, weight, dmu, dlv);
    charge.kl += own.kl;
    charge.charged += own.charged;
    for (std::size_t i = 0; i < head.dim; ++i) dlv[i] *= BoundLogVarianceSlope(lv[i]);
  }
  context_.kl[r] = charge.kl;
  if (terms_.weighs) return;
  const double base = terms_.capacity ? context_.batch.capacity : 0;
  context_.charged[r] = beta == 0 ? 0 : beta * (charge.charged - base);
}

// The gradient of log q(z|x) - log p(z): of each draw its weight times z, and of ln sigma -1.
void GaussianPass::AddDensities(GaussianHead& head, std::size_t r, std::span<Real> dz,
                                std::span<Real> dlv) const {
  const auto scale = static_cast<Real>(1.0 / static_cast<double>(context_.rows));
  const Real* const z = head.draws.data() + r * dz.size();
  const Real* const weights = weights_.data() + r * terms_.draws;
  for (std::size_t i = 0; i < dz.size(); ++i) dz[i] += scale * weights[i / head.dim] * z[i];
  for (Real& d : dlv) d -= scale / 2;
}

void GaussianPass::JoinBack(std::span<const LayerPass* const> upper, LayerPass& lower,
                            std::size_t first, std::size_t count) {
  // Gradients add up before the layer's derivative is applied.
  const std::size_t rows = context_.rows;
  const Matrix delta = lower.View(lower.delta, rows).slice_rows(first, count);
  bool accumulate = context_.SeedPenalty(lower, first, count);
  for (std::size_t i = 0; i < upper.size(); ++i) {
    NtOptions options{.accumulate = accumulate};
    if (i + 1 == upper.size()) {
      options.activation = lower.layer->activation;
      options.outputs = lower.SlopeValues(rows).slice_rows(first, count);
    }
    DenseBackwardData(upper[i]->View(upper[i]->delta, rows).slice_rows(first, count),
                      context_.BackwardWeights(*upper[i]->layer), options, delta);
    accumulate = true;
  }
}

LATENT_NUMERICS_END
