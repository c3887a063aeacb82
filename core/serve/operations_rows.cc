// Encode, Decode, Reconstruct and Denoise.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/half.h"
#include "core/base/status.h"
#include "core/model/code_format.h"
#include "core/serve/operations.h"

namespace latent {
namespace {

absl::Status NotGaussian(const ServedModel& model, const char* field, const char* what) {
  ErrorDetails details;
  details.reason = "NOT_GAUSSIAN";
  const std::string why =
      absl::StrCat(what, " needs a Gaussian code, and the codes of ", model.DebugName(),
                   " (preset ", model.plan().preset(), ") are deterministic: leave it out");
  details.fields.push_back({field, why});
  return MakeError(absl::StatusCode::kFailedPrecondition, absl::StrCat(field, ": ", why),
                   std::move(details));
}

void FillMissing(const Autoencoder& model, const std::vector<std::uint8_t>& missing, Cells& rows) {
  const auto means = model.column_means();
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] != 0) rows.values[i] = means[i % rows.columns];
  }
}

// What the model shall read there.
void HideMissing(const Autoencoder& model, const std::vector<std::uint8_t>& missing, Cells& rows) {
  if (!model.takes_missing()) return FillMissing(model, missing, rows);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    if (missing[i] != 0) rows.values[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

// Adds the cells that are missing because they are NaN.
void AddMissing(const Cells& rows, std::vector<std::uint8_t>& missing) {
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    if (!std::isnan(rows.values[i])) continue;
    missing.resize(rows.values.size());
    missing[i] = 1;
  }
}

absl::Status CheckNoise(const v1::Corruption& corruption) {
  const auto fraction = [](double level) {
    if (level >= 0 && level <= 1) return absl::OkStatus();
    return InvalidField("add_noise.level",
                        absl::StrCat("expected a probability from 0 to 1, got ", level));
  };
  switch (corruption.kind_case()) {
    case v1::Corruption::kGaussian: {
      const double sigma = corruption.gaussian().sigma();
      // Above this, float32 cells lose what was in them.
      if (sigma >= 0 && sigma <= 1e6) return absl::OkStatus();
      return InvalidField("add_noise.level",
                          absl::StrCat("expected a standard deviation from 0 to 1e6, got ", sigma));
    }
    case v1::Corruption::kMasking:
      return fraction(corruption.masking().fraction());
    case v1::Corruption::kSaltAndPepper:
      return fraction(corruption.salt_and_pepper().fraction());
    case v1::Corruption::kDropout:  // training's alone: requests know no such noise
    case v1::Corruption::kNone:
    case v1::Corruption::KIND_NOT_SET:
      break;
  }
  return InvalidField("add_noise.kind", "expected Gaussian, masking or salt and pepper, got none");
}

}  // namespace

absl::Status CheckCodeFormat(const ServedModel& model, CodeFormat format) {
  if (format == CodeFormat::kIndices && !model.model().codebook()) {
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_QUANTISED",
                     absl::StrCat("indices need vector-quantised codes, and those of ",
                                  model.DebugName(), " (preset ", model.plan().preset(),
                                  ") are not: use FLOAT32, FLOAT16 or INT8"));
  }
  if (format != CodeFormat::kInt8 || !model.code_scales().empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition, "NO_CODE_SCALES",
                   absl::StrCat(model.DebugName(),
                                " was made before INT8 codes: it has no scales for them; train a "
                                "new version, or use FLOAT16 or FLOAT32"));
}

absl::StatusOr<Cells> CodesOfIndices(const ServedModel& model, std::string_view field,
                                     const Cells& indices) {
  LATENT_RETURN_IF_ERROR(CheckCodeFormat(model, CodeFormat::kIndices));
  const Codebook codebook = *model.model().codebook();
  LATENT_RETURN_IF_ERROR(CheckCells(field, indices, codebook.groups,
                                    absl::StrCat("the codebook of ", model.DebugName())));
  Cells codes(indices.rows, codebook.latent_dim());
  codes.labels = indices.labels;
  std::vector<std::uint32_t> chosen(codebook.groups);
  for (std::size_t r = 0; r < indices.rows; ++r) {
    for (std::size_t g = 0; g < codebook.groups; ++g) {
      const float index = indices.view()(r, g);
      if (!(index >= 0 && index < static_cast<float>(codebook.size())) ||
          index != std::floor(index)) {
        return InvalidField(
            field, absl::StrCat("expected indices, whole numbers from 0 to ", codebook.size() - 1,
                                ", got ", index, " in row ", r, ", group ", g));
      }
      chosen[g] = static_cast<std::uint32_t>(index);
    }
    VectorsOf(codebook, chosen, codes.view().row(r));
  }
  return codes;
}

