#include "core/model/composed_autoencoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/sha256.h"
#include "core/base/status.h"
#include "core/model/composed_parts.h"
#include "core/model/workspace.h"
#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {

Matrix SliceOf(const Matrix& m, std::size_t first, std::size_t count) {
  return m.data == nullptr ? m : m.slice_rows(first, count);
}

std::span<double> SliceOf(std::span<double> s, std::size_t first, std::size_t count) {
  return s.empty() ? s : s.subspan(first, count);
}

ForwardOutputs SliceOf(const ForwardOutputs& o, std::size_t first, std::size_t n) {
  return {.codes = SliceOf(o.codes, first, n),
          .sigma = SliceOf(o.sigma, first, n),
          .reconstruction = SliceOf(o.reconstruction, first, n),
          .squared_error = SliceOf(o.squared_error, first, n),
          .score = SliceOf(o.score, first, n),
          .reconstruction_nats = SliceOf(o.reconstruction_nats, first, n),
          .kl = SliceOf(o.kl, first, n),
          .feature_nats = SliceOf(o.feature_nats, first, n)};
}

std::span<Real> RowOf(const Matrix& m, std::size_t row) {
  return m.data == nullptr ? std::span<Real>() : m.row(row);
}

bool NeedsDecoder(const ForwardOutputs& o) {
  return o.reconstruction.data != nullptr || !o.squared_error.empty() || !o.score.empty() ||
         !o.reconstruction_nats.empty() || o.feature_nats.data != nullptr;
}

// Calls fn(first, count) for consecutive chunks of `rows`.
template <typename Fn>
void ForChunks(std::size_t rows, std::size_t chunk, const Fn& fn) {
  for (std::size_t first = 0; first < rows; first += chunk) {
    fn(first, std::min(chunk, rows - first));
  }
}

double KnownSquaredError(std::span<const Real> mean, std::span<const Real> row) {
  double squares = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (std::isnan(row[c])) continue;
    const double d = static_cast<double>(mean[c]) - static_cast<double>(row[c]);
    squares += d * d;
  }
  return squares;
}

std::string_view BytesOf(std::span<const Real> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

void HashLayer(const NetworkLayer& layer, ConstMatrix weights, const ParameterSet& parameters,
               Sha256& hash) {
  hash.Update(absl::StrCat(layer.name, ":", layer.inputs, "x", layer.outputs, ":",
                           static_cast<int>(layer.activation), ";"));
  if (layer.convolution) {
    const Convolution& c = *layer.convolution;
    hash.Update(absl::StrCat(layer.transposed ? "transposed:" : "convolution:", c.width, ",",
                             c.channels, ",", c.kernel, ",", c.stride, ",", c.padding, ",",
                             c.map_width, ";"));
  }
  hash.Update(BytesOf({weights.data, weights.rows * weights.columns}));
  hash.Update(BytesOf(parameters.span(layer.bias)));
  if (layer.label_bias) hash.Update(BytesOf(parameters.span(*layer.label_bias)));
}

}  // namespace

Workspace::Workspace() : buffers_(std::make_unique<Buffers>()) {}
Workspace::~Workspace() = default;
Workspace::Workspace(Workspace&&) noexcept = default;
Workspace& Workspace::operator=(Workspace&&) noexcept = default;

ComposedAutoencoder::ComposedAutoencoder(const v1::ModelSpec& spec,
                                         const ColumnStatistics& statistics, ModelUse use)
    : parts_(std::make_unique<Parts>(spec, statistics, use)) {}
ComposedAutoencoder::~ComposedAutoencoder() = default;

std::size_t ComposedAutoencoder::columns() const { return parts_->statistics.mean.size(); }
std::size_t ComposedAutoencoder::latent_dim() const { return parts_->network.latent->dim(); }
bool ComposedAutoencoder::variational() const { return parts_->network.latent->variational(); }
std::optional<Codebook> ComposedAutoencoder::codebook() const {
  const std::optional<CodebookPlace> place = parts_->network.latent->codebook();
  if (!place) return std::nullopt;
  return Codebook{.groups = place->groups, .vectors = parameters().matrix(place->segment)};
}
const v1::ModelSpec& ComposedAutoencoder::spec() const { return parts_->spec; }
bool ComposedAutoencoder::takes_missing() const { return parts_->likelihood->takes_missing(); }
std::span<const Real> ComposedAutoencoder::column_means() const { return parts_->means; }
const ColumnStatistics& ComposedAutoencoder::statistics() const { return parts_->statistics; }
ParameterSet& ComposedAutoencoder::parameters() { return parts_->parameters; }
const ParameterSet& ComposedAutoencoder::parameters() const { return parts_->parameters; }
void ComposedAutoencoder::RefreshPacked() { parts_->PackAll(); }

