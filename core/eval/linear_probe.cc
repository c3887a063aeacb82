#include "core/eval/linear_probe.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <utility>

#include "core/base/status.h"
#include "core/nn/gemm.h"

namespace latent {
namespace {

using Vector = std::vector<double>;

constexpr int kMaxIterations = 100;
constexpr int kMaxHalvings = 30;
constexpr std::size_t kMemory = 10;
// Gradient entries, per row, below which the fit is over; float32 products are no finer.
constexpr double kTolerance = 1e-5;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Loss and gradient at given weights; matrix products in float32, sums in float64.
class Problem {
 public:
  Problem(ConstMatrix rows, std::span<const std::uint32_t> classes, std::size_t class_count)
      : rows_(rows.rows), inputs_(rows.columns + 1), classes_(classes), class_count_(class_count) {
    cells_.resize(rows_ * inputs_);
    for (std::size_t r = 0; r < rows_; ++r) {
      std::copy_n(rows.row(r).data(), rows.columns, cells_.data() + r * inputs_);
      cells_[r * inputs_ + rows.columns] = 1;  // takes the bias
    }
    scores_.resize(rows_ * class_count_);
    weights_.resize(size());
    gradient_.resize(size());
  }

  std::size_t size() const { return inputs_ * class_count_; }
  std::size_t rows() const { return rows_; }

  double LossAndGradient(const Vector& weights, Vector& gradient) {
    std::copy(weights.begin(), weights.end(), weights_.begin());
    packed_.Pack({weights_.data(), inputs_, class_count_});
    const ConstMatrix inputs(cells_.data(), rows_, inputs_);
    const Matrix scores(scores_.data(), rows_, class_count_);
    GemmNn(inputs, packed_, {}, Activation::kIdentity, scores);
    double loss = 0;
    for (std::size_t r = 0; r < rows_; ++r) loss += CrossEntropy(scores.row(r), classes_[r]);
    errors_.Pack(scores);
    GemmTn(inputs, errors_, 0, false, {gradient_.data(), inputs_, class_count_});
    gradient.assign(gradient_.begin(), gradient_.end());
    for (std::size_t i = 0; i < (inputs_ - 1) * class_count_; ++i) {
      loss += weights[i] * weights[i] / 2;
      gradient[i] += weights[i];
    }
    return loss;
  }

 private:
  // Turns scores into p - [class], the gradient, and returns -log p(class).
  static double CrossEntropy(std::span<float> scores, std::uint32_t label) {
    const double most = *std::max_element(scores.begin(), scores.end());
    const double own = scores[label];
    double sum = 0;
    for (float& score : scores) {
      const double e = std::exp(score - most);
      sum += e;
      score = static_cast<float>(e);
    }
    for (float& score : scores) score = static_cast<float>(score / sum);
    scores[label] -= 1;
    return std::log(sum) + most - own;
  }

  const std::size_t rows_, inputs_;
  const std::span<const std::uint32_t> classes_;
  const std::size_t class_count_;
  std::vector<float> cells_, scores_, weights_, gradient_;
  PackedMatrix packed_, errors_;
};

// Limited-memory BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4).
class History {
 public:
  void Add(Vector step, Vector change) {
    const double curvature = Dot(step, change);
    if (!(curvature > 0)) return;
    if (pairs_.size() == kMemory) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), 1 / curvature});
  }

  Vector Direction(const Vector& gradient) const {
    Vector d = gradient;
    std::vector<double> alphas(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      const Pair& pair = pairs_[i];
      alphas[i] = pair.rho * Dot(pair.step, d);
      for (std::size_t j = 0; j < d.size(); ++j) d[j] -= alphas[i] * pair.change[j];
    }
    double scale = 1;
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      scale = 1 / (last.rho * Dot(last.change, last.change));
    }
    for (double& v : d) v *= -scale;
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const Pair& pair = pairs_[i];
      const double beta = pair.rho * Dot(pair.change, d);
      for (std::size_t j = 0; j < d.size(); ++j) d[j] -= (alphas[i] + beta) * pair.step[j];
    }
    return d;
  }
  bool empty() const { return pairs_.empty(); }

 private:
  struct Pair {
    Vector step, change;
    double rho;
  };
  std::deque<Pair> pairs_;
};

}  // namespace

absl::StatusOr<LinearProbe> LinearProbe::Fit(ConstMatrix rows,
                                             std::span<const std::uint32_t> classes,
                                             std::size_t class_count, std::stop_token stop) {
  Problem problem(rows, classes, class_count);
  const double tolerance = kTolerance * static_cast<double>(problem.rows());
  Vector weights(problem.size()), gradient, next_gradient;
  double loss = problem.LossAndGradient(weights, gradient);
  History history;
  for (int i = 0; i < kMaxIterations; ++i) {
    if (stop.stop_requested()) return absl::CancelledError("evaluation was stopped");
    const double steepest = std::sqrt(Dot(gradient, gradient));
    if (steepest <= tolerance) break;
    const Vector direction = history.Direction(gradient);
    const double slope = Dot(direction, gradient);
    double length = history.empty() ? 1 / steepest : 1;
    Vector next = weights;
    double next_loss = loss;
    int halvings = 0;
    for (; halvings < kMaxHalvings; ++halvings, length /= 2) {
      for (std::size_t j = 0; j < next.size(); ++j) next[j] = weights[j] + length * direction[j];
      next_loss = problem.LossAndGradient(next, next_gradient);
      if (next_loss <= loss + 1e-4 * length * slope) break;
    }
    if (halvings == kMaxHalvings) break;  // as far as float32 goes
    Vector step(next.size()), change(next.size());
    for (std::size_t j = 0; j < next.size(); ++j) {
      step[j] = next[j] - weights[j];
      change[j] = next_gradient[j] - gradient[j];
    }
    history.Add(std::move(step), std::move(change));
    weights = std::move(next);
    gradient = next_gradient;
    loss = next_loss;
  }
  return LinearProbe(class_count, std::move(weights));
}

std::uint32_t LinearProbe::Predict(std::span<const float> row) const {
  std::vector<double> scores(weights_.end() - static_cast<std::ptrdiff_t>(class_count_),
                             weights_.end());
  for (std::size_t i = 0; i < row.size(); ++i) {
    for (std::size_t c = 0; c < class_count_; ++c) {
      scores[c] += row[i] * weights_[i * class_count_ + c];
    }
  }
  return static_cast<std::uint32_t>(std::max_element(scores.begin(), scores.end()) -
                                    scores.begin());
}

}  // namespace latent
