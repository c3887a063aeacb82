// Forward and backward over rows of a batch: what one thread does between two barriers.
#include <algorithm>
#include <span>

#include "core/model/latent.h"
#include "core/model/training_state.h"
#include "core/nn/activation.h"
#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN

void TrainingPass::State::PrepareRows(std::size_t first, std::size_t count) {
  const std::size_t columns = batch.rows.columns;
  const v1::Corruption& corruption = parts.spec.corruption();
  for (std::size_t r = first; r < first + count; ++r) {
    reconstruction[r] = kl[r] = charged[r] = l1[r] = l2[r] = 0;
    const std::uint64_t index = batch.indices[r];
    const std::span<Real> clean(target.data() + r * columns, columns);
    parts.scaling.Apply(batch.rows.row(index), clean);
    if (!corrupts) continue;
    const std::span<Real> row(noisy.data() + r * columns, columns);
    std::copy(clean.begin(), clean.end(), row.begin());
    // The output layer's deltas are written last: until then they serve as scratch.
    LayerPass& output = decoder.back();
    const std::span<Real> scratch = output.View(output.delta, rows).row(r * output.row_factor);
    const RandomKey key{
        .seed = noise_seed, .stream = static_cast<std::uint32_t>(batch.epoch), .sample = index};
    CorruptRow(corruption, parts.extremes, key, row, scratch);
  }
}

void TrainingPass::State::ForwardRows(std::size_t first, std::size_t count) {
  const auto run = [&](LayerPass& pass) {
    const std::size_t begin = first * pass.row_factor;
    const std::size_t n = count * pass.row_factor;
    RunLayer(*pass.layer, parts.parameters, parts.packed, pass.Input(rows).slice_rows(begin, n),
             pass.View(pass.output, rows).slice_rows(begin, n));
  };
  for (LayerPass& pass : encoder) run(pass);
  run(code);
  if (log_variance) {
    run(*log_variance);
    DrawLatent(first, count);
  }
  for (LayerPass& pass : decoder) run(pass);
}

void TrainingPass::State::DrawLatent(std::size_t first, std::size_t count) {
  const std::size_t dim = code.layer->outputs;
  for (std::size_t r = first; r < first + count; ++r) {
    const std::span<Real> lv = log_variance->View(log_variance->output, rows).row(r);
    const std::span<Real> s(sigma.data() + r * dim, dim);
    BoundLogVariance(lv);
    SigmaOf(lv, s);
    Exp(lv, {variance.data() + r * dim, dim});
    const std::span<const Real> mu = code.View(code.output, rows).row(r);
    // All draws of a row are one row of random numbers: entry draw * dim + i.
    const std::size_t n = objective.draws * dim;
    const std::span<Real> e(noise.data() + r * n, n);
    FillNormal({.seed = draw_seed,
                .stream = static_cast<std::uint32_t>(batch.epoch),
                .sample = batch.indices[r]},
               e);
    Real* const z = draws.data() + r * n;
    for (std::size_t i = 0; i < n; ++i) z[i] = mu[i % dim] + s[i % dim] * e[i];
  }
}

void TrainingPass::State::ChargeReconstruction(std::size_t first, std::size_t count) {
  const RowLikelihood likelihood = parts.likelihood();
  LayerPass& output = decoder.back();
  const std::size_t factor = output.row_factor;
  const std::size_t columns = output.layer->outputs;
  const auto scale = static_cast<Real>(1.0 / static_cast<double>(rows * factor));
  for (std::size_t r = first; r < first + count; ++r) {
    const std::span<const Real> clean(target.data() + r * columns, columns);
    double sum = 0;
    for (std::size_t d = r * factor; d < (r + 1) * factor; ++d) {
      sum += likelihood.Nats(output.View(output.output, rows).row(d), clean, scale,
                             output.View(output.delta, rows).row(d));
    }
    reconstruction[r] = sum / static_cast<double>(factor);
  }
}

bool TrainingPass::State::SeedPenalty(LayerPass& pass, std::size_t first, std::size_t count) {
  if (!pass.penalty.active()) return false;
  const auto factor = static_cast<double>(pass.row_factor);
  const auto scale = static_cast<Real>(1.0 / (static_cast<double>(rows) * factor));
  for (std::size_t d = first * pass.row_factor; d < (first + count) * pass.row_factor; ++d) {
    const PenaltySums sums = ChargeActivity(pass.penalty, pass.View(pass.output, rows).row(d),
                                            scale, pass.View(pass.delta, rows).row(d));
    l1[d / pass.row_factor] += sums.l1 / factor;
    l2[d / pass.row_factor] += sums.l2 / factor;
  }
  return true;
}

const PackedMatrix& TrainingPass::State::BackwardWeights(const NetworkLayer& layer) const {
  const DensePacked& packed = parts.packed[layer.weight];
  return layer.transposed ? packed.forward : packed.backward;
}

