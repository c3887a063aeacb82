// Sample and Interpolate.
#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status.h"
#include "core/serve/operations.h"

namespace latent {
namespace {

// Cells are drawn under another seed than codes, or their noise would be the codes'.
constexpr std::uint64_t kCellDraws = 0x63656c6c73;  // "cells"
// Below this angle (radians) from equal or opposite directions there is no circle to walk on.
constexpr double kMinAngle = 1e-6;

absl::Status CheckReply(const char* field, std::size_t rows, const Autoencoder& model,
                        const OperationLimits& limits) {
  const std::size_t width = std::max(model.columns(), model.latent_dim());
  if (rows <= limits.rows && rows <= limits.cells / width) return absl::OkStatus();
  ErrorDetails details;
  details.reason = "REPLY_TOO_LARGE";
  details.metadata = {{"limit_rows", absl::StrCat(limits.rows)},
                      {"limit_cells", absl::StrCat(limits.cells)}};
  const std::string why =
      absl::StrCat("expected a reply of at most ", limits.rows, " rows and ", limits.cells,
                   " cells, got ", rows, " rows of ", width, " cells: ask in several calls");
  details.fields.push_back({field, why});
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, ": ", why),
                   std::move(details));
}

double Norm(std::span<const float> v) {
  double sum = 0;
  for (const float x : v) sum += static_cast<double>(x) * x;
  return std::sqrt(sum);
}

// Weights of start and end at t; on a great circle of unit directions times a linear length.
struct Weights {
  double start, end;
};

Weights WeightsAt(double t, InterpolateOperation::Path path, double start_norm, double end_norm,
                  double angle) {
  if (path == InterpolateOperation::Path::kLerp || angle < kMinAngle ||
      angle > std::acos(-1.0) - kMinAngle) {
    return {1 - t, t};
  }
  const double length = (1 - t) * start_norm + t * end_norm;
  return {length * std::sin((1 - t) * angle) / std::sin(angle) / start_norm,
          length * std::sin(t * angle) / std::sin(angle) / end_norm};
}

double AngleBetween(std::span<const float> a, std::span<const float> b, double norms) {
  if (norms == 0) return 0;
  double dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i) dot += static_cast<double>(a[i]) * b[i];
  return std::acos(std::clamp(dot / norms, -1.0, 1.0));
}

}  // namespace

SampleOperation::SampleOperation(ModelPtr model, Options options)
    : Operation(std::move(model)),
      options_(std::move(options)),
      codes_(options_.count, this->model().model().latent_dim()),
      rows_(options_.count, this->model().model().columns()) {
  codes_.labels = options_.labels;
}

absl::StatusOr<std::unique_ptr<SampleOperation>> SampleOperation::Make(
    ModelPtr model, Options options, const OperationLimits& limits) {
  LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, "count"));
  if (options.count == 0) return InvalidField("count", "expected at least 1, got 0");
  LATENT_RETURN_IF_ERROR(CheckReply("count", options.count, model->model(), limits));
  if (!(options.temperature >= 0 && options.temperature <= 10)) {
    return InvalidField("temperature", absl::StrCat("expected 0 to 10, got ", options.temperature));
  }
  if (options.labels.size() == 1) options.labels.resize(options.count, options.labels.front());
  LATENT_RETURN_IF_ERROR(CheckLabels(*model, options.labels, options.count));
  return std::unique_ptr<SampleOperation>(
      new SampleOperation(std::move(model), std::move(options)));
}

std::optional<Pass> SampleOperation::Next() {
  if (drawn_ < codes_.rows) {
    const std::size_t first = drawn_, count = std::min(kPassRows, codes_.rows - first);
    const Matrix codes = codes_.view().slice_rows(first, count);
    model().sampler().Draw(options_.seed, options_.temperature, first, codes);
    drawn_ += count;
    Pass pass;
    pass.kind = Pass::Kind::kDecode;
    pass.input = codes_.labelled().slice_rows(first, count);
    pass.outputs.reconstruction = rows_.view().slice_rows(first, count);
    return pass;
  }
  if (!AllFinite("temperature", ConstMatrix(rows_.view()), ConstMatrix(codes_.view())))
    return std::nullopt;
  if (options_.draw) {
    model().model().DrawCells(rows_.view(), DeriveSeed(options_.seed, kCellDraws), 0);
  }
  return std::nullopt;
}

