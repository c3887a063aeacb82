// What all latents with Gaussian codes share when they serve, and their first weights.
#include "core/model/latent.h"
#include "core/model/latent_part.h"
#include "core/model/workspace.h"
#include "core/nn/activation.h"
#include "core/nn/optimizer.h"

LATENT_NUMERICS_BEGIN
namespace {
constexpr Real kLogVarianceGain = static_cast<Real>(0.1);
}  // namespace

void DrawLogVarianceWeights(const NetworkLayer& layer, std::uint64_t seed,
                            ParameterSet& parameters) {
  DrawWeights(layer, seed, parameters);
  Scale(kLogVarianceGain, parameters.span(layer.weight));
}

void JudgePosterior(ConstMatrix codes, Matrix log_variance, const ForwardOutputs& outputs,
                    Workspace& ws) {
  const std::span<Real> variance = ws.buffers().variance.Span(codes.columns);
  for (std::size_t r = 0; r < codes.rows; ++r) {
    const std::span<Real> lv = log_variance.row(r);
    BoundLogVariance(lv);
    if (outputs.sigma.data != nullptr) SigmaOf(lv, outputs.sigma.row(r));
    if (outputs.kl.empty() && outputs.score.empty()) continue;
    Exp(lv, variance);
    const double kl = ChargeKl(codes.row(r), lv, variance, 0, 0, {}, {}).kl;
    if (!outputs.kl.empty()) outputs.kl[r] = kl;
    if (!outputs.score.empty()) outputs.score[r] += kl;
  }
}

LATENT_NUMERICS_END