absl::Status CheckHasLatent(const ServedModel& model, std::string_view what) {
  if (model.model().latent_dim() > 0) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition, "NO_LATENT",
      absl::StrCat(std::string(what), ": ", model.DebugName(), " (preset ", model.plan().preset(),
                   ") maps rows to rows without a code; use Reconstruct, Score or Recommend, or a "
                   "model with a code"));
}

absl::Status CheckRows(const ServedModel& model, const Cells& rows) {
  LATENT_RETURN_IF_ERROR(CheckRows(model, ConstMatrix(rows.view())));
  return CheckLabels(model, rows.labels, rows.rows);
}

absl::Status CheckLabels(const ServedModel& model, const std::vector<std::int32_t>& labels,
                         std::size_t rows) {
  const Condition& condition = model.condition();
  if (condition.classes() == 0) {
    if (labels.empty()) return absl::OkStatus();
    return MakeError(absl::StatusCode::kFailedPrecondition, "NOT_CONDITIONAL",
                     absl::StrCat("labels: ", model.DebugName(), " (preset ", model.plan().preset(),
                                  ") reads no labels: leave them out, or train with preset cvae"));
  }
  if (labels.size() != rows) {
    return InvalidField(
        "labels",
        absl::StrCat("expected a label for each row, ", rows, " in all, as ", model.DebugName(),
                     " reads them, got ", labels.size(), "; it knows ", condition.Text()));
  }
  for (std::size_t r = 0; r < rows; ++r) {
    if (condition.ClassOf(labels[r])) continue;
    return InvalidField("labels",
                        absl::StrCat("expected labels that ", model.DebugName(), " knows, ",
                                     condition.Text(), ", got ", labels[r], " for row ", r));
  }
  return absl::OkStatus();
}

absl::Status CheckRows(const ServedModel& model, ConstMatrix rows) {
  const std::size_t columns = model.model().columns();
  // What is mostly so needs no name.
  if (rows.rows > 0 && rows.columns == columns && !FirstNotFinite(rows)) return absl::OkStatus();
  return CheckCells("rows", rows, columns, model.DebugName(),
                    model.model().takes_missing() ? MissingCells::kTaken : MissingCells::kRefused);
}

absl::StatusOr<std::unique_ptr<EncodeOperation>> EncodeOperation::Make(ModelPtr model, Cells rows,
                                                                       Options options) {
  auto operation = std::make_unique<EncodeOperation>();
  LATENT_RETURN_IF_ERROR(
      operation->Begin(std::move(model), {.owned = std::move(rows), .lent = {}}, options));
  return operation;
}

absl::Status EncodeOperation::Begin(ModelPtr model, Rows rows, Options options) {
  const Autoencoder& autoencoder = model->model();
  if (options.omit_codes && !options.include_reconstruction && !options.include_error) {
    return InvalidField("outputs",
                        "nothing is left to answer: ask for include_reconstruction or "
                        "include_error, or do not omit the codes");
  }
  if (!options.omit_codes) LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, "rows"));
  LATENT_RETURN_IF_ERROR(CheckRows(*model, rows.view()));
  LATENT_RETURN_IF_ERROR(CheckLabels(*model, rows.owned.labels, rows.view().rows));
  if (options.sparsify) {
    LATENT_RETURN_IF_ERROR(CheckSparsify(*options.sparsify));
    if (options.format != CodeFormat::kFloat32) {
      return InvalidField("format", "expected DTYPE_FLOAT32 where sparsify is given");
    }
  }
  LATENT_RETURN_IF_ERROR(CheckCodeFormat(*model, options.format));
  if (!autoencoder.variational()) {
    if (options.include_sigma) return NotGaussian(*model, "include_sigma", "a standard deviation");
    if (options.seed) return NotGaussian(*model, "seed", "a draw");
  }
  Restart(std::move(model));
  options_ = options;
  rows_ = std::move(rows);
  ran_ = false;
  return absl::OkStatus();
}

void EncodeOperation::Release() {
  Restart(nullptr);
  rows_ = {};
  sparse_ = {};
  for (Cells* cells : {&codes_, &sigma_, &reconstruction_}) {
    if (cells->values.capacity() > kKeepCells) *cells = {};
  }
}

