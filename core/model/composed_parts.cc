#include "core/model/composed_parts.h"

#include <algorithm>
#include <cmath>

#include "core/model/penalty.h"
#include "core/model/workspace.h"

LATENT_NUMERICS_BEGIN
namespace {

std::vector<double> Rounded(std::vector<double> values) {
  for (double& v : values) v = static_cast<double>(static_cast<Real>(v));
  return values;
}

bool ReadsTransposed(const v1::ModelSpec& spec, const Network& network) {
  const auto transposed = [](const NetworkLayer& layer) { return layer.transposed; };
  return spec.tied_weights() ||
         std::any_of(network.encoder.begin(), network.encoder.end(), transposed) ||
         std::any_of(network.decoder.begin(), network.decoder.end(), transposed);
}

// Whether layers multiply by it.
bool IsPacked(const ParameterSegment& segment) { return segment.matrix && segment.trained; }

std::size_t ChunkRows(const Network& network) {
  std::size_t widest = 1;
  for (const NetworkLayer& layer : network.encoder) widest = std::max(widest, layer.outputs);
  for (const NetworkLayer& layer : network.decoder) widest = std::max(widest, layer.inputs);
  return std::clamp<std::size_t>((std::size_t{1} << 18) / widest, 8, 256);
}

ColumnStatistics RoundedStatistics(const ColumnStatistics& s) {
  std::vector<double> variance = s.variance;
  for (double& v : variance) {
    const auto deviation = static_cast<double>(static_cast<Real>(std::sqrt(v)));
    v = deviation * deviation;
  }
  return {.rows = s.rows,
          .min = Rounded(s.min),
          .max = Rounded(s.max),
          .mean = Rounded(s.mean),
          .variance = variance};
}

ColumnScaling ScalingOf(const v1::ModelSpec& spec, const ColumnStatistics& statistics,
                        const RowLikelihood& likelihood) {
  ColumnScaling scaling(spec.scaling(), statistics);
  for (const ColumnSpan& columns : likelihood.unscaled()) {
    scaling.LeaveAsIs(columns.first, columns.count);
  }
  return scaling;
}

std::vector<std::optional<CellRange>> RangesOf(const RowLikelihood& likelihood,
                                               std::size_t columns) {
  std::vector<std::optional<CellRange>> ranges;
  bool any = false;
  for (std::size_t c = 0; c < columns; ++c) {
    ranges.push_back(likelihood.range(c));
    any = any || ranges.back().has_value();
  }
  if (!any) ranges.clear();
  return ranges;
}

}  // namespace

ComposedAutoencoder::Parts::Parts(const v1::ModelSpec& model_spec,
                                  const ColumnStatistics& column_statistics, ModelUse use)
    : spec(model_spec),
      statistics(RoundedStatistics(column_statistics)),
      network(BuildNetwork(spec, statistics.mean.size(), &parameters)),
      condition(spec.condition()),
      likelihood(MakeLikelihood(spec.likelihood(), statistics.mean.size(), &parameters)),
      scaling(ScalingOf(spec, statistics, *likelihood)),
      extremes(statistics, scaling),
      means(statistics.mean.begin(), statistics.mean.end()),
      ranges(RangesOf(*likelihood, statistics.mean.size())),
      pack_backward(ReadsTransposed(spec, network)),
      chunk_rows(ChunkRows(network)) {
  if (use == ModelUse::kTraining) {
    parameters.Allocate();
  } else {
    parameters.AllocateSome([](const ParameterSegment& segment) { return !IsPacked(segment); });
  }
  packed.resize(parameters.segments().size());
}

void ComposedAutoencoder::Parts::PackWeight(std::size_t segment, std::size_t first,
                                            std::size_t count) {
  const ConstMatrix rows =
      static_cast<const ParameterSet&>(parameters).matrix(segment).slice_rows(first, count);
  if (pack_backward) {
    packed[segment].PackRows(rows, first);
  } else {
    packed[segment].forward.PackRows(rows, first);
  }
}

void ComposedAutoencoder::Parts::PackAll() {
  for (std::size_t i = 0; i < packed.size(); ++i) {
    const ParameterSegment& segment = parameters.segment(i);
    if (!IsPacked(segment) || !segment.held) continue;
    packed[i].forward.Resize(segment.rows, segment.columns);
    if (pack_backward) packed[i].backward.Resize(segment.columns, segment.rows);
    PackWeight(i, 0, segment.rows);
  }
}

ConstMatrix ComposedAutoencoder::Parts::Weights(std::size_t segment, AlignedBuffer& scratch) const {
  const ParameterSegment& s = parameters.segment(segment);
  if (s.held) return parameters.matrix(segment);
  const Matrix weights = scratch.Shape(s.rows, s.columns);
  for (std::size_t r = 0; r < s.rows; ++r) {
    for (std::size_t c = 0; c < s.columns; ++c) {
      weights(r, c) = packed[segment].forward.at(r, c);
    }
  }
  return weights;
}

void ComposedAutoencoder::Parts::ApplyUnitNorm() {
  if (!spec.penalties().unit_norm_decoder()) return;
  // The weights that leave one code entry are a row of W, and a column where W is borrowed.
  const NetworkLayer& layer = network.decoder.front();
  NormaliseVectors(parameters.matrix(layer.weight), layer.transposed);
}

void ComposedAutoencoder::Parts::FillMissing(std::span<Real> row) const {
  for (const ColumnSpan& columns : likelihood->unscaled()) {
    const std::span<Real> run = row.subspan(columns.first, columns.count);
    if (std::any_of(run.begin(), run.end(), [](Real x) { return std::isnan(x); })) {
      std::fill(run.begin(), run.end(), Real{0});
    }
  }
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (std::isnan(row[c])) row[c] = means[c];
  }
}

std::span<const std::uint32_t> ComposedAutoencoder::Parts::ClassesOf(const LabelledRows& rows,
                                                                     Workspace& ws) const {
  if (condition.classes() == 0) return {};
  std::vector<std::uint32_t>& classes = ws.buffers().classes;
  if (classes.size() < rows.rows) classes.resize(rows.rows);
  const std::span<std::uint32_t> own = std::span(classes).first(rows.rows);
  condition.ClassesOf(rows.labels, own);
  return own;
}

LayerRunner ComposedAutoencoder::Parts::row_runner(std::span<const std::uint32_t> classes,
                                                   Workspace& ws) const {
  return {parameters, packed, classes, &ws.buffers().skipper};
}

ConstMatrix ComposedAutoencoder::Parts::RunEncoder(const LayerRunner& run, ConstMatrix scaled,
                                                   Workspace& ws) const {
  ConstMatrix x = scaled;
  std::size_t turn = 0;
  for (const NetworkLayer& layer : network.encoder) {
    const Matrix y = ws.buffers().hidden[turn++ % 2].Shape(x.rows, layer.outputs);
    run(layer, x, y);
    x = y;
  }
  return x;
}

Matrix ComposedAutoencoder::Parts::RunDecoder(const LayerRunner& run, ConstMatrix codes,
                                              Workspace& ws) const {
  ConstMatrix x = network.latent->DecoderInput(run, codes, ws);
  Matrix y;
  std::size_t turn = 0;
  for (const NetworkLayer& layer : network.decoder) {
    y = ws.buffers().hidden[turn++ % 2].Shape(x.rows, layer.outputs);
    run(layer, x, y);
    x = y;
  }
  return y;
}

LATENT_NUMERICS_END
