// docs/behaviour.md, cell by cell: every preset against every call and against odd rows and specs.
#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/crc32c.h"
#include "core/model/presets.h"
#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Inference = v1::InferenceService::Stub;
constexpr std::uint32_t kColumns = 16;

// Cells of the page's tables by preset and column.
using Table = std::map<std::string, std::map<std::string, std::string>>;
Table ReadPage() {
  std::ifstream page(LATENT_BEHAVIOUR_PAGE);
  Table table;
  std::vector<std::string> heads;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| ")) continue;
    std::vector<std::string> cells = absl::StrSplit(line, '|');
    for (std::string& cell : cells) {
      cell = absl::StrReplaceAll(absl::StripAsciiWhitespace(cell), {{"`", ""}});
    }
    if (cells[1] == "preset") heads = cells;
    for (std::size_t i = 2; i + 1 < std::min(cells.size(), heads.size()); ++i) {
      table[cells[1]][heads[i]] = cells[i];
    }
  }
  return table;
}

// "yes"; or the fields of INVALID_ARGUMENT, the reason of FAILED_PRECONDITION.
std::string Told(const grpc::Status& status) {
  if (status.ok()) return "yes";
  const ErrorParts parts = PartsOf(status);
  EXPECT_FALSE(status.error_message().empty());
  if (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION) return parts.reason;
  if (status.error_code() == grpc::StatusCode::INVALID_ARGUMENT) {
    const auto path = [](std::string* out, const auto& field) { out->append(field.first); };
    return absl::StrJoin(parts.fields, ", ", path);
  }
  return absl::StrCat("code ", static_cast<int>(status.error_code()), " ", parts.reason);
}

