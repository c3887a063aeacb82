#include "core/model/image_layers.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

LATENT_NUMERICS_BEGIN
namespace {

constexpr std::uint64_t kMaxSide = 65536;
constexpr std::uint64_t kMaxChannels = 4096;
constexpr std::uint64_t kMaxKernel = 31;
constexpr std::uint64_t kMaxStride = 16;
constexpr std::uint64_t kMaxImageCells = 1 << 22;

// The size that a convolution makes of `size`; 0 if its window does not fit.
std::uint64_t Convolved(const v1::ConvolutionLayer& layer, std::uint64_t size) {
  const std::uint64_t padded = size + 2 * std::uint64_t{layer.padding()};
  if (layer.stride() == 0 || padded < layer.kernel()) return 0;
  return (padded - layer.kernel()) / layer.stride() + 1;
}

// The size nearest to stride * size of which the convolution makes `size`; 0 if there is none.
std::uint64_t Transposed(const v1::ConvolutionLayer& layer, std::uint64_t size) {
  if (layer.stride() == 0 || size == 0) return 0;
  const std::uint64_t spread = (size - 1) * layer.stride() + layer.kernel();
  const std::uint64_t cut = 2 * std::uint64_t{layer.padding()};
  const std::uint64_t least = spread > cut ? spread - cut : 1;
  return std::clamp(size * layer.stride(), least, least + layer.stride() - 1);
}

v1::ImageShape Image(std::uint64_t height, std::uint64_t width, std::uint64_t channels) {
  v1::ImageShape shape;
  shape.set_height(static_cast<std::uint32_t>(height));
  shape.set_width(static_cast<std::uint32_t>(width));
  shape.set_channels(static_cast<std::uint32_t>(channels));
  return shape;
}

bool InRange(std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  return value >= low && value <= high;
}

LayerProblem CheckRange(const char* field, std::uint64_t value, std::uint64_t low,
                        std::uint64_t high) {
  if (InRange(value, low, high)) return {};
  return {field, absl::StrCat("expected ", low, " to ", high, ", got ", value)};
}

bool Bounded(const v1::ImageShape& shape) {
  return InRange(shape.height(), 1, kMaxSide) && InRange(shape.width(), 1, kMaxSide) &&
         InRange(shape.channels(), 1, kMaxSide) && CellsOf(shape) <= kMaxImageCells;
}

// Of one that is large and one that is small by the same convolution.
LayerProblem CheckSizes(const v1::Layer& layer, const v1::ImageShape& image,
                        const v1::ImageShape& map) {
  const v1::ConvolutionLayer& c = ConvolutionOf(layer);
  const std::uint64_t height = Convolved(c, image.height()), width = Convolved(c, image.width());
  if (height == 0 || width == 0) {
    return {"kernel", absl::StrCat("expected at most the image with its padding, ",
                                   image.height() + 2 * c.padding(), " x ",
                                   image.width() + 2 * c.padding(), ", got ", c.kernel(),
                                   "; use a smaller kernel or stride, or fewer layers")};
  }
  if (height == map.height() && width == map.width()) return {};
  if (layer.has_convolution()) {
    return {"output", absl::StrCat("expected ", height, " x ", width, " by the rule of sizes, got ",
                                   map.height(), " x ", map.width(), "; leave it out")};
  }
  return {"output", absl::StrCat("expected a size of which the convolution makes ", map.height(),
                                 " x ", map.width(), ", got ", image.height(), " x ", image.width(),
                                 ", of which it makes ", height, " x ", width)};
}

v1::Layer Dense(std::uint64_t units) {
  v1::Layer layer;
  layer.mutable_dense()->set_units(static_cast<std::uint32_t>(units));
  return layer;
}

// What leads from a layer's outputs to its inputs; `inputs` counts those.
v1::Layer BackFrom(const v1::Layer& layer, std::uint64_t inputs) {
  if (!IsConvolution(layer)) return Dense(inputs);
  const v1::ConvolutionLayer& forth = ConvolutionOf(layer);
  v1::Layer back;
  if (layer.has_convolution()) {
    *back.mutable_transposed_convolution() = forth;
  } else {
    *back.mutable_convolution() = forth;
  }
  v1::ConvolutionLayer& c = MutableConvolutionOf(back);
  c.set_channels(forth.input().channels());
  *c.mutable_input() = forth.output();
  *c.mutable_output() = forth.input();
  return back;
}

v1::Activation ActivationIn(const v1::Layer& layer) {
  return IsConvolution(layer) ? ConvolutionOf(layer).activation() : layer.dense().activation();
}

void SetActivation(v1::Activation activation, v1::Layer& layer) {
  if (IsConvolution(layer)) {
    MutableConvolutionOf(layer).set_activation(activation);
  } else {
    layer.mutable_dense()->set_activation(activation);
  }
}

}  // namespace

bool IsConvolution(const v1::Layer& layer) {
  return layer.has_convolution() || layer.has_transposed_convolution();
}

bool HasConvolution(const v1::Network& network) {
  return IsConvolution(network.output()) ||
         std::any_of(network.layers().begin(), network.layers().end(), IsConvolution);
}

const v1::ConvolutionLayer& ConvolutionOf(const v1::Layer& layer) {
  return layer.has_convolution() ? layer.convolution() : layer.transposed_convolution();
}

v1::ConvolutionLayer& MutableConvolutionOf(v1::Layer& layer) {
  return layer.has_convolution() ? *layer.mutable_convolution()
                                 : *layer.mutable_transposed_convolution();
}

