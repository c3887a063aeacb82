#include "core/model/sparse_layer.h"

#include "core/model/corruption.h"
#include "core/nn/activation.h"

LATENT_NUMERICS_BEGIN
namespace {

bool KeepsZeros(const v1::Scaling& scaling) {
  return !scaling.has_min_max() && !scaling.has_standardise();
}

bool KeepsZeros(const v1::Corruption& corruption) {
  return corruption.kind_case() == v1::Corruption::KIND_NOT_SET || corruption.has_none() ||
         corruption.has_masking() || corruption.has_dropout() || !ChangesRows(corruption);
}

bool FirstLayerIsDense(const v1::ModelSpec& spec) {
  if (spec.encoder().layers_size() > 0) return spec.encoder().layers(0).has_dense();
  // Without hidden layers the code's own read the rows; others than these look at them themselves.
  return spec.latent().has_deterministic() || spec.latent().has_gaussian();
}

// Narrower rows are not worth the search, nor are those of which more than one cell in 16 is not 0.
constexpr std::size_t kLeastColumns = 1024;
constexpr std::size_t kShare = 16;

}  // namespace

bool ReadsSparseRows(const v1::ModelSpec& spec) {
  return KeepsZeros(spec.scaling()) && KeepsZeros(spec.corruption()) && FirstLayerIsDense(spec) &&
         spec.binarise() != v1::BINARISE_DYNAMIC && !spec.tied_weights() &&
         !spec.likelihood().has_mixed() && !(spec.penalties().contractive().weight() > 0);
}

void RunLayerSkippingZeros(const NetworkLayer& layer, const ParameterSet& parameters,
                           const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y,
                           std::span<const std::uint32_t> classes, ZeroSkipper& skipper) {
  const auto classes_of = [&](std::size_t first, std::size_t count) {
    return RowClasses{.rows = classes.empty() ? classes : classes.subspan(first, count)};
  };
  const auto run = [&](std::size_t first, std::size_t count) {
    RunLayer(layer, parameters, packed, x.slice_rows(first, count), y.slice_rows(first, count),
             classes_of(first, count));
  };
  if (x.columns < kLeastColumns || layer.convolution || layer.transposed ||
      packed[layer.weight].forward.format() != WeightFormat::kFloat32) {
    return run(0, x.rows);
  }
  const std::size_t most = x.columns / kShare;
  for (std::size_t r = 0; r < x.rows;) {
    const auto rows = skipper.Find(x.slice_rows(r, x.rows - r), most);
    if (!rows.empty()) {
      const Matrix out = y.slice_rows(r, rows.size());
      SparseRowsForward(rows, packed[layer.weight].forward, parameters.span(layer.bias), out);
      AddLabelBiases(layer, parameters, classes_of(r, rows.size()), out);
      Activate(layer.activation, out);
      r += rows.size();
      continue;
    }
    std::size_t end = r + 1;
    while (end < x.rows && skipper.Find(x.slice_rows(end, 1), most).empty()) ++end;
    run(r, end - r);
    r = end;
  }
}

LATENT_NUMERICS_END