void TrainingPass::State::Backward(const LayerPass& upper, LayerPass& lower, std::size_t first,
                                   std::size_t count) {
  const std::size_t begin = first * upper.row_factor;
  const std::size_t n = count * upper.row_factor;
  const NtOptions options{.accumulate = SeedPenalty(lower, first, count),
                          .activation = lower.layer->activation,
                          .outputs = lower.View(lower.output, rows).slice_rows(begin, n)};
  DenseBackwardData(upper.View(upper.delta, rows).slice_rows(begin, n),
                    BackwardWeights(*upper.layer), options,
                    lower.View(lower.delta, rows).slice_rows(begin, n));
}

void TrainingPass::State::BackwardDecoder(std::size_t first, std::size_t count) {
  for (std::size_t i = decoder.size() - 1; i > 0; --i) {
    Backward(decoder[i], decoder[i - 1], first, count);
  }
  LayerPass& bottom = decoder.front();
  if (!log_variance) {
    Backward(bottom, code, first, count);
    return;
  }
  const std::size_t begin = first * bottom.row_factor;
  const std::size_t n = count * bottom.row_factor;
  const Matrix dz(draw_delta.data(), rows * bottom.row_factor, bottom.layer->inputs);
  DenseBackwardData(bottom.View(bottom.delta, rows).slice_rows(begin, n),
                    BackwardWeights(*bottom.layer), {}, dz.slice_rows(begin, n));
}

// z = mu + sigma e, sigma = exp(lv / 2): dmu = sum dz, dlv = sum dz e sigma / 2, plus the KL's.
void TrainingPass::State::BackwardLatent(std::size_t first, std::size_t count) {
  if (!SeedPenalty(code, first, count)) {
    const Matrix slice = code.View(code.delta, rows).slice_rows(first, count);
    std::fill_n(slice.data, count * slice.columns, Real{0});
  }
  const std::size_t dim = code.layer->outputs;
  const std::size_t n = objective.draws * dim;
  const double beta = objective.charge_kl ? batch.beta : 0;
  const auto weight = static_cast<Real>(beta / static_cast<double>(rows));
  for (std::size_t r = first; r < first + count; ++r) {
    const std::span<Real> dmu = code.View(code.delta, rows).row(r);
    const std::span<Real> dlv = log_variance->View(log_variance->delta, rows).row(r);
    const std::span<const Real> lv = log_variance->View(log_variance->output, rows).row(r);
    const Real* const dz = draw_delta.data() + r * n;
    const Real* const e = noise.data() + r * n;
    const Real* const s = sigma.data() + r * dim;
    std::fill(dlv.begin(), dlv.end(), Real{0});
    for (std::size_t i = 0; i < n; ++i) {
      dmu[i % dim] += dz[i];
      dlv[i % dim] += dz[i] * e[i] * s[i % dim] / 2;
    }
    const KlCharge charge =
        ChargeKl(code.View(code.output, rows).row(r), lv, {variance.data() + r * dim, dim},
                 objective.free_bits, weight, dmu, dlv);
    kl[r] = charge.kl;
    charged[r] = beta == 0 ? 0 : beta * charge.charged;
    for (std::size_t i = 0; i < dim; ++i) dlv[i] *= BoundLogVarianceSlope(lv[i]);
  }
}

void TrainingPass::State::BackwardEncoder(std::size_t first, std::size_t count) {
  if (encoder.empty()) return;
  LayerPass& top = encoder.back();
  if (!log_variance) {
    Backward(code, top, first, count);
  } else {
    // Two heads read the top layer: their gradients add up before its derivative is applied.
    const Matrix delta = top.View(top.delta, rows).slice_rows(first, count);
    const NtOptions one{.accumulate = SeedPenalty(top, first, count)};
    DenseBackwardData(code.View(code.delta, rows).slice_rows(first, count),
                      BackwardWeights(*code.layer), one, delta);
    const NtOptions two{.accumulate = true,
                        .activation = top.layer->activation,
                        .outputs = top.View(top.output, rows).slice_rows(first, count)};
    DenseBackwardData(log_variance->View(log_variance->delta, rows).slice_rows(first, count),
                      BackwardWeights(*log_variance->layer), two, delta);
  }
  for (std::size_t i = encoder.size() - 1; i > 0; --i) {
    Backward(encoder[i], encoder[i - 1], first, count);
  }
}

void TrainingPass::State::PackRows(std::size_t first, std::size_t count) {
  for (LayerPass* pass : layers) {
    const std::size_t begin = first * pass->row_factor;
    const std::size_t n = count * pass->row_factor;
    const ConstMatrix whole =
        pass->layer->transposed ? pass->Input(rows) : pass->View(pass->delta, rows);
    pass->packed.PackRows(whole.slice_rows(begin, n), begin);
  }
}

LATENT_NUMERICS_END