InterpolateOperation::InterpolateOperation(ModelPtr model, Cells ends, Options options)
    : Operation(std::move(model)),
      options_(options),
      ends_(std::move(ends)),
      stage_(options.ends_are_codes ? Stage::kDecode : Stage::kEncode) {
  const Autoencoder& autoencoder = this->model().model();
  const std::size_t points = ends_.rows / 2 * options_.steps;
  codes_ = Cells(points, autoencoder.latent_dim());
  for (std::size_t end = 0; end < ends_.labels.size(); end += 2) {
    codes_.labels.insert(codes_.labels.end(), options_.steps, ends_.labels[end]);
  }
  rows_ = Cells(points, autoencoder.columns());
  if (options_.ends_are_codes) {
    end_codes_ = std::move(ends_);
  } else {
    end_codes_ = Cells(ends_.rows, autoencoder.latent_dim());
  }
}

absl::StatusOr<std::unique_ptr<InterpolateOperation>> InterpolateOperation::Make(
    ModelPtr model, Cells ends, Options options, const OperationLimits& limits) {
  const Autoencoder& autoencoder = model->model();
  const char* field = options.ends_are_codes ? "codes" : "rows";
  LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, field));
  LATENT_RETURN_IF_ERROR(options.ends_are_codes
                             ? CheckCells(field, ends, autoencoder.latent_dim(), model->DebugName())
                             : CheckRows(*model, ends));
  LATENT_RETURN_IF_ERROR(CheckLabels(*model, ends.labels, ends.rows));
  if (ends.rows % 2 != 0) {
    return InvalidField(
        field, absl::StrCat("expected pairs of start and end, an even number, got ", ends.rows));
  }
  for (std::size_t end = 0; end < ends.labels.size(); end += 2) {
    const std::int32_t from = ends.labels[end], to = ends.labels[end + 1];
    if (from == to) continue;
    return InvalidField(
        "labels", absl::StrCat("expected one label for both ends of a pair, got ", from, " and ",
                               to, " for pair ", end / 2, ": no way leads from label to label"));
  }
  if (options.steps < 2 || options.steps > 1024) {
    return InvalidField("steps", absl::StrCat("expected 2 to 1024, got ", options.steps));
  }
  LATENT_RETURN_IF_ERROR(CheckReply("steps", ends.rows / 2 * options.steps, autoencoder, limits));
  return std::unique_ptr<InterpolateOperation>(
      new InterpolateOperation(std::move(model), std::move(ends), options));
}

std::optional<Pass> InterpolateOperation::Next() {
  Pass pass;
  switch (stage_) {
    case Stage::kEncode:
      pass.input = ends_.labelled();
      pass.outputs.codes = end_codes_.view();
      stage_ = Stage::kDecode;
      return pass;
    case Stage::kDecode:
      InterpolateCodes(end_codes_.view(), options_.steps, options_.path, codes_.view());
      pass.kind = Pass::Kind::kDecode;
      pass.input = codes_.labelled();
      pass.outputs.reconstruction = rows_.view();
      stage_ = Stage::kDone;
      return pass;
    case Stage::kDone:
      AllFinite(options_.ends_are_codes ? "codes" : "rows", ConstMatrix(rows_.view()),
                ConstMatrix(codes_.view()));
      break;
  }
  return std::nullopt;
}

void InterpolateCodes(MatrixView<const float> ends, std::uint32_t steps,
                      InterpolateOperation::Path path, MatrixView<float> codes) {
  for (std::size_t pair = 0; pair < ends.rows / 2; ++pair) {
    const std::span<const float> a = ends.row(2 * pair), b = ends.row(2 * pair + 1);
    const double a_norm = Norm(a), b_norm = Norm(b);
    const double angle = AngleBetween(a, b, a_norm * b_norm);
    for (std::uint32_t step = 0; step < steps; ++step) {
      const std::span<float> out = codes.row(pair * steps + step);
      // The ends are copied, so that they decode to the very bits of their reconstructions.
      if (step == 0 || step + 1 == steps) {
        std::copy_n((step == 0 ? a : b).begin(), out.size(), out.begin());
        continue;
      }
      const double t = static_cast<double>(step) / (steps - 1);
      const Weights w = WeightsAt(t, path, a_norm, b_norm, angle);
      for (std::size_t c = 0; c < out.size(); ++c) {
        out[c] = static_cast<float>(w.start * a[c] + w.end * b[c]);
      }
    }
  }
}

}  // namespace latent
