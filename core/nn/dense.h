// A fully connected layer, y = f(x W + b), as functions over slices. A training step is: every
// thread takes its rows through DenseForward, loss and DenseBackwardData of all layers and packs
// its output gradients; a barrier; every thread takes its rows of each dW; a barrier. Parameters
// belong to the caller. Any thread on disjoint slices; no allocation.
#ifndef LATENT_CORE_NN_DENSE_H_
#define LATENT_CORE_NN_DENSE_H_

#include <cstddef>
#include <span>

#include "core/nn/activation.h"
#include "core/nn/gemm.h"
#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// A layer's parameters, or their gradients, wherever they are stored.
struct DenseView {
  Matrix weights;        // [inputs x outputs]
  std::span<Real> bias;  // [outputs]
};

// The weights in the two packings that a training step reads. A model that only serves needs
// `forward` alone.
struct DensePacked {
  PackedMatrix forward;   // W
  PackedMatrix backward;  // W^T

  void Resize(std::size_t inputs, std::size_t outputs);
  // Packs all of `weights` both ways.
  void Pack(ConstMatrix weights);
  // Packs rows first .. first + slice.rows - 1 of the weights both ways; Resize came before. Slices
  // that start at multiples of 16 share no cache line.
  void PackRows(ConstMatrix slice, std::size_t first);
};

// y = f(x W + b) for the rows of x. x: [m x inputs], y: [m x outputs].
void DenseForward(ConstMatrix x, const PackedMatrix& forward, std::span<const Real> bias,
                  Activation activation, Matrix y);

// Gradient at the layer's input for the rows of dy. dy: [m x outputs], gradient before this layer's
// activation; options as in GemmNt (`outputs` are this layer's inputs); dx: [m x inputs].
void DenseBackwardData(ConstMatrix dy, const PackedMatrix& backward, const NtOptions& options,
                       Matrix dx);

// Rows first .. first + dw.rows - 1 of the weights' gradient, summed over the batch in row order.
// x: [batch x inputs], dy: packed [batch x outputs], dw: the slice [count x outputs].
void DenseWeightGradient(ConstMatrix x, const PackedMatrix& dy, std::size_t first, bool accumulate,
                         Matrix dw);

// db[j] (+)= the sum over the rows of dy, in row order, of dy(., first + j), for j < db.size().
void DenseBiasGradient(ConstMatrix dy, std::size_t first, bool accumulate, std::span<Real> db);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_DENSE_H_
