// How codes that are draws of N(mu, diag(exp(log_variance))) train, in one block or several: the
// heads' draws, the KL term, a capacity, importance weights. Base of the passes of all latents of
// that kind; what stands between heads and encoder, and between draws and decoder, is theirs.
#ifndef LATENT_CORE_MODEL_GAUSSIAN_PASS_H_
#define LATENT_CORE_MODEL_GAUSSIAN_PASS_H_

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "core/model/latent.h"
#include "core/model/latent_part.h"
#include "core/model/layer_pass.h"

LATENT_NUMERICS_BEGIN

// What the objective asks for.
struct DrawTerms {
  explicit DrawTerms(const v1::Objective& objective);
  bool charge_kl;  // false where no KL term is charged in closed form
  bool weighs;     // importance-weighted: draws count by p(x, z) / q(z|x)
  bool capacity;   // the batch's KL is drawn to a target
  std::size_t draws;
  double free_bits;
};

// One block of the code: two layers on one input, and their draws.
struct GaussianHead {
  std::size_t dim = 0;
  std::size_t offset = 0;  // of its entries in the whole code
  LayerPass mu, log_variance;
  AlignedBuffer sigma, variance;    // [batch x dim]
  AlignedBuffer draws, draw_delta;  // [batch * draws x dim]
};

class GaussianPass : public LatentPass, private RowCoupled {
 public:
  std::size_t row_factor() const override { return terms_.draws; }
  bool has_kl() const override { return true; }
  bool weighs_draws() const override { return terms_.weighs; }
  // log w = -nats + log p(z) - log q(z|x), normalised.
  void WeighDraws(std::size_t row, std::span<const double> nats, std::span<Real> weights) override;

 protected:
  GaussianPass(PassContext* context, const DrawTerms& terms) : context_(*context), terms_(terms) {}

  // Adds a head that reads `input`; heads do not move.
  GaussianHead& AddHead(const NetworkLayer& mu, const NetworkLayer& log_variance,
                        const AlignedBuffer* input, const LayerPenalty& penalty);
  // When all heads are there.
  void Allocate();

  // Runs a head's layers.
  void RunHead(GaussianHead& head, std::size_t first, std::size_t count) const;
  // Draws all heads' codes, once their layers have run.
  void Draw(std::size_t first, std::size_t count);
  // From the heads' draw_delta to their layers' deltas; charges the rows.
  void BackwardHeads(std::size_t first, std::size_t count);
  // Adds up what the layers in `upper`, which all read `lower`, ask of it.
  void JoinBack(std::span<const LayerPass* const> upper, LayerPass& lower, std::size_t first,
                std::size_t count);

  PassContext& context_;
  const DrawTerms terms_;
  std::deque<GaussianHead> heads_;

 private:
  void Couple(std::size_t thread, std::size_t threads) override;
  void DrawRow(std::size_t r);
  void BackwardRow(std::size_t r);
  void AddDensities(GaussianHead& head, std::size_t r, std::span<Real> dz,
                    std::span<Real> dlv) const;
  std::span<const Real> LogVariance(const GaussianHead& head, std::size_t r) const;
  KlCharge Charge(const GaussianHead& head, std::size_t r, Real weight, std::span<Real> dmu,
                  std::span<Real> dlv) const;
  // Noise of draw d of row r for a head.
  const Real* NoiseOf(const GaussianHead& head, std::size_t r, std::size_t d) const {
    return noise_.data() + (r * terms_.draws + d) * dim_ + head.offset;
  }

  std::size_t dim_ = 0;              // of all heads
  AlignedBuffer noise_;              // [batch * draws x dim]
  AlignedBuffer weights_;            // [batch x draws], where draws are weighed
  std::vector<double> log_weights_;  // likewise
  double side_ = 0;                  // of the capacity: 1 above, -1 below
};

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_GAUSSIAN_PASS_H_
