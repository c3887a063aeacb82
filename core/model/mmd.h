// weight * MMD^2 between a batch's codes and as many draws of N(0, I) (arXiv 1711.01558), unbiased:
// pairs of a row with itself do not count. Kernel C / (C + |a - b|^2), C = 2 dim. Owned by the
// latent's pass; threads work on disjoint rows. No allocation after the constructor.
#ifndef LATENT_CORE_MODEL_MMD_H_
#define LATENT_CORE_MODEL_MMD_H_

#include <cstddef>
#include <span>

#include "core/model/layer_pass.h"
#include "core/nn/aligned_buffer.h"

LATENT_NUMERICS_BEGIN

class Mmd final : public RowCoupled {
 public:
  // Charges the outputs of `code`; both must outlive this. What each row adds goes to context.kl
  // (unweighted) and context.charged; the gradient becomes the code's slopes.
  Mmd(PassContext* context, LayerPass* code, double weight);

  // Draws the prior's partners of rows [first, first + count), by the rows' own keys.
  void Draw(std::size_t first, std::size_t count);
  void Couple(std::size_t thread, std::size_t threads) override;

 private:
  void ChargeRow(std::size_t row);
  Matrix prior() const { return {prior_.data(), context_.rows, code_.layer->outputs}; }
  // k(a, b); adds step * dk / da to `gradient` unless that is empty.
  double Kernel(std::span<const Real> a, std::span<const Real> b, double step,
                std::span<Real> gradient) const;

  PassContext& context_;
  LayerPass& code_;
  const double weight_;
  const double scale_;    // C
  AlignedBuffer prior_;   // [batch x dim]
  AlignedBuffer slopes_;  // [batch x dim]
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_MMD_H_
