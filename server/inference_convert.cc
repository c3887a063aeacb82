#include "server/inference_convert.h"

#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "server/rows_codec.h"

namespace latent {
namespace {

constexpr std::uint32_t kDefaultSteps = 8;

std::uint32_t StepsOf(const v1::InterpolateRequest& request) {
  return request.steps() == 0 ? kDefaultSteps : request.steps();
}

SparsifyRule RuleOf(const v1::Sparsify& sparsify) {
  SparsifyRule rule;
  if (sparsify.has_top_k()) rule.top_k = sparsify.top_k();
  if (sparsify.has_threshold()) rule.threshold = sparsify.threshold();
  return rule;
}

absl::StatusOr<DenoiseOperation::Noise> NoiseOf(const v1::AddNoise& noise) {
  DenoiseOperation::Noise out;
  out.seed = noise.seed();
  switch (noise.kind()) {
    case v1::AddNoise::KIND_GAUSSIAN:
      out.corruption.mutable_gaussian()->set_sigma(noise.level());
      return out;
    case v1::AddNoise::KIND_MASKING:
      out.corruption.mutable_masking()->set_fraction(noise.level());
      return out;
    case v1::AddNoise::KIND_SALT_AND_PEPPER:
      out.corruption.mutable_salt_and_pepper()->set_fraction(noise.level());
      return out;
    default:  // UNSPECIFIED, and numbers of newer clients
      return InvalidField("add_noise.kind", absl::StrCat("expected KIND_GAUSSIAN, KIND_MASKING or "
                                                         "KIND_SALT_AND_PEPPER, got ",
                                                         noise.kind()));
  }
}

// Of an EncodeRequest or of a stream's outputs.
template <typename Outputs>
absl::StatusOr<CodeFormat> FormatOf(const Outputs& request, const ServedModel& model) {
  switch (request.format()) {
    case v1::DTYPE_UNSPECIFIED:
      return model.model().codebook() && !request.has_sparsify() ? CodeFormat::kIndices
                                                                 : CodeFormat::kFloat32;
    case v1::DTYPE_FLOAT32:
      return CodeFormat::kFloat32;
    case v1::DTYPE_FLOAT16:
      return CodeFormat::kFloat16;
    case v1::DTYPE_INT8:
      return CodeFormat::kInt8;
    case v1::DTYPE_UINT16:
      return CodeFormat::kIndices;
    default:  // of newer clients
      return InvalidField("format", absl::StrCat("expected DTYPE_FLOAT32, DTYPE_FLOAT16, "
                                                 "DTYPE_INT8 or DTYPE_UINT16, got ",
                                                 request.format()));
  }
}

template <typename Outputs>
absl::StatusOr<EncodeOperation::Options> OptionsOf(const Outputs& outputs,
                                                   const ServedModel& model) {
  EncodeOperation::Options options;
  options.include_sigma = outputs.include_sigma();
  if (outputs.has_sparsify()) options.sparsify = RuleOf(outputs.sparsify());
  LATENT_ASSIGN_OR_RETURN(options.format, FormatOf(outputs, model));
  return options;
}

// The codes in the form that was asked for, and what belongs to them.
template <typename Response>
void FillCodes(const EncodeOperation& encode, v1::Dtype format, Response* response) {
  if (encode.options().sparsify) {
    SetSparse(encode.sparse(), response->mutable_codes()->mutable_sparse());
  } else if (encode.format() != CodeFormat::kFloat32) {
    v1::DenseRows* codes = response->mutable_codes()->mutable_dense();
    codes->set_columns(static_cast<std::uint32_t>(encode.FormattedColumns()));
    codes->set_dtype(encode.format() == CodeFormat::kIndices ? v1::DTYPE_UINT16 : format);
    codes->set_data(encode.FormattedCodes());
  } else {
    SetDense(encode.codes(), response->mutable_codes()->mutable_dense());
  }
  if (format == v1::DTYPE_INT8) {
    const CodeScales& scales = encode.model().code_scales();
    response->mutable_code_scale()->Assign(scales.scale.begin(), scales.scale.end());
    response->mutable_code_offset()->Assign(scales.offset.begin(), scales.offset.end());
  }
}

template <typename Response>
void FillSigma(const EncodeOperation& encode, bool wanted, Response* response) {
  if (wanted) {
    SetDense(encode.sigma(), response->mutable_sigma());
  } else {
    response->clear_sigma();
  }
}

std::uint64_t RandomSeed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

// From the numbers of INT8 cells to codes. Other widths are refused later, with what was expected.
void ApplyScales(const CodeScales& scales, Cells& cells) {
  if (cells.columns != scales.scale.size()) return;
  for (std::size_t i = 0; i < cells.values.size(); ++i) {
    const std::size_t entry = i % cells.columns;
    cells.values[i] = scales.offset[entry] + scales.scale[entry] * cells.values[i];
  }
}

// From the numbers of UINT16 cells to codes; other cells stay.
absl::Status ReplaceIndices(const ServedModel& model, const v1::Rows& codes, std::string_view field,
                            Cells& cells) {
  if (codes.dense().dtype() != v1::DTYPE_UINT16) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(cells, CodesOfIndices(model, field, cells));
  return absl::OkStatus();
}

// What Make returns as what the template wants.
template <typename T>
OperationOr Upcast(absl::StatusOr<std::unique_ptr<T>> made) {
  if (!made.ok()) return made.status();
  return std::unique_ptr<Operation>(std::move(*made));
}

}  // namespace

RequestCells CellsOf(const v1::EncodeRequest& r) { return {&r.rows(), false, "rows"}; }
RequestCells CellsOf(const v1::StreamEncodeRequest& r) { return {&r.rows(), false, "rows"}; }
RequestCells CellsOf(const v1::DecodeRequest& r) { return {&r.codes(), true, "codes"}; }
RequestCells CellsOf(const v1::ReconstructRequest& r) { return {&r.rows(), false, "rows"}; }
RequestCells CellsOf(const v1::DenoiseRequest& r) { return {&r.rows(), false, "rows"}; }
RequestCells CellsOf(const v1::ScoreRequest& r) { return {&r.rows(), false, "rows"}; }
RequestCells CellsOf(const v1::SampleRequest& r) { return {.computed = r.count()}; }
RequestCells CellsOf(const v1::InterpolateRequest& r) {
  const double factor = StepsOf(r) / 2.0;
  if (r.has_codes()) return {&r.codes(), true, "codes", factor};
  return {&r.rows(), false, "rows", factor};
}

absl::Status BeginEncode(const v1::EncodeRequest& request, ModelPtr model,
                         EncodeOperation::Rows rows, EncodeOperation* operation) {
  LATENT_ASSIGN_OR_RETURN(EncodeOperation::Options options, OptionsOf(request, *model));
  if (request.has_seed()) options.seed = request.seed();
  return operation->Begin(std::move(model), std::move(rows), options);
}

absl::Status BeginEncode(const v1::StreamEncodeRequest& request, ModelPtr model,
                         EncodeOperation::Rows rows, EncodeOperation* operation) {
  const v1::StreamOutputs& outputs = request.outputs();
  LATENT_ASSIGN_OR_RETURN(EncodeOperation::Options options, OptionsOf(outputs, *model));
  if (request.has_seed()) options.seed = request.seed();
  options.omit_codes = outputs.omit_codes();
  options.include_reconstruction = outputs.include_reconstruction();
  options.include_error = outputs.include_error();
  return operation->Begin(std::move(model), std::move(rows), options);
}

OperationOr MakeOperation(const v1::DecodeRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits&, v1::DecodeResponse*) {
  if (request.codes().dense().dtype() == v1::DTYPE_INT8) {
    LATENT_RETURN_IF_ERROR(CheckCodeFormat(*model, CodeFormat::kInt8));
    ApplyScales(model->code_scales(), cells);
  }
  LATENT_RETURN_IF_ERROR(ReplaceIndices(*model, request.codes(), "codes", cells));
  return Upcast(DecodeOperation::Make(std::move(model), std::move(cells)));
}

OperationOr MakeOperation(const v1::ReconstructRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits&, v1::ReconstructResponse*) {
  return Upcast(ReconstructOperation::Make(std::move(model), std::move(cells),
                                           {.include_codes = request.include_codes(),
                                            .include_error = request.include_error(),
                                            .omit_reconstruction = request.omit_reconstruction()}));
}

OperationOr MakeOperation(const v1::DenoiseRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits&, v1::DenoiseResponse*) {
  DenoiseOperation::Options options;
  if (request.has_add_noise()) {
    LATENT_ASSIGN_OR_RETURN(options.add_noise, NoiseOf(request.add_noise()));
  }
  options.missing.assign(request.missing().begin(), request.missing().end());
  return Upcast(DenoiseOperation::Make(std::move(model), std::move(cells), std::move(options)));
}

OperationOr MakeOperation(const v1::SampleRequest& request, ModelPtr model, const Cells& cells,
                          const OperationLimits& limits, v1::SampleResponse* response) {
  response->set_seed(request.has_seed() ? request.seed() : RandomSeed());
  return Upcast(
      SampleOperation::Make(std::move(model),
                            {.count = request.count(),
                             .seed = response->seed(),
                             .temperature = request.has_temperature() ? request.temperature() : 1.0,
                             .draw = request.draw(),
                             .labels = cells.labels},
                            limits));
}

OperationOr MakeOperation(const v1::InterpolateRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits& limits, v1::InterpolateResponse* response) {
  response->set_steps(StepsOf(request));
  if (!v1::InterpolateRequest::Path_IsValid(request.path())) {
    return InvalidField("path", absl::StrCat("expected PATH_LERP or PATH_SLERP, got ",
                                             static_cast<int>(request.path())));
  }
  if (request.has_codes()) {
    LATENT_RETURN_IF_ERROR(ReplaceIndices(*model, request.codes(), "codes", cells));
  }
  const bool slerp = request.path() == v1::InterpolateRequest::PATH_SLERP;
  return Upcast(InterpolateOperation::Make(
      std::move(model), std::move(cells),
      {.steps = StepsOf(request),
       .path = slerp ? InterpolateOperation::Path::kSlerp : InterpolateOperation::Path::kLerp,
       .ends_are_codes = request.has_codes()},
      limits));
}

OperationOr MakeOperation(const v1::ScoreRequest& request, ModelPtr model, Cells cells,
                          const OperationLimits&, v1::ScoreResponse*) {
  ScoreOperation::Options options;
  if (request.has_threshold()) options.threshold = request.threshold();
  options.top_features = request.top_features();
  return Upcast(ScoreOperation::Make(std::move(model), std::move(cells), options));
}

void FillResponse(const v1::EncodeRequest& request, const Operation& operation,
                  v1::EncodeResponse* response) {
  const auto& encode = static_cast<const EncodeOperation&>(operation);
  FillCodes(encode, request.format(), response);
  FillSigma(encode, request.include_sigma(), response);
}

void FillResponse(const v1::StreamEncodeRequest& request, const Operation& operation,
                  v1::StreamEncodeResponse* response) {
  const auto& encode = static_cast<const EncodeOperation&>(operation);
  const v1::StreamOutputs& outputs = request.outputs();
  if (outputs.omit_codes()) {
    response->clear_codes();
  } else {
    FillCodes(encode, outputs.format(), response);
  }
  FillSigma(encode, outputs.include_sigma(), response);
  if (outputs.include_reconstruction()) {
    SetDense(encode.reconstruction(), response->mutable_reconstruction());
  } else {
    response->clear_reconstruction();
  }
  const auto& error = encode.squared_error();
  response->mutable_squared_error()->Assign(error.begin(), error.end());
}

void FillResponse(const v1::DecodeRequest&, const Operation& operation,
                  v1::DecodeResponse* response) {
  SetDense(static_cast<const DecodeOperation&>(operation).rows(), response->mutable_rows());
}

void FillResponse(const v1::ReconstructRequest& request, const Operation& operation,
                  v1::ReconstructResponse* response) {
  const auto& reconstruct = static_cast<const ReconstructOperation&>(operation);
  if (!request.omit_reconstruction()) {
    SetDense(reconstruct.reconstruction(), response->mutable_reconstruction());
  }
  if (request.include_codes()) SetDense(reconstruct.codes(), response->mutable_codes());
  if (request.include_error()) {
    const auto& error = reconstruct.squared_error();
    response->mutable_squared_error()->Assign(error.begin(), error.end());
  }
}

void FillResponse(const v1::DenoiseRequest& request, const Operation& operation,
                  v1::DenoiseResponse* response) {
  const auto& denoise = static_cast<const DenoiseOperation&>(operation);
  SetDense(denoise.rows(), response->mutable_rows());
  if (request.has_add_noise()) SetDense(denoise.noisy_rows(), response->mutable_noisy_rows());
  response->set_trained_with_corruption(denoise.trained_with_corruption());
}

void FillResponse(const v1::SampleRequest& request, const Operation& operation,
                  v1::SampleResponse* response) {
  const auto& sample = static_cast<const SampleOperation&>(operation);
  SetDense(sample.rows(), response->mutable_rows());
  if (request.include_codes()) SetDense(sample.codes(), response->mutable_codes());
}

void FillResponse(const v1::InterpolateRequest&, const Operation& operation,
                  v1::InterpolateResponse* response) {
  const auto& interpolate = static_cast<const InterpolateOperation&>(operation);
  SetDense(interpolate.rows(), response->mutable_rows());
  SetDense(interpolate.codes(), response->mutable_codes());
}

void FillResponse(const v1::ScoreRequest&, const Operation& operation,
                  v1::ScoreResponse* response) {
  const auto& score = static_cast<const ScoreOperation&>(operation);
  const auto& names = operation.model().plan().data().column_names();
  response->set_threshold(score.threshold());
  for (const auto& row : score.scores()) {
    v1::RowScore* out = response->add_scores();
    out->set_score(row.score);
    out->set_percentile(row.percentile);
    out->set_is_anomaly(row.is_anomaly);
    for (const auto& feature : row.top_features) {
      v1::FeatureContribution* top = out->add_top_features();
      top->set_column(feature.column);
      top->set_nats(feature.nats);
      if (feature.column < static_cast<std::uint32_t>(names.size())) {
        top->set_name(names[static_cast<int>(feature.column)]);
      }
    }
  }
}

}  // namespace latent
