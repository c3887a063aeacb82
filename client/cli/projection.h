// Codes of any width on a plane, for scatters. Pure functions; any thread.
#ifndef LATENT_CLIENT_CLI_PROJECTION_H_
#define LATENT_CLIENT_CLI_PROJECTION_H_

#include <string>
#include <vector>

#include "client/cli/matrix.h"

namespace latent::cli {

struct Plane {
  std::vector<double> x, y;  // one a row
  std::string x_label, y_label;
  // Of codes of two entries or more: the code at (x, y) is origin + x x_axis + y y_axis.
  std::vector<double> origin, x_axis, y_axis;
};

// Codes of two entries as they are, of one entry over their row number, and wider ones on their
// first two principal components, found by orthogonal iteration on the covariance.
Plane ProjectToPlane(const Matrix& codes);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_PROJECTION_H_
