#include "core/model/model_io.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status.h"
#include "core/model/composed_parts.h"
#include "core/model/item_map.h"
#include "core/model/network.h"

namespace latent {
namespace {

constexpr char kFormat[] = "latent.model";
constexpr char kFormatVersion[] = "1";
// B of a map without a code; [from, to].
constexpr char kItemWeights[] = "item_map.weight";

// Whether its numbers stand in rows and columns; also a label's biases do.
bool IsTable(const ParameterSegment& segment) { return segment.matrix || segment.columns != 1; }

// Files keep weights as [outputs, inputs], the order that most frameworks use for a linear layer;
// memory has [inputs x outputs].
Tensor TransposedTensor(ConstMatrix weights) {
  Tensor tensor{.shape = {weights.columns, weights.rows}, .values = {}};
  tensor.values.reserve(weights.rows * weights.columns);
  for (std::size_t o = 0; o < weights.columns; ++o) {
    for (std::size_t i = 0; i < weights.rows; ++i)
      tensor.values.push_back(static_cast<float>(weights(i, o)));
  }
  return tensor;
}

template <typename T>
Tensor VectorTensor(std::span<const T> values) {
  Tensor tensor{.shape = {values.size()}, .values = {}};
  for (const T v : values) tensor.values.push_back(static_cast<float>(v));
  return tensor;
}

// Without a branch a number, which the compiler turns into wide instructions: all bits of the
// exponent are set in NaN and infinity alone.
bool AllFiniteBits(std::span<const float> values) {
  constexpr std::uint32_t kExponent = 0x7f800000;
  std::uint32_t bad = 0;
  for (const float v : values) bad |= (std::bit_cast<std::uint32_t>(v) & kExponent) == kExponent;
  return bad == 0;
}

// The tensor called `name` if it has that shape and finite values.
absl::StatusOr<const TensorView*> Find(const TensorViews& file, const std::string& name,
                                       const std::vector<std::uint64_t>& shape) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("tensor ", name, " is missing"));
  }
  const TensorView& tensor = found->second;
  std::uint64_t cells = 1;
  for (const std::uint64_t n : shape) cells *= n;
  if (tensor.shape != shape || tensor.values.size() != cells) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
        absl::StrCat("tensor ", name, " has shape [", absl::StrJoin(tensor.shape, ", "),
                     "], expected [", absl::StrJoin(shape, ", "), "]"));
  }
  if (!AllFiniteBits(tensor.values)) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "BAD_MODEL_TENSORS",
                     absl::StrCat("tensor ", name, " holds NaN or infinity"));
  }
  return &tensor;
}

absl::StatusOr<std::vector<double>> FindColumn(const TensorViews& file, const std::string& name,
                                               std::size_t columns) {
  LATENT_ASSIGN_OR_RETURN(const TensorView* const tensor, Find(file, name, {columns}));
  return std::vector<double>(tensor->values.begin(), tensor->values.end());
}

absl::StatusOr<ColumnStatistics> StatisticsFrom(const TensorViews& file, std::size_t columns) {
  ColumnStatistics s;
  LATENT_ASSIGN_OR_RETURN(s.min, FindColumn(file, "data.min", columns));
  LATENT_ASSIGN_OR_RETURN(s.max, FindColumn(file, "data.max", columns));
  LATENT_ASSIGN_OR_RETURN(s.mean, FindColumn(file, "data.mean", columns));
  LATENT_ASSIGN_OR_RETURN(s.variance, FindColumn(file, "data.standard_deviation", columns));
  for (double& v : s.variance) v *= v;
  return s;
}

void AddStatistics(const ColumnStatistics& s, TensorFile& file) {
  std::vector<double> deviation = s.variance;
  for (double& v : deviation) v = std::sqrt(v);
  file.tensors["data.min"] = VectorTensor<double>(s.min);
  file.tensors["data.max"] = VectorTensor<double>(s.max);
  file.tensors["data.mean"] = VectorTensor<double>(s.mean);
  file.tensors["data.standard_deviation"] = VectorTensor<double>(deviation);
}

absl::StatusOr<std::unique_ptr<Autoencoder>> LoadItemMap(const v1::ModelSpec& spec,
                                                         std::size_t columns,
                                                         const TensorViews& file) {
  LATENT_ASSIGN_OR_RETURN(const ColumnStatistics statistics, StatisticsFrom(file, columns));
  LATENT_ASSIGN_OR_RETURN(const TensorView* const tensor,
                          Find(file, kItemWeights, {columns, columns}));
  AlignedBuffer weights(columns * columns);
  std::copy(tensor->values.begin(), tensor->values.end(), weights.data());
  return std::make_unique<ItemMap>(spec, statistics, std::move(weights));
}