class BehaviourTest : public ServerTest, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override { StartServer(); }

  // Rows of 4 x 4 pixels, with a label of 0 or 1.
  void UploadRows(const std::string& name, int rows, float least, bool constant_column = false) {
    v1::CreateDatasetRequest create;
    auto* declaration = create.mutable_dataset();
    declaration->set_name(name);
    for (const std::uint32_t extent : {4, 4, 1}) declaration->add_row_shape(extent);
    declaration->mutable_csv()->set_label_column("16");
    if (rows == 1) {
      declaration->mutable_split()->set_test_fraction(0);
      declaration->mutable_split()->set_validation_fraction(0);
    }
    auto* file = declaration->add_files();
    file->set_name("data.csv");
    file->set_format(v1::FILE_FORMAT_CSV);
    v1::CreateDatasetResponse created;
    ASSERT_TRUE(Call(*datasets_, &v1::DatasetService::Stub::CreateDataset, create, &created).ok());
    std::mt19937 random(1);
    std::string text;
    for (int r = 0; r < rows; ++r) {
      for (std::uint32_t c = 0; c < kColumns; ++c) {
        const float cell = static_cast<float>(random() % 1000) * 1e-3f;
        absl::StrAppend(&text, constant_column && c == 0 ? 0.5f : least + cell * (1 - least), ",");
      }
      absl::StrAppend(&text, r % 2, "\n");
    }
    ASSERT_TRUE(Upload(name, 0, text).ok());
    v1::FinishDatasetRequest finish;
    finish.set_dataset(name);
    v1::FinishDatasetResponse finished;
    ASSERT_TRUE(Call(*datasets_, &v1::DatasetService::Stub::FinishDataset, finish, &finished).ok());
    ASSERT_EQ(finished.dataset().state(), v1::Dataset::STATE_READY) << finished.dataset().error();
  }

  v1::TrainJobSpec Usual(const std::string& dataset) const {
    v1::TrainJobSpec spec;
    spec.set_model("m");
    spec.set_dataset(dataset);
    spec.set_preset(GetParam());
    if (!FindPreset(GetParam())->training.solver().has_pca() &&
        !FindPreset(GetParam())->training.solver().has_ease()) {
      spec.mutable_training()->mutable_solver()->mutable_gradient()->set_epochs(3);
    }
    return spec;
  }
  // What comes of it: "yes" for a version that has been published.
  std::string Trains(const v1::TrainJobSpec& spec) {
    v1::CreateTrainJobRequest request;
    *request.mutable_spec() = spec;
    v1::CreateTrainJobResponse response;
    const grpc::Status status =
        Call(*training_, &v1::TrainingService::Stub::CreateTrainJob, request, &response);
    if (!status.ok()) return Told(status);
    const v1::TrainJob job = WaitForJob(response.job().id());
    for (const v1::Metric& metric : job.metrics()) {
      EXPECT_TRUE(std::isfinite(metric.value())) << metric.name();
    }
    if (job.state() != v1::JOB_STATE_SUCCEEDED) return absl::StrCat("failed: ", job.error());
    return job.published_version() > 0 ? "yes" : "not published";
  }

  // A call's outcome; cells of a good reply must be finite.
  template <typename Request, typename Response, typename Cut>
  std::string Answers(grpc::Status (Inference::*method)(grpc::ClientContext*, const Request&,
                                                        Response*),
                      Request request, const Cut& cells) {
    request.mutable_model()->set_model("m");
    // Rows and samples have the label 0, and both ends of a pair.
    const int labels = std::is_same_v<Request, v1::InterpolateRequest> ? 2 : 1;
    for (int i = 0; i < labels && label_; ++i) request.add_labels(*label_);
    Response response;
    const grpc::Status status = Call(*inference_, method, request, &response);
    if (status.ok()) {
      for (const float cell : Cells(cells(response))) EXPECT_TRUE(std::isfinite(cell));
    }
    return Told(status);
  }
  std::string Encodes(const v1::Rows& rows) {
    v1::EncodeRequest request;
    *request.mutable_rows() = rows;
    return Answers(&Inference::Encode, request,
                   [](const auto& response) { return response.codes().dense(); });
  }
  std::string Reconstructs(const v1::Rows& rows) {
    v1::ReconstructRequest request;
    *request.mutable_rows() = rows;
    return Answers(&Inference::Reconstruct, request,
                   [](const auto& response) { return response.reconstruction(); });
  }
  std::string Scores(const v1::Rows& rows) {
    v1::ScoreRequest request;
    *request.mutable_rows() = rows;
    return Answers(&Inference::Score, request, [](const v1::ScoreResponse& response) {
      for (const auto& row : response.scores()) EXPECT_TRUE(std::isfinite(row.score()));
      return v1::DenseRows();
    });
  }
  // Of the published model m.
  std::uint32_t LatentDim() {
    v1::GetModelVersionRequest request;
    request.set_model("m");
    v1::GetModelVersionResponse response;
    EXPECT_TRUE(
        Call(*registry_, &v1::RegistryService::Stub::GetModelVersion, request, &response).ok());
    return response.version().plan().architecture().latent().dim();
  }

  // Given with every row; none to models that read none.
  std::optional<std::int32_t> label_ = FindPreset(GetParam())->architecture.condition().has_label()
                                           ? std::optional(0)
                                           : std::nullopt;

  void Expect(const std::string& column, const std::string& told) const {
    static const Table* const page = new Table(ReadPage());
    const auto row = page->find(GetParam());
    ASSERT_NE(row, page->end()) << "docs/behaviour.md has no row for " << GetParam();
    const auto cell = row->second.find(column);
    ASSERT_NE(cell, row->second.end()) << "docs/behaviour.md has no column " << column;
    EXPECT_EQ(told, cell->second) << GetParam() << ", " << column;
  }
};

v1::Rows Filled(float value, float first) {
  v1::Rows rows;
  std::vector<float> cells(kColumns, value);
  cells[0] = first;
  rows.mutable_dense()->set_columns(kColumns);
  rows.mutable_dense()->set_data(cells.data(), cells.size() * sizeof(float));
  return rows;
}