std::optional<Pass> EncodeOperation::Next() {
  if (!ran_) {
    ran_ = true;
    const std::size_t n = rows_.view().rows, dim = model().model().latent_dim();
    codes_.Resize(options_.omit_codes ? 0 : n, dim);
    const bool draws = options_.seed && !options_.omit_codes;
    sigma_.Resize(options_.include_sigma || draws ? n : 0, dim);
    reconstruction_.Resize(options_.include_reconstruction ? n : 0, model().model().columns());
    squared_error_.resize(options_.include_error ? n : 0);
    Pass pass;
    pass.input = rows_.labelled();
    if (!codes_.empty()) pass.outputs.codes = codes_.view();
    if (!sigma_.empty()) pass.outputs.sigma = sigma_.view();
    if (!reconstruction_.empty()) pass.outputs.reconstruction = reconstruction_.view();
    pass.outputs.squared_error = squared_error_;
    return pass;
  }
  if (!AllFinite("rows", ConstMatrix(codes_.view()), ConstMatrix(sigma_.view()),
                 ConstMatrix(reconstruction_.view()), std::span<const double>(squared_error_))) {
    return std::nullopt;
  }
  if (options_.omit_codes) return std::nullopt;
  if (options_.seed) DrawCodes(codes_.view(), sigma_.view(), *options_.seed, 0, codes_.view());
  if (options_.sparsify) sparse_ = Sparsify(codes_.view(), *options_.sparsify);
  if (options_.format == CodeFormat::kFloat16) CheckHalves();
  return std::nullopt;
}

void EncodeOperation::CheckHalves() {
  const std::vector<float>& codes = codes_.values;
  const auto large = std::find_if(codes.begin(), codes.end(),
                                  [](float code) { return std::abs(code) > kGreatestHalf; });
  if (large == codes.end()) return;
  Refuse(InvalidField("format",
                      absl::StrCat("expected codes that FLOAT16 can carry (up to ", kGreatestHalf,
                                   "), got ", *large, " in row ",
                                   static_cast<std::size_t>(large - codes.begin()) / codes_.columns,
                                   "; use FLOAT32")));
}

std::size_t EncodeOperation::FormattedColumns() const {
  return options_.format == CodeFormat::kIndices ? model().model().codebook()->groups
                                                 : codes_.columns;
}

std::string EncodeOperation::FormattedIndices() const {
  const Codebook codebook = *model().model().codebook();
  std::vector<std::uint32_t> indices(codebook.groups);
  std::string bytes;
  for (std::size_t r = 0; r < codes_.rows; ++r) {
    IndicesOf(codebook, codes_.view().row(r), indices);
    for (const std::uint32_t index : indices) {
      bytes.push_back(static_cast<char>(index & 0xff));
      bytes.push_back(static_cast<char>(index >> 8));
    }
  }
  return bytes;
}

std::string EncodeOperation::FormattedCodes() const {
  std::string bytes;
  switch (options_.format) {
    case CodeFormat::kFloat32:
      bytes.resize(codes_.values.size() * sizeof(float));
      std::memcpy(bytes.data(), codes_.values.data(), bytes.size());
      return bytes;
    case CodeFormat::kFloat16:
      for (const float value : codes_.values) {
        const std::uint16_t half = ToHalf(value);
        bytes.push_back(static_cast<char>(half & 0xff));
        bytes.push_back(static_cast<char>(half >> 8));
      }
      return bytes;
    case CodeFormat::kIndices:
      return FormattedIndices();
    case CodeFormat::kInt8:
      std::vector<std::int8_t> quantised(codes_.columns);
      for (std::size_t r = 0; r < codes_.rows; ++r) {
        QuantiseCode(model().code_scales(), codes_.view().row(r), quantised);
        bytes.append(quantised.begin(), quantised.end());
      }
      return bytes;
  }
  return bytes;
}

DecodeOperation::DecodeOperation(ModelPtr model, Cells codes)
    : Operation(std::move(model)), codes_(std::move(codes)) {}

absl::StatusOr<std::unique_ptr<DecodeOperation>> DecodeOperation::Make(ModelPtr model,
                                                                       Cells codes) {
  LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, "codes"));
  LATENT_RETURN_IF_ERROR(CheckCells("codes", codes, model->model().latent_dim(),
                                    absl::StrCat("the decoder of ", model->DebugName())));
  LATENT_RETURN_IF_ERROR(CheckLabels(*model, codes.labels, codes.rows));
  return std::unique_ptr<DecodeOperation>(new DecodeOperation(std::move(model), std::move(codes)));
}

std::optional<Pass> DecodeOperation::Next() {
  if (ran_) {
    AllFinite("codes", ConstMatrix(rows_.view()));
    return std::nullopt;
  }
  ran_ = true;
  rows_ = Cells(codes_.rows, model().model().columns());
  Pass pass;
  pass.kind = Pass::Kind::kDecode;
  pass.input = codes_.labelled();
  pass.outputs.reconstruction = rows_.view();
  return pass;
}

