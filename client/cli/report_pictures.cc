#include "client/cli/report_pictures.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/job_curves.h"
#include "client/cli/projection.h"
#include "client/cli/report_figures.h"
#include "client/render/text.h"
#include "core/base/status.h"

namespace latent::cli {
namespace {

constexpr std::size_t kRows = 2000;  // that are encoded
constexpr std::size_t kShown = 16;   // in grids of reconstructions
constexpr std::uint32_t kSamples = 64;
// Rows whose rounded codes are decoded, and their cells at most.
constexpr std::size_t kRoundedRows = 500, kRoundedCells = 1u << 21;

}  // namespace

ModelFlags FlagsOf(const v1::ModelVersion& version) {
  ModelFlags flags;
  flags.model = version.model();
  flags.version = version.version();
  return flags;
}

ReportPictures::ReportPictures(Context& context, const v1::ModelVersion& version,
                               const std::optional<RowSource>& source)
    : context_(context), version_(version), source_(source), target_(FlagsOf(version)) {}

bool ReportPictures::sparse() const {
  const v1::ModelSpec& spec = version_.plan().architecture();
  if (spec.latent().has_top_k() || spec.penalties().kl_sparsity().weight() > 0 ||
      spec.penalties().l1().code_weight() > 0) {
    return true;
  }
  const v1::Metric* density = FindMetric(version_.metrics(), "code_density");
  return density != nullptr && density->value() < 0.9;
}

bool ReportPictures::rounds() const {
  const v1::ModelSpec& spec = version_.plan().architecture();
  return codes_.rows() > 1 && !spec.latent().has_vector_quantised() &&
         !spec.likelihood().has_multinomial();
}

std::size_t ReportPictures::RoundedRows() const {
  const std::size_t columns = std::max<std::size_t>(1, version_.plan().data().columns());
  return std::min({kRoundedRows, codes_.rows(), std::max<std::size_t>(1, kRoundedCells / columns)});
}

void ReportPictures::Add(PictureOr picture) {
  if (picture.ok()) {
    pictures_.push_back(*std::move(picture));
  } else {
    notes_.push_back(std::string(picture.status().message()));
  }
}

std::vector<ReportPicture> ReportPictures::Draw(std::vector<std::string>* notes) {
  const absl::Status prepared = Prepare();
  if (!prepared.ok()) notes_.push_back(std::string(prepared.message()));
  if (look_ && rows_.rows() > 0) Add(Reconstructions());
  if (images()) Add(Samples());
  if (codes_.rows() > 1) Add(Scatter());
  Add(Losses());
  if (images() && codes_.rows() > 1) {
    if (codes_.columns > 1) Add(Manifold());
    Add(Traversals());
    if (sparse()) Add(StrongestInputs());
  }
  if (rounds()) Add(RateDistortion());
  *notes = std::move(notes_);
  return std::move(pictures_);
}

absl::Status ReportPictures::Prepare() {
  v1::AnsweredBy self;
  self.set_version(version_.version());
  self.set_model(version_.model());
  target_.Answered(self);
  absl::StatusOr<RowLook> look = LookOf(context_, target_);
  if (look.ok()) look_ = *look;
  if (!source_) return absl::OkStatus();
  const std::size_t count = std::min(kRows, source_->rows());
  const std::size_t step = source_->rows_per_request();
  const bool has_code = !version_.plan().architecture().latent().has_none();
  for (std::size_t first = 0; has_code && first < count; first += step) {
    v1::EncodeRequest request;
    *request.mutable_model() = target_.selector();
    const std::size_t rows = std::min(step, count - first);
    *request.mutable_rows() = source_->Slice(first, rows);
    source_->AddLabels(first, rows, &request);
    std::vector<std::int32_t> read(request.labels().begin(), request.labels().end());
    request.set_include_labels(true);
    request.set_format(v1::DTYPE_FLOAT32);  // places, also of codes that are indices
    LATENT_ASSIGN_OR_RETURN(const auto response,
                            context_.client().Encode(std::move(request), context_.Call()));
    LATENT_RETURN_IF_ERROR(codes_.Append(response.codes().dense()));
    labels_.insert(labels_.end(), response.labels().begin(), response.labels().end());
    if (read.empty()) read.assign(response.labels().begin(), response.labels().end());
    encoded_with_.insert(encoded_with_.end(), read.begin(), read.end());
  }
  if (!source_->labels().empty()) {
    labels_.assign(source_->labels().begin(),
                   source_->labels().begin() + static_cast<std::ptrdiff_t>(count));
  }
  mean_.assign(codes_.columns, 0);
  deviation_.assign(codes_.columns, 0);
  const auto n = static_cast<double>(codes_.rows());
  for (std::size_t i = 0; i < codes_.cells.size(); ++i) {
    mean_[i % codes_.columns] += codes_.cells[i] / n;
  }
  for (std::size_t i = 0; i < codes_.cells.size(); ++i) {
    deviation_[i % codes_.columns] += std::pow(codes_.cells[i] - mean_[i % codes_.columns], 2) / n;
  }
  for (double& deviation : deviation_) deviation = std::sqrt(deviation);
  std::size_t wanted = images() && sparse() ? count : kShown;
  if (rounds()) wanted = std::max(wanted, RoundedRows());
  LATENT_ASSIGN_OR_RETURN(rows_, FetchRows(context_, target_, *source_, std::min(count, wanted)));
  return absl::OkStatus();
}

absl::StatusOr<Matrix> ReportPictures::Decode(const Matrix& codes,
                                              std::span<const std::int32_t> labels) {
  v1::DecodeRequest request;
  *request.mutable_model() = target_.selector();
  *request.mutable_codes()->mutable_dense() = ToDenseRows(codes, 0, codes.rows());
  const auto& classes = version_.plan().architecture().condition().label().classes();
  for (std::size_t r = 0; r < codes.rows() && !classes.empty(); ++r) {
    request.add_labels(r < labels.size() ? labels[r] : classes[0].label());
  }
  LATENT_ASSIGN_OR_RETURN(const auto response,
                          context_.client().Decode(std::move(request), context_.Call()));
  Matrix rows;
  LATENT_RETURN_IF_ERROR(rows.Append(response.rows()));
  return rows;
}

ReportPictures::PictureOr ReportPictures::Strips(const std::string& title,
                                                 const std::string& caption,
                                                 const std::vector<Strip>& strips,
                                                 std::size_t columns) const {
  GridOptions options;
  options.columns = static_cast<int>(columns);
  LATENT_ASSIGN_OR_RETURN(Canvas canvas,
                          StripsCanvas(*look_, strips, strips.front().rows->rows(), options));
  return ReportPicture{title, caption, std::move(canvas)};
}

ReportPictures::PictureOr ReportPictures::Reconstructions() {
  const std::size_t count = std::min(kShown, rows_.rows());
  v1::ReconstructRequest request;
  *request.mutable_model() = target_.selector();
  *request.mutable_rows() = source_->Slice(0, count);
  source_->AddLabels(0, count, &request);
  LATENT_ASSIGN_OR_RETURN(const auto response,
                          context_.client().Reconstruct(std::move(request), context_.Call()));
  Matrix rows{.columns = rows_.columns, .cells = {}}, rebuilt;
  const auto shown = rows_.Rows(0, count);
  rows.cells.assign(shown.begin(), shown.end());
  LATENT_RETURN_IF_ERROR(rebuilt.Append(response.reconstruction()));
  const Matrix error = AbsoluteError(*look_, rows, rebuilt);
  return Strips("Reconstructions",
                absl::StrCat("The first ", count, " of ", source_->description(),
                             ": the rows, what the model makes of them, and the error of each "
                             "cell, brighter for more."),
                {{"row", &rows}, {"rebuilt", &rebuilt}, {"|error|", &error, true}},
                images() ? 8 : 1);
}

ReportPictures::PictureOr ReportPictures::Samples() {
  v1::SampleRequest request;
  *request.mutable_model() = target_.selector();
  request.set_count(kSamples);
  request.set_seed(0);
  const auto& classes = version_.plan().architecture().condition().label().classes();
  for (int i = 0; i < static_cast<int>(kSamples) && !classes.empty(); ++i) {
    request.add_labels(classes[i % classes.size()].label());
  }
  LATENT_ASSIGN_OR_RETURN(const auto response, context_.client().Sample(request, context_.Call()));
  Matrix rows;
  LATENT_RETURN_IF_ERROR(rows.Append(response.rows()));
  const bool fitted = !version_.plan().training().sampler().has_automatic();
  const std::size_t side =
      classes.empty() || classes.size() > 16 ? 16 : static_cast<std::size_t>(classes.size());
  return Strips(
      "Samples",
      absl::StrCat(kSamples, " new rows, decoded from draws of ",
                   fitted ? "what was fitted to the training rows' codes" : "the version's prior",
                   "; seed 0.", classes.empty() ? "" : " Labels in their order, from the left."),
      {{"", &rows}}, side);
}

ReportPictures::PictureOr ReportPictures::Scatter() const {
  const Plane plane = ProjectToPlane(codes_);
  ScatterPlot plot{.x_label = plane.x_label, .y_label = plane.y_label};
  plot.x = plane.x;
  plot.y = plane.y;
  plot.labels = labels_;
  plot.label_names = source_->label_names();
  LATENT_ASSIGN_OR_RETURN(Canvas canvas, DrawScatter(plot));
  return ReportPicture{
      "Codes",
      absl::StrCat(
          "Codes of ", codes_.rows(), " rows", labels_.empty() ? "" : ", coloured by label",
          codes_.columns > 2 ? ", on the plane of their two greatest principal components." : "."),
      std::move(canvas)};
}

ReportPictures::PictureOr ReportPictures::Losses() {
  v1::GetTrainJobRequest request;
  request.set_job_id(version_.lineage().job_id());
  const auto job = context_.client().GetTrainJob(request, context_.Call());
  if (!job.ok()) {
    return absl::NotFoundError("No loss curves: the job that made the version is gone.");
  }
  LATENT_ASSIGN_OR_RETURN(const auto events, StoredEvents(context_, job->job()));
  const std::vector<CurvePlot> plots = LossPlots(events);
  if (plots.empty() || version_.plan().total_updates() == 0) {
    return absl::NotFoundError("No loss curves: the solution in closed form has no epochs.");
  }
  LATENT_ASSIGN_OR_RETURN(Canvas canvas, DrawCurves(plots));
  return ReportPicture{"Training", "Losses after each epoch.", std::move(canvas)};
}

}  // namespace latent::cli
