#include "core/eval/ssim.h"

#include <array>
#include <cmath>
#include <vector>

namespace latent {
namespace {

constexpr std::size_t kMaxChannels = 4;

// Weights of one side; the window is their outer product and sums to 1.
const std::array<double, kSsimWindow>& Weights() {
  static const auto kWeights = [] {
    std::array<double, kSsimWindow> weights{};
    double sum = 0;
    for (std::size_t i = 0; i < kSsimWindow; ++i) {
      const double distance = static_cast<double>(i) - (kSsimWindow - 1) / 2.0;
      weights[i] = std::exp(-distance * distance / (2 * 1.5 * 1.5));
      sum += weights[i];
    }
    for (double& weight : weights) weight /= sum;
    return weights;
  }();
  return kWeights;
}

// Weighted means over every window inside an image of height x width: rows first, then columns.
std::vector<double> Filtered(const std::vector<double>& cells, std::size_t height,
                             std::size_t width) {
  const auto& weights = Weights();
  const std::size_t rows = height - kSsimWindow + 1, columns = width - kSsimWindow + 1;
  std::vector<double> half(height * columns), out(rows * columns);
  for (std::size_t y = 0; y < height; ++y) {
    for (std::size_t k = 0; k < kSsimWindow; ++k) {
      for (std::size_t x = 0; x < columns; ++x) {
        half[y * columns + x] += weights[k] * cells[y * width + x + k];
      }
    }
  }
  for (std::size_t y = 0; y < rows; ++y) {
    for (std::size_t k = 0; k < kSsimWindow; ++k) {
      for (std::size_t x = 0; x < columns; ++x) {
        out[y * columns + x] += weights[k] * half[(y + k) * columns + x];
      }
    }
  }
  return out;
}

double ChannelSsim(const std::vector<double>& a, const std::vector<double>& b, std::size_t height,
                   std::size_t width, double range) {
  std::vector<double> aa(a.size()), bb(a.size()), ab(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    aa[i] = a[i] * a[i];
    bb[i] = b[i] * b[i];
    ab[i] = a[i] * b[i];
  }
  const auto mean_a = Filtered(a, height, width), mean_b = Filtered(b, height, width);
  const auto mean_aa = Filtered(aa, height, width), mean_bb = Filtered(bb, height, width);
  const auto mean_ab = Filtered(ab, height, width);
  const double c1 = 0.01 * range * 0.01 * range, c2 = 0.03 * range * 0.03 * range;
  double sum = 0;
  for (std::size_t i = 0; i < mean_a.size(); ++i) {
    const double product = mean_a[i] * mean_b[i];
    const double squares = mean_a[i] * mean_a[i] + mean_b[i] * mean_b[i];
    const double covariance = mean_ab[i] - product;
    const double variances = mean_aa[i] + mean_bb[i] - squares;
    sum += (2 * product + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2));
  }
  return sum / static_cast<double>(mean_a.size());
}

}  // namespace

std::optional<SsimShape> SsimShapeOf(std::span<const std::uint32_t> row_shape) {
  if (row_shape.size() != 2 && row_shape.size() != 3) return std::nullopt;
  const SsimShape shape{row_shape[0], row_shape[1], row_shape.size() == 3 ? row_shape[2] : 1};
  const bool fits = shape.height >= kSsimWindow && shape.width >= kSsimWindow &&
                    shape.channels >= 1 && shape.channels <= kMaxChannels;
  return fits ? std::optional(shape) : std::nullopt;
}

double Ssim(const SsimShape& shape, std::span<const float> a, std::span<const float> b,
            double range) {
  const std::size_t pixels = shape.height * shape.width;
  std::vector<double> one(pixels), other(pixels);
  double sum = 0;
  for (std::size_t channel = 0; channel < shape.channels; ++channel) {
    for (std::size_t i = 0; i < pixels; ++i) {
      one[i] = a[i * shape.channels + channel];
      other[i] = b[i * shape.channels + channel];
    }
    sum += ChannelSsim(one, other, shape.height, shape.width, range);
  }
  return sum / static_cast<double>(shape.channels);
}

}  // namespace latent
