#include "core/model/layer_pass.h"

#include <algorithm>

#include "core/nn/dense.h"

LATENT_NUMERICS_BEGIN

std::uint64_t CellsOf(const NetworkLayer& layer, std::uint64_t factor) {
  const std::uint64_t inner = DerivativeNeedsInput(layer.activation) ? layer.outputs : 0;
  if (layer.convolution) {
    const std::uint64_t panels =
        (layer.narrow() + PackedMatrix::kPanelColumns - 1) / PackedMatrix::kPanelColumns;
    const std::uint64_t packed = layer.places() * panels * PackedMatrix::kPanelColumns;
    return factor * (2 * layer.outputs + packed + inner);
  }
  return factor * (3 * std::max(layer.inputs, layer.outputs) + inner);
}

void LayerPass::WeightGradient(std::size_t batch_rows, std::size_t first, bool accumulate,
                               Matrix dw) const {
  if (layer->convolution) {
    ConvolutionWeightGradient(*layer->convolution, Left(batch_rows), packed, first, accumulate, dw);
  } else {
    DenseWeightGradient(Left(batch_rows), packed, first, accumulate, dw);
  }
}

PassContext::PassContext(const v1::ModelSpec& model_spec, const ParameterSet& model_parameters,
                         const std::vector<DensePacked>& model_packed, std::size_t batch_limit)
    : spec(model_spec), parameters(model_parameters), packed(model_packed), max_batch(batch_limit) {
  for (std::vector<double>* sums :
       {&reconstruction, &kl, &charged, &l1, &l2, &contractive, &dead}) {
    sums->resize(max_batch);
  }
}

void PassContext::Attach(LayerPass& pass, const NetworkLayer& layer, const AlignedBuffer* input,
                         std::size_t factor) const {
  pass.layer = &layer;
  pass.row_factor = factor;
  pass.input = input;
  if (input == row_buffer) pass.sparse = sparse.get();
  const std::size_t outputs = pass.sample == nullptr ? layer.outputs : pass.sample->most();
  pass.output.Resize(max_batch * factor * outputs);
  if (DerivativeNeedsInput(layer.activation)) {
    pass.inner.Resize(max_batch * factor * layer.outputs);
  }
  pass.delta.Resize(max_batch * factor * outputs);
  pass.ResizePacked(max_batch);
}

void PassContext::Run(LayerPass& pass, std::size_t first, std::size_t count) const {
  const std::size_t begin = first * pass.row_factor;
  const std::size_t n = count * pass.row_factor;
  const Matrix y = pass.View(pass.output, rows).slice_rows(begin, n);
  const RowClasses row_classes = ClassesOf(first, count, pass.row_factor);
  const bool keeps_inner = DerivativeNeedsInput(pass.layer->activation);
  const Matrix inner = keeps_inner ? pass.View(pass.inner, rows).slice_rows(begin, n) : y;
  if (pass.sparse != nullptr) {
    const ConstMatrix weights = parameters.matrix(pass.layer->weight);
    const std::span<const Real> bias = parameters.span(pass.layer->bias);
    for (std::size_t r = 0; r < n; ++r) {
      SparseRowForward(pass.sparse->settled(begin + r), weights, bias, inner.row(r));
    }
    AddLabelBiases(*pass.layer, parameters, row_classes, inner);
    if (!keeps_inner) Activate(pass.layer->activation, y);
  } else {
    const ConstMatrix x = pass.Input(rows).slice_rows(begin, n);
    if (pass.sample != nullptr) {
      DenseForward(x, pass.sample->forward(), pass.sample->bias(), Activation::kIdentity, y);
    } else if (!keeps_inner) {
      RunLayer(*pass.layer, parameters, packed, x, y, row_classes);
    } else {
      RunAffine(*pass.layer, parameters, packed, x, inner, row_classes);
    }
  }
  if (!keeps_inner) return;
  std::copy_n(inner.data, n * inner.columns, y.data);
  Activate(pass.layer->activation, y);
}

// Each class's is the sum over its rows, in row order, of the deltas of all places.
void PassContext::LabelGradient(const LayerPass& pass, std::size_t first, Matrix out) const {
  std::fill_n(out.data, out.rows * out.columns, Real{0});
  const ConstMatrix deltas = pass.View(pass.delta, rows);
  for (std::size_t r = 0; r < deltas.rows; ++r) {
    const std::size_t row_class = classes[r / pass.row_factor];
    if (row_class < first || row_class >= first + out.rows) continue;
    const std::span<Real> sums = out.row(row_class - first);
    const std::span<const Real> delta = deltas.row(r);
    for (std::size_t place = 0; place < delta.size(); place += sums.size()) {
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += delta[place + i];
    }
  }
}

bool PassContext::SeedPenalty(LayerPass& pass, std::size_t first, std::size_t count) {
  const bool slopes = pass.slopes != nullptr || !pass.unit_slopes.empty();
  if (!pass.penalty.active() && !slopes) return false;
  const auto factor = static_cast<double>(pass.row_factor);
  const auto scale = static_cast<Real>(1.0 / (static_cast<double>(rows) * factor));
  for (std::size_t d = first * pass.row_factor; d < (first + count) * pass.row_factor; ++d) {
    const PenaltySums sums = ChargeActivity(pass.penalty, pass.View(pass.output, rows).row(d),
                                            scale, pass.View(pass.delta, rows).row(d));
    l1[d / pass.row_factor] += sums.l1 / factor;
    l2[d / pass.row_factor] += sums.l2 / factor;
    if (!slopes) continue;
    const std::span<Real> delta = pass.View(pass.delta, rows).row(d);
    for (std::size_t i = 0; i < pass.unit_slopes.size(); ++i) delta[i] += pass.unit_slopes[i];
    if (pass.slopes == nullptr) continue;
    const std::span<const Real> ready = pass.View(*pass.slopes, rows).row(d);
    for (std::size_t i = 0; i < delta.size(); ++i) delta[i] += ready[i];
  }
  return true;
}

const PackedMatrix& PassContext::BackwardWeights(const NetworkLayer& layer) const {
  const DensePacked& weights = packed[layer.weight];
  return layer.transposed ? weights.forward : weights.backward;
}

void PassContext::BackwardData(const LayerPass& upper, std::size_t begin, const NtOptions& options,
                               Matrix dx) const {
  const ConstMatrix dy = upper.View(upper.delta, rows).slice_rows(begin, dx.rows);
  if (upper.sample != nullptr) return DenseBackwardData(dy, upper.sample->backward(), options, dx);
  const PackedMatrix& weights = BackwardWeights(*upper.layer);
  if (!upper.layer->convolution) {
    DenseBackwardData(dy, weights, options, dx);
  } else if (upper.layer->transposed) {
    TransposedBackwardData(*upper.layer->convolution, dy, weights, options, dx);
  } else {
    ConvolutionBackwardData(*upper.layer->convolution, dy, weights, options, dx);
  }
}

void PassContext::CarryBack(const LayerPass& upper, LayerPass& lower, std::size_t first,
                            std::size_t count) {
  const std::size_t begin = first * upper.row_factor;
  const std::size_t n = count * upper.row_factor;
  const NtOptions options{.accumulate = SeedPenalty(lower, first, count),
                          .activation = lower.layer->activation,
                          .outputs = lower.SlopeValues(rows).slice_rows(begin, n)};
  BackwardData(upper, begin, options, lower.View(lower.delta, rows).slice_rows(begin, n));
}

LATENT_NUMERICS_END