TEST_P(BehaviourTest, AnswersCallsAsThePageSays) {
  UploadRows("d", 60, 0);
  ASSERT_EQ(Trains(Usual("d")), "yes");
  const v1::Rows rows = Filled(0.5f, 0.25f);
  Expect("Encode", Encodes(rows));
  v1::DecodeRequest decode;
  const std::uint32_t dim = std::max(1u, LatentDim());
  *decode.mutable_codes() = DenseRows(dim, std::vector<float>(dim, 0));
  Expect("Decode",
         Answers(&Inference::Decode, decode, [](const auto& response) { return response.rows(); }));
  Expect("Reconstruct", Reconstructs(rows));
  v1::DenoiseRequest denoise;
  *denoise.mutable_rows() = rows;
  Expect("Denoise", Answers(&Inference::Denoise, denoise,
                            [](const auto& response) { return response.rows(); }));
  v1::SampleRequest sample;
  sample.set_count(3);
  Expect("Sample",
         Answers(&Inference::Sample, sample, [](const auto& response) { return response.rows(); }));
  v1::InterpolateRequest interpolate;
  *interpolate.mutable_rows() = Slice("d", 2);
  interpolate.set_steps(3);
  Expect("Interpolate", Answers(&Inference::Interpolate, interpolate,
                                [](const auto& response) { return response.rows(); }));
  Expect("Score", Scores(rows));
  v1::RecommendRequest recommend;
  *recommend.mutable_rows() = rows;
  Expect("Recommend",
         Answers(&Inference::Recommend, recommend, [](const auto&) { return v1::DenseRows(); }));
}

TEST_P(BehaviourTest, TakesLabelsAsThePageSays) {
  UploadRows("d", 60, 0);
  ASSERT_EQ(Trains(Usual("d")), "yes");
  const v1::Rows rows = Filled(0.5f, 0.25f);
  label_ = std::nullopt;
  Expect("no labels", Reconstructs(rows));
  label_ = 1;
  Expect("a label of TRAIN", Reconstructs(rows));
  label_ = 2;
  Expect("another label", Reconstructs(rows));
}

TEST_P(BehaviourTest, AnswersOddRowsAsThePageSays) {
  UploadRows("d", 60, 0);
  ASSERT_EQ(Trains(Usual("d")), "yes");
  const float infinity = std::numeric_limits<float>::infinity();
  Expect("NaN", Reconstructs(Filled(0.5f, std::nanf(""))));
  Expect("infinity", Reconstructs(Filled(0.5f, infinity)));
  Expect("1e38", Reconstructs(Filled(1e38f, -1e38f)));
  Expect("row of zeros", Reconstructs(Filled(0, 0)));
  v1::Rows empty;
  empty.mutable_sparse()->set_columns(kColumns);
  empty.mutable_sparse()->add_row_offsets(0);
  empty.mutable_sparse()->add_row_offsets(0);
  Expect("row without cells", Reconstructs(empty));
  Expect("no rows", Reconstructs(DenseRows(kColumns, {})));
  Expect("Score of 2", Scores(Filled(0.5f, 2)));
  Expect("Score of -1", Scores(Filled(0.5f, -1)));
}

TEST_P(BehaviourTest, TrainsOnOddDataAsThePageSays) {
  UploadRows("constant", 60, 0, true);
  UploadRows("negative", 60, -1);
  UploadRows("one", 1, 0);
  Expect("constant column", Trains(Usual("constant")));
  Expect("cells from -1 to 1", Trains(Usual("negative")));
  v1::TrainJobSpec bernoulli = Usual("negative");
  bernoulli.mutable_architecture()->mutable_scaling()->mutable_none();
  bernoulli.mutable_architecture()->mutable_likelihood()->mutable_bernoulli();
  Expect("the same, Bernoulli", Trains(bernoulli));
  Expect("one row", Trains(Usual("one")));
  v1::TrainJobSpec wide = Usual("constant");
  wide.mutable_architecture()->mutable_latent()->set_dim(3 * kColumns);
  Expect("code thrice as wide as rows", Trains(wide));
  v1::TrainJobSpec batch = Usual("constant");
  if (batch.training().solver().has_gradient()) {
    batch.mutable_training()->mutable_solver()->mutable_gradient()->set_batch_size(512);
    Expect("batch of 512", Trains(batch));
  }
}

std::vector<std::string> PresetNames() {
  std::vector<std::string> names;
  for (const Preset& preset : Presets()) names.push_back(preset.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Presets, BehaviourTest, testing::ValuesIn(PresetNames()),
                         [](const auto& preset) {
                           return absl::StrReplaceAll(preset.param, {{"-", "_"}});
                         });

}  // namespace
}  // namespace latent
