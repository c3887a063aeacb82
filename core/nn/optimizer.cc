#include "core/nn/optimizer.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "core/nn/kernels.h"

LATENT_NUMERICS_BEGIN

namespace {

kernels::AdamConstants ConstantsOf(const AdamUpdate& update) {
  const auto step = static_cast<double>(update.step);
  const auto real = [](double value) { return static_cast<Real>(value); };
  return {.gradient_scale = real(update.gradient_scale),
          .beta1 = real(update.beta1),
          .one_minus_beta1 = real(1 - update.beta1),
          .beta2 = real(update.beta2),
          .one_minus_beta2 = real(1 - update.beta2),
          .rate = real(update.learning_rate / (1 - std::pow(update.beta1, step))),
          .variance_factor = real(1 / (1 - std::pow(update.beta2, step))),
          .epsilon = real(update.epsilon),
          .decay = real(update.learning_rate * update.weight_decay)};
}

}  // namespace

void ApplyAdam(const AdamUpdate& update, const AdamState& state) {
  const std::uint8_t all = 1;
  ApplyAdamToRows(update, {&all, 1}, state);
}

void ApplyAdamToRows(const AdamUpdate& update, std::span<const std::uint8_t> touched,
                     const AdamState& state) {
  assert(state.gradients.size() == state.weights.size());
  assert(state.first_moment.size() == state.weights.size());
  assert(state.second_moment.size() == state.weights.size());
  const kernels::AdamConstants constants = ConstantsOf(update);
  const std::size_t width = state.weights.size() / touched.size();
  for (std::size_t first = 0, end; first < touched.size(); first = end + 1) {
    // Neighbours are taken together.
    for (end = first; end < touched.size() && touched[end] != 0;) ++end;
    if (end == first) continue;
    const std::size_t at = first * width;
    kernels::Active().adam(constants, (end - first) * width, state.gradients.data() + at,
                           state.weights.data() + at, state.first_moment.data() + at,
                           state.second_moment.data() + at);
  }
}

void ApplySgd(const SgdUpdate& update, const SgdState& state) {
  assert(state.gradients.size() == state.weights.size());
  assert(state.velocity.size() == state.weights.size());
  const double rate = update.learning_rate;
  const kernels::SgdConstants constants = {
      .gradient_scale = static_cast<Real>(update.gradient_scale),
      .momentum = static_cast<Real>(update.momentum),
      .velocity_rate = static_cast<Real>(update.nesterov ? rate * update.momentum : rate),
      .gradient_rate = static_cast<Real>(update.nesterov ? rate : 0),
      .decay = static_cast<Real>(rate * update.weight_decay)};
  kernels::Active().sgd(constants, state.weights.size(), state.gradients.data(),
                        state.weights.data(), state.velocity.data());
}

void SumSquares(std::span<const Real> gradient, std::size_t first, std::span<double> partial) {
  for (std::size_t i = 0; i < partial.size(); ++i) {
    const std::size_t begin = (first + i) * kNormBlock;
    assert(begin < gradient.size());
    const std::size_t count = std::min(kNormBlock, gradient.size() - begin);
    partial[i] = kernels::Active().sum_squares(gradient.data() + begin, count);
  }
}

double NormOf(std::span<const double> partial) {
  double sum = 0;
  for (const double value : partial) sum += value;
  return std::sqrt(sum);
}

double ClipScale(double norm, double limit) { return limit > 0 && norm > limit ? limit / norm : 1; }

void Scale(Real factor, std::span<Real> cells) {
  for (Real& cell : cells) cell *= factor;
}

LATENT_NUMERICS_END