void ComposedAutoencoder::PackTransposed(std::size_t segment, ConstMatrix transposed) {
  DensePacked& weights = parts_->packed[segment];
  weights.forward.PackTransposed(transposed);
  if (parts_->pack_backward) weights.backward.Pack(transposed);
}

std::unique_ptr<Autoencoder> ComposedAutoencoder::Narrowed(WeightFormat format) const {
  auto copy = std::make_unique<ComposedAutoencoder>(spec(), statistics(), ModelUse::kServing);
  AlignedBuffer scratch;
  for (std::size_t i = 0; i < parameters().segments().size(); ++i) {
    const ConstMatrix weights = parts_->Weights(i, scratch);
    if (copy->parameters().segment(i).held) {
      for (std::size_t r = 0; r < weights.rows; ++r) {
        std::ranges::copy(weights.row(r), copy->parameters().matrix(i).row(r).begin());
      }
      continue;
    }
    DensePacked& packed = copy->parts_->packed[i];
    packed.forward.Pack(weights);
    packed.forward.Narrow(format);
    if (!copy->parts_->pack_backward) continue;
    packed.backward.PackTransposed(weights);
    packed.backward.Narrow(format);
  }
  copy->RefreshPacked();
  return copy;
}

std::uint64_t ComposedAutoencoder::weight_bytes() const {
  std::uint64_t bytes = parameters().values().size_bytes();
  for (const DensePacked& weights : parts_->packed) {
    bytes += weights.forward.bytes() + weights.backward.bytes();
  }
  return bytes;
}

std::string ComposedAutoencoder::LatentSpaceId() const {
  Sha256 hash;
  const LatentPart& latent = *parts_->network.latent;
  hash.Update(absl::StrCat(std::string(latent.name()), ":", latent_dim(), ";"));
  if (!parts_->scaling.invertible()) hash.Update("l2_row;");
  for (std::size_t c = 0; c < columns(); ++c) {
    const std::array<Real, 2> map = {parts_->scaling.shift(c), parts_->scaling.scale(c)};
    hash.Update(BytesOf(map));
  }
  for (const std::int32_t label : parts_->condition.labels()) {
    hash.Update(absl::StrCat("label:", label, ";"));
  }
  AlignedBuffer scratch;
  const auto add = [&](const NetworkLayer& layer) {
    HashLayer(layer, parts_->Weights(layer.weight, scratch), parameters(), hash);
  };
  std::ranges::for_each(parts_->network.encoder, add);
  std::ranges::for_each(latent.layers().first(latent.encoding_layers()), add);
  if (const auto place = latent.codebook()) {
    hash.Update("codebook;");
    hash.Update(BytesOf(parameters().span(place->segment)));
  }
  return hash.Finish().substr(0, 16);
}

// Everything that compares rows with their reconstructions. `parameters` is overwritten.
void ComposedAutoencoder::Judge(ConstMatrix rows, ConstMatrix target, Matrix parameters,
                                const ForwardOutputs& outputs) const {
  const RowLikelihood& likelihood = *parts_->likelihood;
  const bool nats_wanted = !outputs.score.empty() || !outputs.reconstruction_nats.empty() ||
                           outputs.feature_nats.data != nullptr;
  const bool mean_wanted = outputs.reconstruction.data != nullptr || !outputs.squared_error.empty();
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<Real> cells = parameters.row(r);
    if (nats_wanted) {
      const double nats =
          likelihood.Nats(cells, target.row(r), 0, {}, RowOf(outputs.feature_nats, r));
      if (!outputs.reconstruction_nats.empty()) outputs.reconstruction_nats[r] = nats;
      if (!outputs.score.empty()) outputs.score[r] += nats;
    }
    if (!mean_wanted) continue;
    const bool keep = outputs.reconstruction.data != nullptr;
    const std::span<Real> mean = keep ? outputs.reconstruction.row(r) : cells;
    likelihood.ToMean(cells);
    parts_->scaling.Invert(cells, mean);
    if (!outputs.squared_error.empty()) {
      outputs.squared_error[r] = takes_missing() ? KnownSquaredError(mean, rows.row(r))
                                                 : SquaredError(mean, rows.row(r), 0, {});
    }
  }
}

ConstMatrix ComposedAutoencoder::Scaled(ConstMatrix rows, Workspace& ws) const {
  if (parts_->scaling.identity()) return rows;
  const Matrix scaled = ws.buffers().scaled.Shape(rows.rows, rows.columns);
  ScaleRows(rows, scaled);
  return scaled;
}

