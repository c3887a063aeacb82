// Adam(W) and SGD(W) on flat spans, and the gradient's global norm. Parameters, moments and
// gradients belong to the caller. Updates are elementwise and the norm is summed in fixed blocks,
// so any split among threads gives the same bits. No allocation.
#ifndef LATENT_CORE_NN_OPTIMIZER_H_
#define LATENT_CORE_NN_OPTIMIZER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// One update's constants.
struct AdamUpdate {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;    // decoupled; 0 for biases
  std::uint64_t step = 1;     // this update's number, from 1
  double gradient_scale = 1;  // every gradient is multiplied by it first, see ClipScale
};

// What lies in one span, entry by entry: all four spans have the same size.
struct AdamState {
  std::span<Real> weights;
  std::span<const Real> gradients;
  std::span<Real> first_moment;   // starts at 0
  std::span<Real> second_moment;  // starts at 0
};

// Adam (arXiv 1412.6980) with decoupled decay (arXiv 1711.05101):
//   w -= lr decay w;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2;
//   w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps)
void ApplyAdam(const AdamUpdate& update, const AdamState& state);
// Likewise to those rows alone, of touched.size() equal ones, for which `touched` is not 0: the
// others' weights and moments stay as they are (lazy Adam).
void ApplyAdamToRows(const AdamUpdate& update, std::span<const std::uint8_t> touched,
                     const AdamState& state);

// One update's constants of gradient descent with momentum.
struct SgdUpdate {
  double learning_rate = 1e-3;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;    // decoupled; 0 for biases
  double gradient_scale = 1;  // every gradient is multiplied by it first, see ClipScale
};

// What lies in one span, entry by entry: all three spans have the same size.
struct SgdState {
  std::span<Real> weights;
  std::span<const Real> gradients;
  std::span<Real> velocity;  // starts at 0
};

// Momentum (Polyak 1964), or Nesterov's in the form of Sutskever et al. (ICML 2013), with decoupled
// decay (arXiv 1711.05101):
//   v = momentum v + g;  w -= lr (v, or with Nesterov g + momentum v) + lr decay w
void ApplySgd(const SgdUpdate& update, const SgdState& state);

// Sums of squares are taken over blocks of this many entries of a flat gradient.
inline constexpr std::size_t kNormBlock = 4096;
// How many blocks `count` entries make.
constexpr std::size_t NormBlocks(std::size_t count) {
  return (count + kNormBlock - 1) / kNormBlock;
}
// partial[i] = the sum of squares of block first + i of `gradient`, in double, for each i.
void SumSquares(std::span<const Real> gradient, std::size_t first, std::span<double> partial);
// The root of the sum of all blocks, in their order. Not finite if any entry is not.
double NormOf(std::span<const double> partial);
// min(1, limit / norm); 1 if limit is 0 (no limit).
double ClipScale(double norm, double limit);
// cells *= factor.
void Scale(Real factor, std::span<Real> cells);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_OPTIMIZER_H_
