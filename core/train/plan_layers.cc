// Layers of encoder and decoder: their defaults, and what is refused.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/model/image_layers.h"
#include "core/train/plan_parts.h"
#include "core/train/plan_range.h"

namespace latent::internal {
namespace {

constexpr char kEncoder[] = "spec.architecture.encoder";
constexpr char kDecoder[] = "spec.architecture.decoder";

// What rows are to convolutions; nothing if they are no images.
std::optional<v1::ImageShape> RowImage(const DatasetInfo& data) {
  const std::vector<std::uint32_t>& shape = data.row_shape;
  if (shape.size() != 2 && shape.size() != 3) return std::nullopt;
  v1::ImageShape image;
  image.set_height(shape[0]);
  image.set_width(shape[1]);
  image.set_channels(shape.size() == 3 ? shape[2] : 1);
  return image;
}

void FillActivation(v1::Activation activation, v1::Layer& layer) {
  if (IsConvolution(layer)) {
    v1::ConvolutionLayer& convolution = MutableConvolutionOf(layer);
    if (convolution.activation() == v1::ACTIVATION_UNSPECIFIED) {
      convolution.set_activation(activation);
    }
  } else if (layer.has_dense() && layer.dense().activation() == v1::ACTIVATION_UNSPECIFIED) {
    layer.mutable_dense()->set_activation(activation);
  }
}

// Returns the image that the last layer gives, if it does. A convolution after a layer of as many
// numbers as `fallback` has reads them as that image.
std::optional<v1::ImageShape> FillLayers(std::optional<v1::ImageShape> image,
                                         const std::optional<v1::ImageShape>& fallback,
                                         v1::Network& network) {
  std::uint64_t width = 0;
  for (v1::Layer& layer : *network.mutable_layers()) {
    FillActivation(v1::ACTIVATION_RELU, layer);
    if (IsConvolution(layer)) {
      if (!image && fallback && width == CellsOf(*fallback)) image = fallback;
      FillConvolution(image, layer);
      image.reset();
      if (ConvolutionOf(layer).has_output()) image = ConvolutionOf(layer).output();
    } else {
      image.reset();
    }
    width = OutputsOf(layer);
  }
  return image;
}

// The last image that an encoder makes.
std::optional<v1::ImageShape> LastImage(const v1::Network& encoder) {
  const auto& layers = encoder.layers();
  const auto last = std::find_if(layers.rbegin(), layers.rend(), IsConvolution);
  if (last == layers.rend() || !ConvolutionOf(*last).has_output()) return std::nullopt;
  return ConvolutionOf(*last).output();
}

void FillOutput(const std::optional<v1::ImageShape>& rows,
                const std::optional<v1::ImageShape>& image, const v1::Network& encoder,
                v1::Network& decoder) {
  if (!decoder.has_output() && rows && image && encoder.layers_size() > 0 &&
      encoder.layers(0).has_convolution()) {
    const v1::ConvolutionLayer& first = encoder.layers(0).convolution();
    if (first.output().height() != image->height() || first.output().width() != image->width()) {
      return;
    }
    v1::ConvolutionLayer& output = *decoder.mutable_output()->mutable_transposed_convolution();
    output = first;
    output.clear_activation();
    output.set_channels(rows->channels());
    *output.mutable_input() = *image;
    *output.mutable_output() = *rows;
  }
  if (!IsConvolution(decoder.output())) return;
  v1::Layer& output = *decoder.mutable_output();
  FillActivation(v1::ACTIVATION_IDENTITY, output);
  v1::ConvolutionLayer& convolution = MutableConvolutionOf(output);
  if (rows && !convolution.has_channels()) convolution.set_channels(rows->channels());
  if (rows && output.has_transposed_convolution() && !convolution.has_output()) {
    *convolution.mutable_output() = *rows;
  }
  FillConvolution(image, output);
}

std::string ShapeText(const DatasetInfo& data) {
  return absl::StrCat("[", absl::StrJoin(data.row_shape, ", "), "]");
}

void CheckDense(const std::string& path, const v1::DenseLayer& dense, FieldErrors& errors) {
  CheckCount(path + ".units", dense.units(), 1, kMaxUnits, errors);
  if (!v1::Activation_IsValid(dense.activation())) {
    errors.Add(path + ".activation", absl::StrCat("expected a known activation, got number ",
                                                  static_cast<int>(dense.activation())));
  }
}

// False if something was wrong.
bool CheckConvolution(const std::string& path, const v1::Layer& layer, std::uint64_t width,
                      FieldErrors& errors) {
  const LayerProblem problem = FindProblem(layer, width);
  if (problem.description.empty()) return true;
  errors.Add(absl::StrCat(path, ".", KindName(layer), ".", problem.field), problem.description);
  return false;
}

// Checks layers that read `width` numbers, which then is what they give. After a convolution that
// is wrong others have no sizes to be judged by: returns false.
bool CheckLayers(const std::string& network_path, const v1::Network& network, std::uint64_t& width,
                 FieldErrors& errors) {
  const std::string layers = network_path + ".layers";
  if (network.layers_size() > kMaxLayers) {
    errors.Add(layers, absl::StrCat("expected at most ", kMaxLayers, " layers, got ",
                                    network.layers_size()));
  }
  bool sized = true;
  for (int i = 0; i < network.layers_size(); ++i) {
    const v1::Layer& layer = network.layers(i);
    const std::string path = absl::StrCat(layers, "[", i, "]");
    if (IsConvolution(layer)) {
      sized = sized && CheckConvolution(path, layer, width, errors);
    } else if (layer.has_dense()) {
      CheckDense(path + ".dense", layer.dense(), errors);
    } else {
      errors.Add(path,
                 "expected a layer of a kind that this build knows (dense, convolution, "
                 "transposed_convolution), got none");
    }
    width = OutputsOf(layer);
  }
  return sized;
}

void CheckOutput(const v1::Network& decoder, const DatasetInfo& data, std::uint64_t width,
                 FieldErrors& errors) {
  if (!decoder.has_output()) return;
  const std::string path = absl::StrCat(kDecoder, ".output");
  const v1::Layer& layer = decoder.output();
  if (!IsConvolution(layer)) {
    errors.Add(path,
               "expected convolution or transposed_convolution; leave it out for a dense layer");
    return;
  }
  const std::optional<v1::ImageShape> rows = RowImage(data);
  if (!rows) {
    errors.Add(path, absl::StrCat("gives images, but rows have the shape ", ShapeText(data),
                                  "; leave it out, or upload the data with row_shape [height, "
                                  "width, channels]"));
    return;
  }
  if (!CheckConvolution(path, layer, width, errors)) return;
  const v1::ConvolutionLayer& convolution = ConvolutionOf(layer);
  const std::string field = absl::StrCat(path, ".", KindName(layer));
  if (ImageText(convolution.output()) != ImageText(*rows)) {
    errors.Add(field + ".output", absl::StrCat("expected the rows' shape, ", ImageText(*rows),
                                               ", got ", ImageText(convolution.output())));
  }
  if (convolution.activation() != v1::ACTIVATION_IDENTITY) {
    errors.Add(field + ".activation",
               "expected ACTIVATION_IDENTITY: the likelihood sees to its parameters; leave it out");
  }
}

void CheckDecoder(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  std::uint64_t width = CodeWidth(model.latent());
  if (CheckLayers(kDecoder, model.decoder(), width, errors)) {
    CheckOutput(model.decoder(), data, width, errors);
  }
}

void CheckTies(const v1::ModelSpec& model, FieldErrors& errors) {
  if (!model.tied_weights()) return;
  if (model.decoder().SerializeAsString() != MirrorOf(model.encoder()).SerializeAsString()) {
    errors.Add("spec.architecture.tied_weights",
               "needs a decoder whose layers are the encoder's in reverse, units and activations "
               "alike; leave the decoder out to get that");
  }
  if (model.penalties().unit_norm_decoder()) {
    errors.Add("spec.architecture.penalties.unit_norm_decoder",
               "cannot hold with tied_weights, where the encoder sets the norm; set one of the two "
               "to false");
  }
}

// Parts that know dense layers alone.
void CheckPartsBeside(const v1::ModelSpec& model, FieldErrors& errors) {
  if (model.penalties().contractive().weight() > 0 && HasConvolution(model.encoder())) {
    errors.Add("spec.architecture.penalties.contractive",
               "knows encoders of dense layers, got a convolution; use weight 0, or dense layers");
  }
  const v1::Network& decoder = model.decoder();
  if (model.penalties().unit_norm_decoder() &&
      IsConvolution(decoder.layers_size() > 0 ? decoder.layers(0) : decoder.output())) {
    errors.Add("spec.architecture.penalties.unit_norm_decoder",
               "needs a dense layer after the code, got a convolution; use false");
  }
}

}  // namespace

void FillNetworks(const Preset& preset, const DatasetInfo& data, v1::ModelSpec& model) {
  if (!model.has_encoder()) *model.mutable_encoder() = DefaultEncoder(preset, data.columns);
  const std::optional<v1::ImageShape> rows = RowImage(data);
  FillLayers(rows, std::nullopt, *model.mutable_encoder());
  if (!model.has_decoder()) {
    *model.mutable_decoder() = MirrorOf(model.encoder());
    return;
  }
  const auto image = FillLayers(std::nullopt, LastImage(model.encoder()), *model.mutable_decoder());
  FillOutput(rows, image, model.encoder(), *model.mutable_decoder());
}

void CheckNetworks(const v1::ModelSpec& model, const DatasetInfo& data, FieldErrors& errors) {
  const v1::Network& encoder = model.encoder();
  if (encoder.has_output()) {
    errors.Add(absl::StrCat(kEncoder, ".output"),
               "only decoders have an output layer, as the latent says what the code is; leave it "
               "out");
  }
  if (encoder.layers_size() > 0 && IsConvolution(encoder.layers(0)) &&
      !ConvolutionOf(encoder.layers(0)).has_input()) {
    errors.Add(absl::StrCat(kEncoder, ".layers[0].", KindName(encoder.layers(0))),
               absl::StrCat("reads images, but rows of dataset \"", data.name, "\" have the shape ",
                            ShapeText(data),
                            "; upload it with row_shape [height, width, channels], or use dense "
                            "layers, e.g. preset plain"));
    return;
  }
  std::uint64_t width = data.columns;
  if (CheckLayers(kEncoder, encoder, width, errors)) CheckDecoder(model, data, errors);
  CheckTies(model, errors);
  CheckPartsBeside(model, errors);
}

}  // namespace latent::internal