ConstMatrix ComposedAutoencoder::Input(ConstMatrix rows, ConstMatrix scaled, Workspace& ws) const {
  if (!takes_missing()) return scaled;
  const Matrix filled = ws.buffers().filled.Shape(rows.rows, rows.columns);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<Real> row = filled.row(r);
    std::copy(rows.row(r).begin(), rows.row(r).end(), row.begin());
    parts_->FillMissing(row);
    parts_->scaling.Apply(row, row);
  }
  return filled;
}

ConstMatrix ComposedAutoencoder::Target(ConstMatrix rows, ConstMatrix scaled) const {
  return parts_->scaling.invertible() ? scaled : rows;
}

void ComposedAutoencoder::Forward(const LabelledRows& rows, const ForwardOutputs& outputs,
                                  Workspace& ws) const {
  ForChunks(rows.rows, parts_->chunk_rows, [&](std::size_t first, std::size_t count) {
    const LabelledRows chunk = rows.slice_rows(first, count);
    const LayerRunner run = parts_->row_runner(parts_->ClassesOf(chunk, ws), ws);
    const ForwardOutputs out = SliceOf(outputs, first, count);
    const ConstMatrix scaled = Scaled(chunk, ws);
    const ConstMatrix hidden = parts_->RunEncoder(run, Input(chunk, scaled, ws), ws);
    const Matrix codes =
        out.codes.data != nullptr ? out.codes : ws.buffers().code.Shape(count, latent_dim());
    const LatentPart& latent = *parts_->network.latent;
    latent.Encode(run, hidden, codes, ws);
    std::fill(out.score.begin(), out.score.end(), 0.0);
    std::fill(out.kl.begin(), out.kl.end(), 0.0);
    const bool posterior = out.sigma.data != nullptr || !out.score.empty() || !out.kl.empty();
    if (posterior) latent.Posterior(run, hidden, codes, out, ws);
    if (!NeedsDecoder(out)) return;
    Judge(chunk, Target(chunk, scaled), parts_->RunDecoder(parts_->runner(run.classes), codes, ws),
          out);
  });
}

void ComposedAutoencoder::Decode(const LabelledRows& codes, Matrix rows, Workspace& ws) const {
  const RowLikelihood& likelihood = *parts_->likelihood;
  ForChunks(codes.rows, parts_->chunk_rows, [&](std::size_t first, std::size_t count) {
    const LabelledRows chunk = codes.slice_rows(first, count);
    const LayerRunner run = parts_->runner(parts_->ClassesOf(chunk, ws));
    const Matrix parameters = parts_->RunDecoder(run, chunk, ws);
    for (std::size_t r = 0; r < count; ++r) {
      likelihood.ToMean(parameters.row(r));
      parts_->scaling.Invert(parameters.row(r), rows.row(first + r));
    }
  });
}

void ComposedAutoencoder::ReconstructionNats(const LabelledRows& rows, ConstMatrix codes,
                                             std::span<double> nats, Workspace& ws) const {
  ForChunks(rows.rows, parts_->chunk_rows, [&](std::size_t first, std::size_t count) {
    const LabelledRows chunk = rows.slice_rows(first, count);
    const ConstMatrix target = Target(chunk, Scaled(chunk, ws));
    const LayerRunner run = parts_->runner(parts_->ClassesOf(chunk, ws));
    const Matrix parameters = parts_->RunDecoder(run, codes.slice_rows(first, count), ws);
    Judge(chunk, target, parameters, {.reconstruction_nats = nats.subspan(first, count)});
  });
}

absl::Status ComposedAutoencoder::CheckTargets(ConstMatrix rows, std::size_t first_row) const {
  // Scaling rounds.
  constexpr auto kSlack = static_cast<Real>(1e-4);
  const std::vector<std::optional<CellRange>>& ranges = parts_->ranges;
  if (ranges.empty()) return absl::OkStatus();
  std::vector<Real> scaled(rows.columns);
  // Nothing is known of a missing cell (NaN) that could be wrong.
  const auto fits = [&](std::size_t c) {
    return !ranges[c] ||
           !(scaled[c] < ranges[c]->least - kSlack || scaled[c] > ranges[c]->greatest + kSlack);
  };
  for (std::size_t r = 0; r < rows.rows; ++r) {
    parts_->scaling.ApplyToTarget(rows.row(r), scaled);
    std::size_t column = 0;
    while (column < rows.columns && fits(column)) ++column;
    if (column == rows.columns) continue;
    const std::optional<CellRange>& range = ranges[column];
    const auto unscaled = [&](Real cell) {
      return cell * parts_->scaling.scale(column) + parts_->scaling.shift(column);
    };
    return InvalidField(
        "rows", absl::StrCat("expected cells that the model's likelihood knows, here from ",
                             unscaled(range->least), " to ", unscaled(range->greatest), ", got ",
                             rows(r, column), " in row ", first_row + r, ", column ", column,
                             "; send rows in the range of the training data, or train with "
                             "likelihood gaussian"));
  }
  return absl::OkStatus();
}

