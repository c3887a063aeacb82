// The penalty that holds each code entry's mean over the batch near a target (KL-sparsity), while
// it trains: weight sum_i [t ln(t / m_i) + (1 - t) ln((1 - t) / (1 - m_i))]. Owned by the latent's
// pass; threads work on disjoint entries.
#ifndef LATENT_CORE_MODEL_KL_SPARSITY_H_
#define LATENT_CORE_MODEL_KL_SPARSITY_H_

#include <cstddef>
#include <vector>

#include "core/model/layer_pass.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// One entry's charge and its derivative by the mean. Means are clamped to [1e-6, 1 - 1e-6], where
// the derivative stays what it is at the bound, so that a saturated entry can come back.
struct KlSparsityCharge {
  double value = 0;
  double slope = 0;
};
KlSparsityCharge ChargeKlSparsity(double target, double mean);

class KlSparsity final : public RowCoupled {
 public:
  // Charges the outputs of `code`, which lie in [0, 1]; both must outlive this.
  KlSparsity(PassContext* context, LayerPass* code, const v1::KlSparsityPenalty& spec);
  void Couple(std::size_t thread, std::size_t threads) override;

 private:
  PassContext& context_;
  LayerPass& code_;
  const double weight_;
  const double target_;
  std::vector<double> means_;
  std::vector<Real> slopes_;
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_KL_SPARSITY_H_
