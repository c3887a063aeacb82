#include "core/model/softmax.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstddef>

#include "core/nn/activation.h"
#include "core/nn/optimizer.h"
#include "core/nn/sparse_batch.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr double kLeastShare = 1e-6;
constexpr std::size_t kSoftmaxBlock = 512;

// The sum of exp(logit - greatest), each of which goes to `exponentials` unless that is empty; it
// may be `logits`.
double SumExponentials(std::span<const Real> logits, Real greatest, std::span<Real> exponentials) {
  std::array<Real, kSoftmaxBlock> block;
  double sum = 0;
  for (std::size_t first = 0; first < logits.size(); first += kSoftmaxBlock) {
    const std::size_t count = std::min(kSoftmaxBlock, logits.size() - first);
    const std::span<Real> cells(block.data(), count);
    for (std::size_t i = 0; i < count; ++i) cells[i] = logits[first + i] - greatest;
    Exp(cells, cells);
    sum += Sum(cells);
    if (!exponentials.empty()) std::copy_n(cells.data(), count, exponentials.data() + first);
  }
  return sum;
}

// What the targets' cells add up to; those of 0 add nothing.
struct Targets {
  double count = 0;
  double nats = 0;  // but for count * log(the sum of exponentials)

  void Add(Real logit, Real greatest, Real target) {
    const auto x = static_cast<double>(target);
    count += x;
    nats -= x * (static_cast<double>(logit) - static_cast<double>(greatest));
  }
  // Exponentials to the gradient of a row whose targets are 0.
  void Descend(Real scale, double exponentials, std::span<Real> gradient) const {
    Scale(static_cast<Real>(static_cast<double>(scale) * count / exponentials), gradient);
  }
};

}  // namespace

double SoftmaxNats(std::span<const Real> logits, std::span<const Real> target, Real scale,
                   std::span<Real> gradient, std::span<Real> cells) {
  const Real greatest = Greatest(logits);
  Targets targets;
  for (std::size_t c = 0; c < target.size(); ++c) {
    if (target[c] != 0) targets.Add(logits[c], greatest, target[c]);
  }
  for (std::size_t c = 0; c < cells.size(); ++c) cells[c] = target[c] * (greatest - logits[c]);
  const double exponentials = SumExponentials(logits, greatest, gradient);
  const double log_sum = std::log(exponentials);
  for (std::size_t c = 0; c < cells.size(); ++c) cells[c] += target[c] * static_cast<Real>(log_sum);
  if (!gradient.empty()) {
    targets.Descend(scale, exponentials, gradient);
    for (std::size_t c = 0; c < target.size(); ++c) {
      if (target[c] != 0) gradient[c] -= scale * target[c];
    }
  }
  return targets.nats + targets.count * log_sum;
}

double SparseSoftmaxNats(std::span<const Real> logits, std::span<const std::uint32_t> columns,
                         std::span<const Real> target, Real scale, std::span<Real> gradient) {
  assert(columns.size() == target.size() && gradient.size() == logits.size());
  const Real greatest = Greatest(logits);
  Targets targets;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    targets.Add(logits[columns[i]], greatest, target[i]);
  }
  const double exponentials = SumExponentials(logits, greatest, gradient);
  targets.Descend(scale, exponentials, gradient);
  for (std::size_t i = 0; i < columns.size(); ++i) gradient[columns[i]] -= scale * target[i];
  return targets.nats + targets.count * std::log(exponentials);
}

void Softmax(std::span<Real> logits) {
  const double exponentials = SumExponentials(logits, Greatest(logits), logits);
  for (Real& p : logits) p = static_cast<Real>(static_cast<double>(p) / exponentials);
}

void DrawOneHot(double uniform, std::span<Real> probabilities) {
  std::size_t drawn = probabilities.size() - 1;
  for (std::size_t c = 0; c < probabilities.size(); ++c) {
    uniform -= static_cast<double>(probabilities[c]);
    if (uniform >= 0) continue;
    drawn = c;
    break;
  }
  std::fill(probabilities.begin(), probabilities.end(), Real{0});
  probabilities[drawn] = Real{1};
}

Real LogitOfShare(double share) {
  return static_cast<Real>(std::log(std::max(share, kLeastShare)));
}

LATENT_NUMERICS_END