// rows x columns numbers as the numerical rooms read them: where they lie if they are of that type,
// else in `scratch`.
template <typename T>
ConstMatrix AsReal(const T* values, std::size_t rows, std::size_t columns, AlignedBuffer& scratch) {
  if constexpr (std::is_same_v<T, Real>) {
    return {values, rows, columns};
  } else {
    std::copy_n(values, rows * columns, scratch.Shape(rows, columns).data);
    return scratch.Shape(rows, columns);
  }
}

// A cache line of the values at a time, which go to as many rows of `out`.
void CopyTransposed(const float* values, Matrix out) {
  constexpr std::size_t kRows = 16;
  for (std::size_t first = 0; first < out.rows; first += kRows) {
    const std::size_t last = std::min(first + kRows, out.rows);
    for (std::size_t c = 0; c < out.columns; ++c) {
      for (std::size_t r = first; r < last; ++r) out(r, c) = values[c * out.rows + r];
    }
  }
}

absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> LoadComposed(const v1::TrainingPlan& plan,
                                                                  const TensorViews& tensors,
                                                                  ModelUse use) {
  const std::size_t columns = plan.data().columns();
  LATENT_RETURN_IF_ERROR(CheckArchitecture(plan.architecture(), columns));
  LATENT_ASSIGN_OR_RETURN(const ColumnStatistics statistics, StatisticsFrom(tensors, columns));
  auto model = std::make_unique<ComposedAutoencoder>(plan.architecture(), statistics, use);
  AlignedBuffer scratch;
  for (std::size_t i = 0; i < model->parameters().segments().size(); ++i) {
    const ParameterSegment& segment = model->parameters().segment(i);
    const std::vector<std::uint64_t> shape =
        IsTable(segment) ? std::vector<std::uint64_t>{segment.columns, segment.rows}
                         : std::vector<std::uint64_t>{segment.rows};
    LATENT_ASSIGN_OR_RETURN(const TensorView* const tensor, Find(tensors, segment.name, shape));
    const float* const values = tensor->values.data();
    if (segment.held) {
      CopyTransposed(values, model->parameters().matrix(i));
    } else {
      model->PackTransposed(i, AsReal(values, segment.columns, segment.rows, scratch));
    }
  }
  model->RefreshPacked();
  return model;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> CreateModel(
    const v1::TrainingPlan& plan, const ColumnStatistics& statistics) {
  LATENT_RETURN_IF_ERROR(CheckArchitecture(plan.architecture(), statistics.mean.size()));
  auto model = std::make_unique<ComposedAutoencoder>(plan.architecture(), statistics);
  model->Initialise(plan.training().seed());
  return model;
}

TensorFile ToTensors(const Autoencoder& model) {
  TensorFile file;
  file.metadata = {{"format", kFormat}, {"format_version", kFormatVersion}};
  model.AddTensors(file);
  return file;
}

void ItemMap::AddTensors(TensorFile& file) const {
  file.tensors[kItemWeights] = {.shape = {columns(), columns()}, .values = {}};
  file.tensors[kItemWeights].values.assign(weights_.data(),
                                           weights_.data() + columns() * columns());
  AddStatistics(statistics_, file);
}

void ComposedAutoencoder::AddTensors(TensorFile& file) const {
  AlignedBuffer scratch;
  for (std::size_t i = 0; i < parameters().segments().size(); ++i) {
    const ParameterSegment& segment = parameters().segment(i);
    file.tensors[segment.name] = IsTable(segment) ? TransposedTensor(parts_->Weights(i, scratch))
                                                  : VectorTensor(parameters().span(i));
  }
  AddStatistics(statistics(), file);
}

absl::StatusOr<std::unique_ptr<ComposedAutoencoder>> ComposedFromTensors(
    const v1::TrainingPlan& plan, const TensorFile& tensors) {
  return LoadComposed(plan, ViewsOf(tensors), ModelUse::kTraining);
}

absl::StatusOr<std::unique_ptr<Autoencoder>> FromTensors(const v1::TrainingPlan& plan,
                                                         const TensorViews& tensors) {
  const auto version = tensors.metadata.find("format_version");
  if (version != tensors.metadata.end() && version->second != kFormatVersion) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "UNKNOWN_MODEL_FORMAT",
                     absl::StrCat("model file has format version ", version->second,
                                  ", this build reads ", kFormatVersion));
  }
  if (plan.architecture().latent().has_none()) {
    return LoadItemMap(plan.architecture(), plan.data().columns(), tensors);
  }
  return LoadComposed(plan, tensors, ModelUse::kServing);
}

absl::StatusOr<std::unique_ptr<Autoencoder>> FromTensors(const v1::TrainingPlan& plan,
                                                         const TensorFile& tensors) {
  return FromTensors(plan, ViewsOf(tensors));
}

}  // namespace latent
