// Mean and standard error of numbers that come one after another, in float64. A value.
#ifndef LATENT_CORE_EVAL_MEAN_H_
#define LATENT_CORE_EVAL_MEAN_H_

#include <cmath>
#include <cstdint>
#include <optional>

namespace latent {

// Welford's update: stable where the spread is small beside the mean.
class Mean {
 public:
  void Add(double value) {
    ++count_;
    const double delta = value - mean_;
    mean_ += delta / static_cast<double>(count_);
    squares_ += delta * (value - mean_);
  }
  std::uint64_t count() const { return count_; }
  double mean() const { return mean_; }
  // Divided by N.
  double variance() const { return count_ == 0 ? 0 : squares_ / static_cast<double>(count_); }
  // Of the mean; absent for fewer than two numbers.
  std::optional<double> standard_error() const {
    if (count_ < 2) return std::nullopt;
    const auto n = static_cast<double>(count_);
    return std::sqrt(squares_ / (n - 1) / n);
  }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace latent

#endif  // LATENT_CORE_EVAL_MEAN_H_