void ComposedAutoencoder::DrawCells(Matrix rows, std::uint64_t seed,
                                    std::uint64_t first_row) const {
  const RowLikelihood& likelihood = *parts_->likelihood;
  const std::uint64_t cell_seed = SeedFor(RandomPurpose::kCellDraws, seed);
  std::vector<Real> noise(rows.columns);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    parts_->scaling.ApplyToTarget(rows.row(r), rows.row(r));
    likelihood.Draw({.seed = cell_seed, .sample = first_row + r}, rows.row(r), noise);
    parts_->scaling.Invert(rows.row(r), rows.row(r));
  }
}

absl::Status ComposedAutoencoder::Corrupt(ConstMatrix rows, const v1::Corruption& corruption,
                                          std::uint64_t seed, Matrix noisy) const {
  LATENT_RETURN_IF_ERROR(CheckCorruption(corruption));
  const std::uint64_t noise_seed = SeedFor(RandomPurpose::kRequestCorruption, seed);
  std::vector<Real> noise(rows.columns);
  const bool changes = ChangesRows(corruption);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    const std::span<Real> out = noisy.row(r);
    std::copy(rows.row(r).begin(), rows.row(r).end(), out.begin());
    if (!changes) continue;
    parts_->scaling.ApplyToTarget(out, out);
    CorruptRow(corruption, parts_->extremes, {.seed = noise_seed, .sample = r}, out, noise);
    parts_->scaling.Invert(out, out);
    for (std::size_t c = 0; c < out.size(); ++c) {
      if (std::isnan(rows(r, c))) out[c] = rows(r, c);  // missing stays missing
    }
  }
  return absl::OkStatus();
}

void ComposedAutoencoder::ScaleRows(ConstMatrix rows, Matrix scaled) const {
  for (std::size_t r = 0; r < rows.rows; ++r) parts_->scaling.Apply(rows.row(r), scaled.row(r));
}

absl::Status ComposedAutoencoder::SetLinear(MatrixView<const double> components,
                                            std::span<const double> mean) {
  const Network& network = parts_->network;
  const bool linear = network.encoder.empty() && network.decoder.size() == 1 &&
                      !network.decoder.front().convolution && !variational() &&
                      network.latent->code().activation == Activation::kIdentity &&
                      parts_->spec.likelihood().has_gaussian();
  if (!linear || components.rows != latent_dim() || components.columns != columns()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "a closed-form solution of ", components.rows, " components of ", components.columns,
        " columns needs a deterministic model of that shape with identity activation, Gaussian "
        "likelihood and no hidden layers"));
  }
  const NetworkLayer& output = network.decoder.front();
  const Matrix encoder = parts_->parameters.matrix(network.latent->code().weight);
  const Matrix decoder = parts_->parameters.matrix(output.weight);
  for (std::size_t k = 0; k < components.rows; ++k) {
    double offset = 0;
    for (std::size_t c = 0; c < components.columns; ++c) {
      const double w = components(k, c);
      offset += w * mean[c];
      encoder(c, k) = static_cast<Real>(w);
      if (!output.transposed) decoder(k, c) = static_cast<Real>(w);
    }
    parts_->parameters.span(network.latent->code().bias)[k] = static_cast<Real>(-offset);
  }
  const std::span<Real> bias = parts_->parameters.span(output.bias);
  for (std::size_t c = 0; c < mean.size(); ++c) bias[c] = static_cast<Real>(mean[c]);
  RefreshPacked();
  return absl::OkStatus();
}

void DrawCodes(ConstMatrix mean, ConstMatrix sigma, std::uint64_t seed, std::uint64_t first_row,
               Matrix draws) {
  const std::uint64_t draw_seed = SeedFor(RandomPurpose::kPosteriorDraws, seed);
  std::vector<Real> noise(mean.columns);
  for (std::size_t r = 0; r < mean.rows; ++r) {
    FillNormal({.seed = draw_seed, .sample = first_row + r}, noise);
    for (std::size_t c = 0; c < mean.columns; ++c) {
      draws(r, c) = mean(r, c) + sigma(r, c) * noise[c];
    }
  }
}

LATENT_NUMERICS_END
