#include "client/cli/rate_distortion.h"

#include <cmath>
#include <cstdint>
#include <map>

namespace latent::cli {

RoundedCodes RoundCodes(const Matrix& codes, std::span<const double> mean,
                        std::span<const double> deviation, double step) {
  RoundedCodes rounded{.codes = codes};
  const auto n = static_cast<double>(codes.rows());
  for (std::size_t i = 0; i < codes.columns; ++i) {
    const double width = step * deviation[i];
    if (!(width > 0)) continue;
    std::map<std::int64_t, double> shares;
    for (std::size_t r = 0; r < codes.rows(); ++r) {
      float& entry = rounded.codes.cells[r * codes.columns + i];
      const double steps = std::round((entry - mean[i]) / width);
      entry = static_cast<float>(mean[i] + steps * width);
      shares[static_cast<std::int64_t>(steps)] += 1 / n;
    }
    for (const auto& [steps, share] : shares) rounded.bits -= share * std::log2(share);
  }
  return rounded;
}

double KnownSquaredError(const Matrix& rows, const Matrix& decoded) {
  double sum = 0, known = 0;
  for (std::size_t i = 0; i < rows.cells.size(); ++i) {
    if (std::isnan(rows.cells[i])) continue;
    const double error = static_cast<double>(rows.cells[i]) - decoded.cells[i];
    sum += error * error;
    ++known;
  }
  return known > 0 ? sum / known : 0;
}

}  // namespace latent::cli
