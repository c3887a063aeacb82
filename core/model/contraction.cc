#include "core/model/contraction.h"

#include <algorithm>
#include <array>

#include "core/nn/activation.h"
#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN
namespace {

double JacobianSquare(Real x) { return static_cast<double>(x) * static_cast<double>(x); }

}  // namespace

Contraction::Contraction(PassContext* context, std::vector<LayerPass*> chain, double weight)
    : context_(*context),
      weight_(weight),
      dim_(chain.back()->layer->outputs),
      levels_(chain.size()) {
  const std::size_t rows = context_.max_batch;
  for (std::size_t l = 0; l < levels_.size(); ++l) {
    Level& level = levels_[l];
    level.pass = chain[l];
    const NetworkLayer& layer = *chain[l]->layer;
    level.slope.Resize(rows * layer.outputs);
    level.bend.Resize(rows * layer.outputs);
    if (closed()) continue;
    level.inner.Resize(rows * dim_ * layer.outputs);
    if (l + 1 < levels_.size()) level.outer.Resize(rows * dim_ * layer.outputs);
    level.outer_bar.Resize(rows * dim_ * layer.inputs);
    level.packed.Resize(rows * dim_, layer.outputs);
  }
  lengths_.resize(closed() ? dim_ : 0);
  context_.weight_terms.push_back(this);
}

std::uint64_t Contraction::CellsOf(const Network& network) {
  const NetworkLayer& code = network.latent->code();
  if (network.encoder.empty()) return 2 * code.outputs;
  std::uint64_t cells = 0;
  const auto add = [&](const NetworkLayer& layer) {
    cells += 2 * layer.outputs + code.outputs * (3 * layer.outputs + layer.inputs);
  };
  for (const NetworkLayer& layer : network.encoder) add(layer);
  add(code);
  return cells;
}

Matrix Contraction::RowsOf(const AlignedBuffer& buffer, std::size_t columns, std::size_t first,
                           std::size_t count) const {
  return {buffer.data() + first * columns, count, columns};
}

void Contraction::Begin() {
  for (Level& level : levels_) {
    if (!closed()) level.packed.Resize(context_.rows * dim_, level.pass->layer->outputs);
  }
  if (!closed()) return;
  std::fill(lengths_.begin(), lengths_.end(), 0.0);
  const ConstMatrix weights = context_.parameters.matrix(levels_[0].pass->layer->weight);
  for (std::size_t i = 0; i < weights.rows; ++i) {
    for (std::size_t j = 0; j < weights.columns; ++j) lengths_[j] += JacobianSquare(weights(i, j));
  }
}

void Contraction::Charge(std::size_t first, std::size_t count) {
  for (Level& level : levels_) {
    const std::size_t width = level.pass->layer->outputs;
    const Matrix values = level.pass->SlopeValues(context_.rows);
    for (std::size_t r = first; r < first + count; ++r) {
      Slopes(level.pass->layer->activation, values.row(r), {level.slope.data() + r * width, width},
             {level.bend.data() + r * width, width});
    }
  }
  if (closed()) {
    ChargeClosed(first, count);
  } else {
    Descend(first, count);
    Ascend(first, count);
  }
}

// Row: weight sum_j f'_j^2 |W_j|^2.
void Contraction::ChargeClosed(std::size_t first, std::size_t count) {
  const double scale = 2 * weight_ / static_cast<double>(context_.rows);
  for (std::size_t r = first; r < first + count; ++r) {
    const Real* const slope = levels_[0].slope.data() + r * dim_;
    Real* const bend = levels_[0].bend.data() + r * dim_;
    double sum = 0;
    for (std::size_t j = 0; j < dim_; ++j) {
      sum += JacobianSquare(slope[j]) * lengths_[j];
      bend[j] *= static_cast<Real>(scale * lengths_[j]) * slope[j];
    }
    context_.contractive[r] = weight_ * sum;
  }
}

void Contraction::Descend(std::size_t first, std::size_t count) {
  const std::size_t begin = first * dim_, n = count * dim_;
  for (std::size_t l = levels_.size(); l-- > 0;) {
    Level& level = levels_[l];
    const NetworkLayer& layer = *level.pass->layer;
    const Matrix inner = RowsOf(level.inner, layer.outputs, begin, n);
    const bool top = l + 1 == levels_.size();
    for (std::size_t r = 0; r < n; ++r) {
      const Real* const slope = level.slope.data() + (first + r / dim_) * layer.outputs;
      const std::span<Real> row = inner.row(r);
      if (top) {
        std::fill(row.begin(), row.end(), Real{0});
        row[r % dim_] = slope[r % dim_];
      } else {
        const Real* const outer = level.outer.data() + (begin + r) * layer.outputs;
        for (std::size_t j = 0; j < row.size(); ++j) row[j] = outer[j] * slope[j];
      }
    }
    level.packed.PackRows(inner, begin);
    // What lies under the first layer is the Jacobian itself: it waits where its gradient will be.
    const AlignedBuffer& below = l == 0 ? level.outer_bar : levels_[l - 1].outer;
    DenseBackwardData(inner, context_.BackwardWeights(layer), {},
                      RowsOf(below, layer.inputs, begin, n));
  }
}

