#include "core/model/mmd.h"

#include <algorithm>

#include "core/base/random.h"
#include "core/base/thread_pool.h"

LATENT_NUMERICS_BEGIN

Mmd::Mmd(PassContext* context, LayerPass* code, double weight)
    : context_(*context),
      code_(*code),
      weight_(weight),
      scale_(2 * static_cast<double>(code->layer->outputs)) {
  for (AlignedBuffer* buffer : {&prior_, &slopes_}) {
    buffer->Resize(context_.max_batch * code_.layer->outputs);
  }
  code_.slopes = &slopes_;
  context_.coupled.push_back(this);
}

void Mmd::Draw(std::size_t first, std::size_t count) {
  for (std::size_t r = first; r < first + count; ++r) {
    FillNormal({.seed = context_.draw_seed,
                .stream = static_cast<std::uint32_t>(context_.batch.epoch),
                .sample = context_.batch.indices[r]},
               prior().row(r));
  }
}

void Mmd::Couple(std::size_t thread, std::size_t threads) {
  const auto [first, count] = Share(context_.rows, threads, thread);
  for (std::size_t r = first; r < first + count; ++r) ChargeRow(r);
}

// MMD^2 = 1/(n (n-1)) sum_{r != j} [k(z_r, z_j) + k(y_r, y_j)] - 2/n^2 sum_{r, j} k(z_r, y_j): row
// r is charged n times its share of the sums, so that the mean over rows is MMD^2. Its code stands
// in two terms of the first sum and in one of the last.
void Mmd::ChargeRow(std::size_t row) {
  const Matrix slopes(slopes_.data(), context_.rows, code_.layer->outputs);
  const std::span<Real> slope = slopes.row(row);
  std::fill(slope.begin(), slope.end(), Real{0});
  context_.kl[row] = context_.charged[row] = 0;
  if (context_.rows < 2) return;
  const auto n = static_cast<double>(context_.rows);
  const ConstMatrix codes = code_.View(code_.output, context_.rows);
  const double own_step = 2 * weight_ / (n * (n - 1));
  const double cross_step = -2 * weight_ / (n * n);
  double own = 0, cross = 0;
  for (std::size_t j = 0; j < context_.rows; ++j) {
    cross += Kernel(codes.row(row), prior().row(j), cross_step, slope);
    if (j == row) continue;
    own += Kernel(codes.row(row), codes.row(j), own_step, slope);
    own += Kernel(prior().row(row), prior().row(j), 0, {});
  }
  context_.kl[row] = own / (n - 1) - 2 * cross / n;
  context_.charged[row] = weight_ * context_.kl[row];
}

double Mmd::Kernel(std::span<const Real> a, std::span<const Real> b, double step,
                   std::span<Real> gradient) const {
  double distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    distance += d * d;
  }
  const double kernel = scale_ / (scale_ + distance);
  const double slope = -2 * step * kernel / (scale_ + distance);
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    gradient[i] +=
        static_cast<Real>(slope * (static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return kernel;
}

LATENT_NUMERICS_END
