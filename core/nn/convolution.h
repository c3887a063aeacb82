// Convolution of images and its adjoint, the transposed convolution, as products of patches with
// packed weights. A row is an image or a map, its cells row by row, channels innermost. Every entry
// is summed in an order that depends on its place in its row alone. Parameters belong to the
// caller; any thread on disjoint slices. Patches pass a few at a time through memory of the calling
// thread, which is allocated once.
#ifndef LATENT_CORE_NN_CONVOLUTION_H_
#define LATENT_CORE_NN_CONVOLUTION_H_

#include <cstddef>
#include <span>

#include "core/nn/activation.h"
#include "core/nn/gemm.h"
#include "core/nn/init.h"
#include "core/nn/matrix.h"

LATENT_NUMERICS_BEGIN

// A convolution takes an image to a map; its transpose takes a map to an image. Place (y, x) of the
// map belongs to the patch of the image whose first cell is (y * stride - padding, x * stride -
// padding); what lies outside the image counts as 0.
struct Convolution {
  std::size_t height = 0, width = 0, channels = 0;  // of the image
  std::size_t kernel = 1, stride = 1, padding = 0;
  std::size_t map_height = 0, map_width = 0, map_channels = 0;

  std::size_t image_cells() const { return height * width * channels; }
  std::size_t positions() const { return map_height * map_width; }
  std::size_t map_cells() const { return positions() * map_channels; }
  // Rows of the weights, in the order kernel row, kernel column, channel; their columns are the
  // map's channels.
  std::size_t patch() const { return kernel * kernel * channels; }
  // Of an entry of the map and of the image, borders apart.
  Fans MapFans() const;
  Fans ImageFans() const;
};

// maps = f(images * W + bias). images: [m x image_cells], w: packed [patch x map_channels], bias:
// [map_channels], maps: [m x map_cells], rows one after the other.
void ConvolutionForward(const Convolution& shape, ConstMatrix images, const PackedMatrix& w,
                        std::span<const Real> bias, Activation activation, Matrix maps);
// Its gradient at the images: (dImages0 + dMaps * W^T) * f'. wt: packed W^T; options as in GemmNt,
// with `outputs` [m x image_cells].
void ConvolutionBackwardData(const Convolution& shape, ConstMatrix dmaps, const PackedMatrix& wt,
                             const NtOptions& options, Matrix dimages);

// images = f(maps * W^T + bias). bias: [channels].
void TransposedForward(const Convolution& shape, ConstMatrix maps, const PackedMatrix& wt,
                       std::span<const Real> bias, Activation activation, Matrix images);
// Its gradient at the maps: (dMaps0 + dImages * W) * f'. dmaps: rows one after the other.
void TransposedBackwardData(const Convolution& shape, ConstMatrix dimages, const PackedMatrix& w,
                            const NtOptions& options, Matrix dmaps);

// Rows first .. first + dw.rows - 1 of the gradient by W, summed over the batch's positions in
// order. Of a convolution: `images` are its inputs, `maps` its output gradients; of a transposed
// one: `images` are its output gradients, `maps` its inputs. maps: packed [batch * positions x
// map_channels], dw: the slice alone.
void ConvolutionWeightGradient(const Convolution& shape, ConstMatrix images,
                               const PackedMatrix& maps, std::size_t first, bool accumulate,
                               Matrix dw);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_NN_CONVOLUTION_H_
