#include "core/model/kl_sparsity.h"

#include <algorithm>
#include <cmath>

#include "core/base/thread_pool.h"

LATENT_NUMERICS_BEGIN
namespace {
constexpr double kLeast = 1e-6;
}  // namespace

KlSparsityCharge ChargeKlSparsity(double target, double mean) {
  // A NaN stays one.
  const double m = mean < kLeast ? kLeast : (mean > 1 - kLeast ? 1 - kLeast : mean);
  return {.value = target * std::log(target / m) + (1 - target) * std::log((1 - target) / (1 - m)),
          .slope = (1 - target) / (1 - m) - target / m};
}

KlSparsity::KlSparsity(PassContext* context, LayerPass* code, const v1::KlSparsityPenalty& spec)
    : context_(*context),
      code_(*code),
      weight_(spec.weight()),
      target_(spec.target()),
      means_(code->layer->outputs),
      slopes_(code->layer->outputs) {
  context_.kl_sparsity.resize(means_.size());
  code_.unit_slopes = slopes_;
  context_.coupled.push_back(this);
}

void KlSparsity::Couple(std::size_t thread, std::size_t threads) {
  const auto [first, count] = Share(means_.size(), threads, thread, 16);
  const ConstMatrix outputs = code_.View(code_.output, context_.rows);
  const auto rows = static_cast<double>(context_.rows);
  std::fill_n(means_.begin() + static_cast<std::ptrdiff_t>(first), count, 0.0);
  for (std::size_t r = 0; r < context_.rows; ++r) {
    const Real* const row = outputs.row(r).data();
    for (std::size_t i = first; i < first + count; ++i) means_[i] += static_cast<double>(row[i]);
  }
  for (std::size_t i = first; i < first + count; ++i) {
    const KlSparsityCharge charge = ChargeKlSparsity(target_, means_[i] / rows);
    context_.kl_sparsity[i] = weight_ * charge.value;
    slopes_[i] = static_cast<Real>(weight_ * charge.slope / rows);
  }
}

LATENT_NUMERICS_END