void Contraction::Ascend(std::size_t first, std::size_t count) {
  const std::size_t begin = first * dim_, n = count * dim_;
  const auto scale = static_cast<Real>(2 * weight_ / static_cast<double>(context_.rows));
  const Matrix jacobian = RowsOf(levels_[0].outer_bar, levels_[0].pass->layer->inputs, begin, n);
  for (std::size_t r = 0; r < n; ++r) {
    double& charge = context_.contractive[first + r / dim_];
    for (Real& cell : jacobian.row(r)) {
      charge += weight_ * JacobianSquare(cell);
      cell *= scale;
    }
  }
  for (std::size_t l = 0; l < levels_.size(); ++l) {
    Level& level = levels_[l];
    const NetworkLayer& layer = *level.pass->layer;
    const bool top = l + 1 == levels_.size();
    // Gradient by R_l; R_l itself has been packed, so that its place is free at the top.
    const AlignedBuffer& target = top ? level.inner : levels_[l + 1].outer_bar;
    const Matrix bar = RowsOf(target, layer.outputs, begin, n);
    GemmNn(RowsOf(level.outer_bar, layer.inputs, begin, n), context_.packed[layer.weight].forward,
           {}, Activation::kIdentity, bar);
    for (std::size_t b = first; b < first + count; ++b) {
      const Real* const slope = level.slope.data() + b * layer.outputs;
      Real* const bend = level.bend.data() + b * layer.outputs;
      for (std::size_t j = 0; j < layer.outputs; ++j) {
        double sum = 0;  // gradient by f'_j
        for (std::size_t i = 0; i < dim_; ++i) {
          Real& cell = bar((b - first) * dim_ + i, j);
          if (top) {
            if (i == j) sum = static_cast<double>(cell);
            continue;
          }
          sum += static_cast<double>(cell) *
                 static_cast<double>(level.outer.data()[(b * dim_ + i) * layer.outputs + j]);
          cell *= slope[j];
        }
        bend[j] *= static_cast<Real>(sum);
      }
    }
  }
}

void Contraction::AddTo(std::size_t index, std::size_t first, std::size_t count) const {
  const Level& level = levels_[index];
  const std::size_t width = level.pass->layer->outputs;
  const Matrix delta = level.pass->View(level.pass->delta, context_.rows);
  for (std::size_t r = first; r < first + count; ++r) {
    const Real* const bend = level.bend.data() + r * width;
    for (std::size_t j = 0; j < width; ++j) delta(r, j) += bend[j];
  }
}

void Contraction::AddGradient(std::size_t segment, std::size_t first, Matrix dw) const {
  const auto found = std::find_if(levels_.begin(), levels_.end(), [&](const Level& level) {
    return level.pass->layer->weight == segment;
  });
  if (found == levels_.end()) return;
  const NetworkLayer& layer = *found->pass->layer;
  if (!closed()) {
    const ConstMatrix bar(found->outer_bar.data(), context_.rows * dim_, layer.inputs);
    DenseWeightGradient(bar, found->packed, first, true, dw);
    return;
  }
  // 2 weight / rows W_ij sum_b f'_bj^2, some columns at a time.
  const ConstMatrix weights = context_.parameters.matrix(segment);
  const double scale = 2 * weight_ / static_cast<double>(context_.rows);
  std::array<double, 64> sums;
  for (std::size_t from = 0; from < dim_; from += sums.size()) {
    const std::size_t count = std::min(sums.size(), dim_ - from);
    sums.fill(0);
    for (std::size_t b = 0; b < context_.rows; ++b) {
      const Real* const slope = found->slope.data() + b * dim_ + from;
      for (std::size_t j = 0; j < count; ++j) sums[j] += JacobianSquare(slope[j]);
    }
    for (std::size_t i = 0; i < dw.rows; ++i) {
      for (std::size_t j = 0; j < count; ++j) {
        dw(i, from + j) +=
            static_cast<Real>(scale * sums[j] * static_cast<double>(weights(first + i, from + j)));
      }
    }
  }
}

LATENT_NUMERICS_END
