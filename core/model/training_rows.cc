// Forward and backward over rows of a batch: what one thread does between two barriers.
#include <algorithm>
#include <span>

#include "core/model/training_state.h"
#include "core/nn/optimizer.h"

LATENT_NUMERICS_BEGIN

void TrainingPass::State::Forward(std::size_t first, std::size_t count) {
  PrepareRows(first, count);
  ForwardRows(first, count);
  ChargeReconstruction(first, count);
}

void TrainingPass::State::Backward(std::size_t first, std::size_t count) {
  BackwardDecoder(first, count);
  BackwardEncoder(first, count);
  PackRows(first, count);
}

void TrainingPass::State::PrepareRows(std::size_t first, std::size_t count) {
  const v1::Corruption& corruption = parts.spec.corruption();
  for (std::size_t r = first; r < first + count; ++r) {
    reconstruction[r] = kl[r] = charged[r] = l1[r] = l2[r] = contractive[r] = dead[r] = 0;
    const std::uint64_t index = batch.indices[r];
    if (!classes.empty()) {
      parts.condition.ClassesOf(batch.rows.labels().From(index), std::span(&classes[r], 1));
    }
    if (sparse) {
      PrepareSparseRow(r);
      continue;
    }
    const std::span<Real> clean(target.data() + r * columns, columns);
    parts.scaling.ApplyToTarget(batch.rows.row(index, clean), clean);
    // The output layer's deltas are written last: until then they serve as scratch.
    LayerPass& output = decoder.back();
    const std::span<Real> scratch = output.View(output.delta, rows).row(r * output.row_factor);
    const auto epoch = static_cast<std::uint32_t>(batch.epoch);
    if (binarises) {
      FillUniform({.seed = cell_seed, .stream = epoch, .sample = index}, scratch);
      for (std::size_t c = 0; c < columns; ++c) clean[c] = scratch[c] < clean[c] ? 1 : 0;
    }
    if (!own_input) continue;
    const std::span<Real> row(noisy.data() + r * columns, columns);
    if (parts.likelihood->takes_missing()) {
      batch.rows.CopyRow(index, row);
      parts.FillMissing(row);
      parts.scaling.Apply(row, row);
    } else if (parts.scaling.invertible()) {
      std::copy(clean.begin(), clean.end(), row.begin());
    } else {
      parts.scaling.Apply(clean, row);
    }
    if (!corrupts) continue;
    const RandomKey key{.seed = noise_seed, .stream = epoch, .sample = index};
    CorruptRow(corruption, parts.extremes, key, row, scratch);
  }
}

void TrainingPass::State::PrepareSparseRow(std::size_t row) {
  const std::uint64_t index = batch.indices[row];
  // Scaling that keeps zeros leaves the decoder's rows as they are.
  if (!sparse_target) batch.rows.CopyRow(index, {target.data() + row * columns, columns});
  const std::span<Real> cells = sparse->values(row);
  parts.scaling.Apply(cells, cells);
  const RandomKey key{
      .seed = noise_seed, .stream = static_cast<std::uint32_t>(batch.epoch), .sample = index};
  CorruptCells(parts.spec.corruption(), key, sparse->indices(row), cells);
  sparse->Settle(row);
}

void TrainingPass::State::ForwardRows(std::size_t first, std::size_t count) {
  for (LayerPass& pass : encoder) Run(pass, first, count);
  latent->Forward(first, count);
  for (LayerPass& pass : decoder) Run(pass, first, count);
  if (contraction) contraction->Charge(first, count);
}

void TrainingPass::State::ChargeReconstruction(std::size_t first, std::size_t count) {
  const std::size_t factor = decoder.back().row_factor;
  const bool weighed = latent->weighs_draws();
  const auto scale = static_cast<Real>(1.0 / static_cast<double>(weighed ? rows : rows * factor));
  for (std::size_t r = first; r < first + count; ++r) {
    const std::span<double> nats(draw_nats.data() + r * factor, factor);
    double sum = 0;
    for (std::size_t d = 0; d < factor; ++d) {
      nats[d] = Nats(r, r * factor + d, scale);
      sum += nats[d];
    }
    reconstruction[r] = sum / static_cast<double>(factor);
    if (weighed) WeighDraws(r, nats);
  }
}

double TrainingPass::State::Nats(std::size_t row, std::size_t draw, Real scale) {
  const RowLikelihood& likelihood = *parts.likelihood;
  LayerPass& output = decoder.back();
  const std::span<Real> predicted = output.View(output.output, rows).row(draw);
  const std::span<Real> delta = output.View(output.delta, rows).row(draw);
  if (!sparse_target) {
    return likelihood.Nats(predicted, {target.data() + row * columns, columns}, scale, delta);
  }
  const RowsView::SparseRow clean = batch.rows.sparse_row(batch.indices[row]);
  if (!sample) return likelihood.SparseNats(predicted, clean.indices, clean.values, scale, delta);
  sample->Correct(predicted);
  return likelihood.SparseNats(predicted, sample->places(row), clean.values, scale, delta);
}

