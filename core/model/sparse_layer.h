// Which models train on sparse rows without making them dense: their first layer reads the cells
// that are not 0, with the bits of dense training. And how served models do so. Any thread. Not its
// job: the products (core/nn/sparse_batch).
#ifndef LATENT_CORE_MODEL_SPARSE_LAYER_H_
#define LATENT_CORE_MODEL_SPARSE_LAYER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "core/model/layer.h"
#include "core/model/parameters.h"
#include "core/nn/dense.h"
#include "core/nn/matrix.h"
#include "core/nn/sparse_batch.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// Whether a cell of 0 is a 0 to the first layer, too, and that layer is dense and its weights are
// no other layer's. Of specs that CheckArchitecture accepts or Resolve completed.
bool ReadsSparseRows(const v1::ModelSpec& spec);

// RunLayer, but rows of a wide layer that are 0 almost everywhere are multiplied cell by cell.
// Which way a row goes follows from the row alone, and the bits are the same. `classes`: of each
// row, empty without a condition.
void RunLayerSkippingZeros(const NetworkLayer& layer, const ParameterSet& parameters,
                           const std::vector<DensePacked>& packed, ConstMatrix x, Matrix y,
                           std::span<const std::uint32_t> classes, ZeroSkipper& skipper);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_SPARSE_LAYER_H_
