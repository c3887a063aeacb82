// Convolutions of a spec: their sizes, their defaults and the decoder that undoes them. Pure
// functions on specs; any thread. Not its job: running them (core/nn/convolution.h).
#ifndef LATENT_CORE_MODEL_IMAGE_LAYERS_H_
#define LATENT_CORE_MODEL_IMAGE_LAYERS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "core/nn/convolution.h"
#include "core/nn/matrix.h"
#include "latent/v1/spec.pb.h"

LATENT_NUMERICS_BEGIN

// Whether a layer is a convolution or the transpose of one (in a network: any, the output counted),
// and its message.
bool IsConvolution(const v1::Layer& layer);
bool HasConvolution(const v1::Network& network);
const v1::ConvolutionLayer& ConvolutionOf(const v1::Layer& layer);
v1::ConvolutionLayer& MutableConvolutionOf(v1::Layer& layer);
// "convolution" or "transposed_convolution"; "dense" for others.
const char* KindName(const v1::Layer& layer);

// Cells of an image; 0 unless height, width and channels are given.
std::uint64_t CellsOf(const v1::ImageShape& shape);
// "7 x 7 x 32".
std::string ImageText(const v1::ImageShape& shape);
// Numbers that a resolved layer gives.
std::uint64_t OutputsOf(const v1::Layer& layer);

// Numbers that a decoder reads for a code.
std::uint64_t CodeWidth(const v1::Latent& latent);

// Fills kernel, stride, padding and, from `input` where there is one, the sizes.
void FillConvolution(const std::optional<v1::ImageShape>& input, v1::Layer& layer);
// Why a resolved convolution cannot read `width` numbers, and the field (below the layer's path)
// that is to blame; an empty description if it can.
struct LayerProblem {
  std::string field, description;
};
LayerProblem FindProblem(const v1::Layer& layer, std::uint64_t width);

// The decoder that takes a resolved encoder's layers back, last one first: each layer leads back to
// what its partner has read and takes the function of the layer before that one.
v1::Network MirrorOf(const v1::Network& encoder);
// Whether `decoder` is that mirror, activations aside.
bool Mirrors(const v1::Network& encoder, const v1::Network& decoder);

// The sizes of a convolution in which FindProblem finds nothing.
Convolution ShapeOf(const v1::Layer& layer);

LATENT_NUMERICS_END

#endif  // LATENT_CORE_MODEL_IMAGE_LAYERS_H_