void TrainingPass::State::WeighDraws(std::size_t row, std::span<const double> nats) {
  LayerPass& output = decoder.back();
  const std::size_t factor = nats.size();
  const std::span<Real> weights(draw_weights.data() + row * factor, factor);
  latent->WeighDraws(row, nats, weights);
  reconstruction[row] = 0;
  for (std::size_t d = 0; d < factor; ++d) {
    reconstruction[row] += static_cast<double>(weights[d]) * nats[d];
    Scale(weights[d], output.View(output.delta, rows).row(row * factor + d));
  }
}

void TrainingPass::State::BackwardDecoder(std::size_t first, std::size_t count) {
  for (std::size_t i = decoder.size() - 1; i > 0; --i) {
    CarryBack(decoder[i], decoder[i - 1], first, count);
  }
  latent->Backward(decoder.front(), first, count);
  if (contraction) contraction->AddTo(encoder.size(), first, count);
}

void TrainingPass::State::BackwardEncoder(std::size_t first, std::size_t count) {
  if (encoder.empty()) return;
  latent->BackwardEncoder(encoder.back(), first, count);
  for (std::size_t i = encoder.size() - 1; i > 0; --i) {
    if (contraction) contraction->AddTo(i, first, count);
    CarryBack(encoder[i], encoder[i - 1], first, count);
  }
  if (contraction) contraction->AddTo(0, first, count);
}

void TrainingPass::State::LearnedGradient(const ParameterRange& range, std::span<Real> out) {
  const RowLikelihood& likelihood = *parts.likelihood;
  if (!likelihood.learns_by_column()) {
    double sum = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      sum += likelihood.LearnedGradient(reconstruction[r], columns);
    }
    out[0] = static_cast<Real>(sum / static_cast<double>(rows));
    return;
  }
  const std::span<double> sums(learned_sums.data() + range.first_row, range.rows);
  std::fill(sums.begin(), sums.end(), 0.0);
  const LayerPass& output = decoder.back();
  const std::size_t factor = output.row_factor;
  const double share = 1.0 / static_cast<double>(rows);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t d = 0; d < factor; ++d) {
      const std::size_t draw = r * factor + d;
      const double weight = latent->weighs_draws() ? static_cast<double>(draw_weights.data()[draw])
                                                   : 1.0 / static_cast<double>(factor);
      likelihood.AddLearnedGradient(output.View(output.output, rows).row(draw),
                                    {target.data() + r * columns, columns}, weight * share,
                                    range.first_row, sums);
    }
  }
  std::copy(sums.begin(), sums.end(), out.begin());
}

void TrainingPass::State::SparseGradient(const LayerPass& layer, const ParameterRange& range,
                                         Matrix dw) {
  const Matrix deltas = layer.View(layer.delta, rows);
  std::vector<std::uint8_t>& known = touched[range.segment];
  for (std::size_t i = 0; i < range.rows; ++i) {
    const std::size_t column = range.first_row + i;
    const bool was = known[column] != 0;
    known[column] = sparse->ColumnGradient(column, deltas, dw.row(i)) ? 1 : 0;
    if (was && known[column] == 0) std::fill_n(dw.row(i).begin(), dw.columns, Real{0});
  }
}

void TrainingPass::State::SampledGradient(const LayerPass& layer, const ParameterRange& range,
                                          Matrix dw) {
  const Matrix compact = sample->GradientRows(range.first_row, range.rows);
  layer.WeightGradient(rows, range.first_row, false, compact);
  for (std::size_t i = 0; i < range.rows; ++i) sample->Spread(compact.row(i), dw.row(i));
}

void TrainingPass::State::SampledBiasGradient(const LayerPass& layer, const ParameterRange& range,
                                              std::span<Real> out) {
  std::fill(out.begin(), out.end(), Real{0});
  const Matrix deltas = layer.View(layer.delta, rows);
  const std::span<const std::uint32_t> chosen = sample->columns();
  const auto begin = std::lower_bound(chosen.begin(), chosen.end(), range.first_row);
  const auto end = std::lower_bound(begin, chosen.end(), range.first_row + range.rows);
  for (std::size_t r = 0; r < deltas.rows; ++r) {
    const Real* const delta = deltas.row(r).data();
    for (auto column = begin; column != end; ++column) {
      out[*column - range.first_row] += delta[column - chosen.begin()];
    }
  }
}

bool TrainingPass::State::ReadsPacked(std::size_t segment) const {
  const LayerPass* const owner = uses[segment].owner;
  return owner == nullptr || (owner->sparse == nullptr && owner->sample == nullptr);
}

void TrainingPass::State::PackRows(std::size_t first, std::size_t count) {
  for (LayerPass* pass : layers) {
    const std::size_t places = pass->row_factor * pass->layer->places();
    if (!pass->packs()) continue;
    pass->packed.PackRows(pass->Right(rows).slice_rows(first * places, count * places),
                          first * places);
  }
}

LATENT_NUMERICS_END