ReconstructOperation::ReconstructOperation(ModelPtr model, Cells rows, Options options)
    : Operation(std::move(model)), rows_(std::move(rows)) {
  const Autoencoder& autoencoder = this->model().model();
  if (!options.omit_reconstruction) reconstruction_ = Cells(rows_.rows, autoencoder.columns());
  if (options.include_codes) codes_ = Cells(rows_.rows, autoencoder.latent_dim());
  if (options.include_error) squared_error_.resize(rows_.rows);
}

absl::StatusOr<std::unique_ptr<ReconstructOperation>> ReconstructOperation::Make(ModelPtr model,
                                                                                 Cells rows,
                                                                                 Options options) {
  LATENT_RETURN_IF_ERROR(CheckRows(*model, rows));
  if (options.include_codes) LATENT_RETURN_IF_ERROR(CheckHasLatent(*model, "include_codes"));
  if (options.omit_reconstruction && !options.include_codes && !options.include_error) {
    return InvalidField("omit_reconstruction",
                        "nothing is left to answer: ask for include_codes or include_error, or "
                        "do not omit the reconstruction");
  }
  return std::unique_ptr<ReconstructOperation>(
      new ReconstructOperation(std::move(model), std::move(rows), options));
}

std::optional<Pass> ReconstructOperation::Next() {
  if (ran_) {
    AllFinite("rows", ConstMatrix(reconstruction_.view()), ConstMatrix(codes_.view()),
              std::span<const double>(squared_error_));
    return std::nullopt;
  }
  ran_ = true;
  Pass pass;
  pass.input = rows_.labelled();
  if (!reconstruction_.empty()) pass.outputs.reconstruction = reconstruction_.view();
  if (!codes_.empty()) pass.outputs.codes = codes_.view();
  pass.outputs.squared_error = squared_error_;
  return pass;
}

DenoiseOperation::DenoiseOperation(ModelPtr model, Cells input, Options options)
    : Operation(std::move(model)),
      input_(std::move(input)),
      masked_(!options.missing.empty()),
      missing_(std::move(options.missing)) {
  if (this->model().model().takes_missing()) AddMissing(input_, missing_);
}

absl::StatusOr<std::unique_ptr<DenoiseOperation>> DenoiseOperation::Make(ModelPtr model, Cells rows,
                                                                         Options options) {
  const Autoencoder& autoencoder = model->model();
  if (!options.missing.empty()) {
    if (options.missing.size() != rows.values.size()) {
      return InvalidField("missing", absl::StrCat("expected one byte a cell, ", rows.values.size(),
                                                  " in all, got ", options.missing.size()));
    }
    // Wrong widths are reported below, before this would matter.
    if (rows.columns == autoencoder.columns()) HideMissing(autoencoder, options.missing, rows);
  }
  LATENT_RETURN_IF_ERROR(CheckRows(*model, rows));
  if (options.add_noise) {
    LATENT_RETURN_IF_ERROR(CheckNoise(options.add_noise->corruption));
    Cells noisy(rows.rows, rows.columns);
    noisy.labels = rows.labels;
    LATENT_RETURN_IF_ERROR(autoencoder.Corrupt(rows.view(), options.add_noise->corruption,
                                               options.add_noise->seed, noisy.view()));
    rows = std::move(noisy);
    HideMissing(autoencoder, options.missing, rows);
  }
  return std::unique_ptr<DenoiseOperation>(
      new DenoiseOperation(std::move(model), std::move(rows), std::move(options)));
}

std::optional<Pass> DenoiseOperation::Next() {
  if (!ran_) {
    ran_ = true;
    result_ = Cells(input_.rows, input_.columns);
    Pass pass;
    pass.input = input_.labelled();
    pass.outputs.reconstruction = result_.view();
    return pass;
  }
  if (!AllFinite("rows", ConstMatrix(result_.view()))) return std::nullopt;
  FillMissing(model().model(), missing_, input_);  // replies hold no NaN
  KeepKnown();
  return std::nullopt;
}

void DenoiseOperation::KeepKnown() {
  for (std::size_t begin = 0; begin < missing_.size(); begin += input_.columns) {
    const auto row = std::span(missing_).subspan(begin, input_.columns);
    if (!masked_ && std::ranges::count(row, 0) == std::ssize(row)) continue;
    for (std::size_t c = 0; c < row.size(); ++c) {
      if (row[c] == 0) result_.values[begin + c] = input_.values[begin + c];
    }
  }
}

}  // namespace latent