const char* KindName(const v1::Layer& layer) {
  if (layer.has_convolution()) return "convolution";
  return layer.has_transposed_convolution() ? "transposed_convolution" : "dense";
}

std::uint64_t CellsOf(const v1::ImageShape& shape) {
  // Three numbers of 32 bits may not fit into one of 64.
  const std::uint64_t area = std::uint64_t{shape.height()} * shape.width();
  return area > kMaxImageCells ? area : area * shape.channels();
}

std::string ImageText(const v1::ImageShape& shape) {
  return absl::StrCat(shape.height(), " x ", shape.width(), " x ", shape.channels());
}

std::uint64_t OutputsOf(const v1::Layer& layer) {
  return IsConvolution(layer) ? CellsOf(ConvolutionOf(layer).output()) : layer.dense().units();
}

std::uint64_t CodeWidth(const v1::Latent& latent) {
  const auto& levels = latent.hierarchical().layers();
  return levels.empty() ? latent.dim() : levels[0];
}

void FillConvolution(const std::optional<v1::ImageShape>& input, v1::Layer& layer) {
  v1::ConvolutionLayer& c = MutableConvolutionOf(layer);
  if (!c.has_kernel()) c.set_kernel(3);
  if (!c.has_stride()) c.set_stride(1);
  if (!c.has_padding()) c.set_padding(c.kernel() > 0 ? (c.kernel() - 1) / 2 : 0);
  if (!c.has_input() && input) *c.mutable_input() = *input;
  if (!c.has_input() || c.has_output()) return;
  const auto size = layer.has_convolution() ? Convolved : Transposed;
  *c.mutable_output() =
      Image(size(c, c.input().height()), size(c, c.input().width()), c.channels());
}

LayerProblem FindProblem(const v1::Layer& layer, std::uint64_t width) {
  const v1::ConvolutionLayer& c = ConvolutionOf(layer);
  for (const LayerProblem& problem :
       {CheckRange("channels", c.channels(), 1, kMaxChannels),
        CheckRange("kernel", c.kernel(), 1, kMaxKernel),
        CheckRange("stride", c.stride(), 1, kMaxStride),
        CheckRange("padding", c.padding(), 0, std::max(1u, c.kernel()) - 1)}) {
    if (!problem.description.empty()) return problem;
  }
  if (!v1::Activation_IsValid(c.activation()) || c.activation() == v1::ACTIVATION_UNSPECIFIED) {
    return {"activation", absl::StrCat("expected a known activation, got number ",
                                       static_cast<int>(c.activation()))};
  }
  if (!c.has_input()) {
    return {"input",
            "reads an image, but the layer before gives none; say its height, width and channels"};
  }
  if (!Bounded(c.input())) {
    return {"input", absl::StrCat("expected height, width and channels that make 1 to ",
                                  kMaxImageCells, " cells, got ", ImageText(c.input()))};
  }
  if (CellsOf(c.input()) != width) {
    return {"input", absl::StrCat("expected a shape of the ", width, " numbers that come in, got ",
                                  ImageText(c.input()), " = ", CellsOf(c.input()))};
  }
  const bool forth = layer.has_convolution();
  LayerProblem problem =
      CheckSizes(layer, forth ? c.input() : c.output(), forth ? c.output() : c.input());
  if (!problem.description.empty()) return problem;
  if (c.output().channels() != c.channels() || !Bounded(c.output())) {
    return {"output", absl::StrCat("expected ", c.channels(), " channels and at most ",
                                   kMaxImageCells, " cells, got ", ImageText(c.output()))};
  }
  return {};
}

v1::Network MirrorOf(const v1::Network& encoder) {
  v1::Network decoder;
  const int n = encoder.layers_size();
  if (n == 0) return decoder;
  for (int i = n - 1; i >= 0; --i) {
    // What layer i gives is what the layer after it, here the code's, has read.
    const v1::Layer& target = encoder.layers(i);
    v1::Layer& layer = *decoder.add_layers();
    layer =
        i + 1 < n ? BackFrom(encoder.layers(i + 1), OutputsOf(target)) : Dense(OutputsOf(target));
    SetActivation(ActivationIn(target), layer);
  }
  if (IsConvolution(encoder.layers(0))) {
    *decoder.mutable_output() = BackFrom(encoder.layers(0), 0);
    SetActivation(v1::ACTIVATION_IDENTITY, *decoder.mutable_output());
  }
  return decoder;
}

bool Mirrors(const v1::Network& encoder, const v1::Network& decoder) {
  v1::Network mirror = MirrorOf(encoder), other = decoder;
  for (v1::Network* network : {&mirror, &other}) {
    for (v1::Layer& layer : *network->mutable_layers()) {
      SetActivation(v1::ACTIVATION_UNSPECIFIED, layer);
    }
  }
  return mirror.SerializeAsString() == other.SerializeAsString();
}

Convolution ShapeOf(const v1::Layer& layer) {
  const v1::ConvolutionLayer& c = ConvolutionOf(layer);
  const bool forth = layer.has_convolution();
  const v1::ImageShape& image = forth ? c.input() : c.output();
  const v1::ImageShape& map = forth ? c.output() : c.input();
  return {.height = image.height(),
          .width = image.width(),
          .channels = image.channels(),
          .kernel = c.kernel(),
          .stride = c.stride(),
          .padding = c.padding(),
          .map_height = map.height(),
          .map_width = map.width(),
          .map_channels = map.channels()};
}

LATENT_NUMERICS_END
