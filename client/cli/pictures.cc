#include "client/cli/pictures.h"

#include <algorithm>
#include <cmath>

#include "core/base/status.h"
#include "core/picture/png.h"

namespace latent::cli {

float RowLook::Shown(float value) const {
  return static_cast<float>((value - black) / (white - black));
}

absl::StatusOr<RowLook> LookOf(Context& context, const Target& target) {
  v1::GetModelVersionRequest request;
  request.set_model(target.selector().model());
  request.set_version(target.answered_by().version());
  LATENT_ASSIGN_OR_RETURN(const auto response,
                          context.client().GetModelVersion(request, context.Call()));
  const v1::DatasetSchema& data = response.version().plan().data();
  const std::vector<std::uint32_t> row_shape(data.row_shape().begin(), data.row_shape().end());
  RowLook look;
  LATENT_ASSIGN_OR_RETURN(look.shape, ImageShapeOf(row_shape));
  const bool unit = data.train_min() >= 0 && data.train_max() <= 1;
  if (!unit && data.train_max() > data.train_min()) {
    look.black = data.train_min();
    look.white = data.train_max();
  }
  return look;
}

absl::StatusOr<Canvas> StripsCanvas(const RowLook& look, const std::vector<Strip>& strips,
                                    std::size_t limit, const GridOptions& options) {
  std::vector<std::vector<float>> shown;
  std::vector<ImageLine> lines;
  for (const Strip& strip : strips) {
    if (strip.rows->columns != look.shape.cells()) {
      return absl::InvalidArgumentError("--image: the rows are of another shape than the model's");
    }
    const auto cells = strip.rows->Rows(0, std::min(limit, strip.rows->rows()));
    std::vector<float>& copy = shown.emplace_back(cells.begin(), cells.end());
    if (!strip.heat) {
      for (float& cell : copy) cell = look.Shown(cell);
    }
    lines.push_back({.caption = strip.caption, .cells = {}, .heat = strip.heat});
  }
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i].cells = shown[i];
  return DrawImageGrid(look.shape, lines, options);
}

absl::Status DrawStrips(const RowLook& look, const std::vector<Strip>& strips, std::size_t limit,
                        const GridOptions& options, const std::string& path) {
  LATENT_ASSIGN_OR_RETURN(const Canvas canvas, StripsCanvas(look, strips, limit, options));
  return WritePng(canvas, path);
}

absl::StatusOr<Matrix> FetchRows(Context& context, const Target& target, const RowSource& source,
                                 std::size_t count) {
  count = std::min(count, source.rows());
  if (source.cells()) {
    const auto cells = source.cells()->Rows(0, count);
    return Matrix{.columns = source.cells()->columns, .cells = {cells.begin(), cells.end()}};
  }
  Matrix matrix;
  const std::size_t step = source.rows_per_request();
  for (std::size_t first = 0; first < count; first += step) {
    v1::DenoiseRequest request;
    *request.mutable_model() = target.selector();
    *request.mutable_rows() = source.Slice(first, std::min(step, count - first));
    source.AddLabels(first, std::min(step, count - first), &request);
    request.mutable_add_noise()->set_kind(v1::AddNoise::KIND_GAUSSIAN);
    LATENT_ASSIGN_OR_RETURN(const auto response,
                            context.client().Denoise(std::move(request), context.Call()));
    LATENT_RETURN_IF_ERROR(matrix.Append(response.noisy_rows()));
  }
  return matrix;
}

Matrix AbsoluteError(const RowLook& look, const Matrix& a, const Matrix& b) {
  Matrix error{.columns = a.columns, .cells = {}};
  for (std::size_t i = 0; i < std::min(a.cells.size(), b.cells.size()); ++i) {
    error.cells.push_back(std::abs(look.Shown(a.cells[i]) - look.Shown(b.cells[i])));
  }
  return error;
}

double MeanSquaredError(const Matrix& a, const Matrix& b, bool clip) {
  double sum = 0;
  for (std::size_t i = 0; i < a.cells.size(); ++i) {
    const double other = clip ? std::clamp(b.cells[i], 0.0f, 1.0f) : b.cells[i];
    const double difference = a.cells[i] - other;
    sum += difference * difference;
  }
  return sum / static_cast<double>(std::max<std::size_t>(a.cells.size(), 1));
}

double Psnr(double mse) { return 10 * std::log10(1 / mse); }

}  // namespace latent::cli
