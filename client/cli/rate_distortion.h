// What codes cost and keep when their entries are rounded more and more coarsely. Pure functions;
// any thread. Not its job: what the rounded codes decode to.
#ifndef LATENT_CLIENT_CLI_RATE_DISTORTION_H_
#define LATENT_CLIENT_CLI_RATE_DISTORTION_H_

#include <span>

#include "client/cli/matrix.h"

namespace latent::cli {

struct RoundedCodes {
  Matrix codes;
  // Bits a row if each entry is coded by itself at the entropy of its steps over these rows.
  double bits = 0;
};

// Entry i rounded to mean[i] + a whole number times step * deviation[i], step > 0. Entries that do
// not vary stay as they are and cost nothing.
RoundedCodes RoundCodes(const Matrix& codes, std::span<const double> mean,
                        std::span<const double> deviation, double step);

// Mean squared difference over the cells of `rows` that are not NaN; both of one shape.
double KnownSquaredError(const Matrix& rows, const Matrix& decoded);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_RATE_DISTORTION_H_
