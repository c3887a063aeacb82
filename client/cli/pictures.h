// Pictures of a model's rows. Functions that ask the server; main thread.
#ifndef LATENT_CLIENT_CLI_PICTURES_H_
#define LATENT_CLIENT_CLI_PICTURES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/answer.h"
#include "client/cli/context.h"
#include "client/cli/matrix.h"
#include "client/cli/row_source.h"
#include "core/picture/plots.h"

namespace latent::cli {

// How rows of the version that answered are shown: their shape, and the range of values that goes
// from black to white ([0, 1] where the training rows lie in it, else their own range).
struct RowLook {
  ImageShape shape;
  double black = 0, white = 1;
  float Shown(float value) const;
};
absl::StatusOr<RowLook> LookOf(Context& context, const Target& target);

// Rows under one caption.
struct Strip {
  std::string caption;
  const Matrix* rows;
  bool heat = false;  // already a magnitude from 0 to 1
};
// The first `limit` rows of each strip.
absl::StatusOr<Canvas> StripsCanvas(const RowLook& look, const std::vector<Strip>& strips,
                                    std::size_t limit, const GridOptions& options);
absl::Status DrawStrips(const RowLook& look, const std::vector<Strip>& strips, std::size_t limit,
                        const GridOptions& options, const std::string& path);

// The cells of a source's first `count` rows. Those of a dataset are not sent as such: the model
// named adds noise of level 0 to them and returns them.
absl::StatusOr<Matrix> FetchRows(Context& context, const Target& target, const RowSource& source,
                                 std::size_t count);

// |a - b| as shares of the look's range.
Matrix AbsoluteError(const RowLook& look, const Matrix& a, const Matrix& b);

// Mean squared difference over all cells, `b` clipped to [0, 1] where `clip`.
double MeanSquaredError(const Matrix& a, const Matrix& b, bool clip);
// 10 log10(1 / mse), dB, for values from 0 to 1.
double Psnr(double mse);

}  // namespace latent::cli

#endif  // LATENT_CLIENT_CLI_PICTURES_H_
