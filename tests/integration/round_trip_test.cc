// Upload, train, publish, answer; and the same answers after a restart.
#include <gmock/gmock.h>

#include "tests/integration/server_fixture.h"

namespace latent {
namespace {

using Inference = v1::InferenceService::Stub;

class RoundTripTest : public ServerTest {
 protected:
  v1::EncodeResponse EncodeSlice(const std::string& model, std::uint32_t count) {
    v1::EncodeRequest request;
    request.mutable_model()->set_model(model);
    *request.mutable_rows() = Slice("digits", count);
    v1::EncodeResponse response;
    const grpc::Status status = Call(*inference_, &Inference::Encode, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
};

TEST_F(RoundTripTest, APublishedModelAnswersTheSameAfterARestart) {
  StartServer();
  UploadDigits();
  const v1::TrainJob job = Train(Spec("m", "digits", "pca", 8));
  EXPECT_EQ(job.published_version(), 1u);
  const v1::EncodeResponse before = EncodeSlice("m", 100);
  EXPECT_EQ(before.answered_by().version(), 1u);
  EXPECT_EQ(before.answered_by().latent_space_id().size(), 16u);
  EXPECT_EQ(before.codes().dense().data().size(), 100u * 8 * 4);
  StopServer();
  StartServer();
  const v1::EncodeResponse after = EncodeSlice("m", 100);
  EXPECT_EQ(after.SerializeAsString(), before.SerializeAsString());
}

TEST_F(RoundTripTest, EveryCallAnswers) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 8));
  v1::ReconstructRequest reconstruct;
  reconstruct.mutable_model()->set_model("m");
  *reconstruct.mutable_rows() = Slice("digits", 3);
  reconstruct.set_include_codes(true);
  reconstruct.set_include_error(true);
  v1::ReconstructResponse reconstructed;
  ASSERT_TRUE(Call(*inference_, &Inference::Reconstruct, reconstruct, &reconstructed).ok());
  EXPECT_EQ(reconstructed.squared_error_size(), 3);

  v1::DecodeRequest decode;
  decode.mutable_model()->set_model("m");
  *decode.mutable_codes()->mutable_dense() = reconstructed.codes();
  v1::DecodeResponse decoded;
  ASSERT_TRUE(Call(*inference_, &Inference::Decode, decode, &decoded).ok());
  EXPECT_EQ(decoded.rows().data(), reconstructed.reconstruction().data());

  v1::DenoiseRequest denoise;
  denoise.mutable_model()->set_model("m");
  *denoise.mutable_rows() = reconstruct.rows();
  denoise.mutable_add_noise()->set_kind(v1::AddNoise::KIND_GAUSSIAN);
  denoise.mutable_add_noise()->set_level(0.3);
  v1::DenoiseResponse denoised;
  ASSERT_TRUE(Call(*inference_, &Inference::Denoise, denoise, &denoised).ok());
  EXPECT_EQ(denoised.noisy_rows().data().size(), 3u * 64 * 4);
  EXPECT_FALSE(denoised.trained_with_corruption());

  v1::SampleRequest sample;
  sample.mutable_model()->set_model("m");
  sample.set_count(4);
  v1::SampleResponse first, again;
  ASSERT_TRUE(Call(*inference_, &Inference::Sample, sample, &first).ok());
  sample.set_seed(first.seed());
  ASSERT_TRUE(Call(*inference_, &Inference::Sample, sample, &again).ok());
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());

  v1::InterpolateRequest interpolate;
  interpolate.mutable_model()->set_model("m");
  *interpolate.mutable_rows() = Slice("digits", 2);
  v1::InterpolateResponse way;
  ASSERT_TRUE(Call(*inference_, &Inference::Interpolate, interpolate, &way).ok());
  EXPECT_EQ(way.steps(), 8u);
  EXPECT_EQ(way.rows().data().substr(0, 64 * 4),
            reconstructed.reconstruction().data().substr(0, 64 * 4));

  v1::ScoreRequest score;
  score.mutable_model()->set_model("m");
  *score.mutable_rows() = reconstruct.rows();
  score.set_top_features(2);
  v1::ScoreResponse scored;
  ASSERT_TRUE(Call(*inference_, &Inference::Score, score, &scored).ok());
  ASSERT_EQ(scored.scores_size(), 3);
  EXPECT_EQ(scored.scores(0).top_features_size(), 2);
}

TEST_F(RoundTripTest, RecommendsByItemIdsAndCountsTheUnknown) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 8));
  v1::RecommendRequest request;
  request.mutable_model()->set_model("m");
  for (const char* id : {"20", "21", "nothing"}) {
    if (request.item_ids().rows_size() == 0) request.mutable_item_ids()->add_rows();
    request.mutable_item_ids()->mutable_rows(0)->add_item_ids(id);
  }
  request.mutable_item_ids()->add_rows();
  request.set_k(3);
  request.add_exclude("64");
  v1::RecommendResponse response;
  ASSERT_TRUE(Call(*inference_, &Inference::Recommend, request, &response).ok());
  ASSERT_EQ(response.rows_size(), 2);
  EXPECT_EQ(response.rows(0).ids_size(), 3);
  EXPECT_EQ(response.rows(0).ids(0), std::to_string(response.rows(0).indices(0)));
  EXPECT_EQ(response.rows(0).unknown_items(), 1u);
  EXPECT_FALSE(response.rows(0).fallback_popularity());
  EXPECT_TRUE(response.rows(1).fallback_popularity());
  EXPECT_EQ(response.unknown_filter_items(), 1u);

  request.set_strict_items(true);
  const grpc::Status refused = Call(*inference_, &Inference::Recommend, request, &response);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(refused.error_message().find("item_ids.rows[0].item_ids[2]"), std::string::npos);
}

TEST_F(RoundTripTest, SparseCodesHoldTheGreatestEntries) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 8));
  const std::vector<float> dense = Cells(EncodeSlice("m", 1).codes().dense());
  v1::EncodeRequest request;
  request.mutable_model()->set_model("m");
  *request.mutable_rows() = Slice("digits", 1);
  request.mutable_sparsify()->set_top_k(3);
  v1::EncodeResponse response;
  ASSERT_TRUE(Call(*inference_, &Inference::Encode, request, &response).ok());
  const v1::SparseRows& sparse = response.codes().sparse();
  ASSERT_EQ(sparse.indices_size(), 3);
  EXPECT_EQ(sparse.columns(), 8u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(sparse.values(i), dense[sparse.indices(i)]);
  }
}

TEST_F(RoundTripTest, TheRegistryTellsWhereAVersionComesFrom) {
  StartServer();
  UploadDigits();
  const v1::TrainJob job = Train(Spec("m", "digits", "pca", 8));
  v1::GetModelVersionRequest request;
  request.set_model("m");
  v1::GetModelVersionResponse response;
  ASSERT_TRUE(
      Call(*registry_, &v1::RegistryService::Stub::GetModelVersion, request, &response).ok());
  const v1::ModelVersion& version = response.version();
  EXPECT_EQ(version.lineage().job_id(), job.id());
  EXPECT_EQ(version.plan().preset(), "pca");
  EXPECT_GT(version.metrics_size(), 0);
  EXPECT_THAT(std::vector<std::string>(version.aliases().begin(), version.aliases().end()),
              ::testing::ElementsAre("production"));

  grpc::ClientContext context;
  v1::GetArtifactRequest get;
  get.set_model("m");
  get.set_version(1);
  get.set_name("model.safetensors");
  auto reader = registry_->GetArtifact(&context, get);
  std::string bytes;
  std::uint64_t total = 0;
  for (v1::GetArtifactResponse piece; reader->Read(&piece);) {
    if (bytes.empty()) total = piece.total_size();
    bytes += piece.data();
  }
  ASSERT_TRUE(reader->Finish().ok());
  EXPECT_GT(total, 0u);
  EXPECT_EQ(bytes.size(), total);
}

TEST_F(RoundTripTest, AnAliasMovesOnlyFromWhereItIsExpected) {
  StartServer();
  UploadDigits();
  Train(Spec("m", "digits", "pca", 8));
  v1::SetAliasRequest set;
  set.set_model("m");
  set.set_alias("best");
  set.set_version(1);
  set.set_expected_current_version(7);
  v1::SetAliasResponse response;
  EXPECT_EQ(Call(*registry_, &v1::RegistryService::Stub::SetAlias, set, &response).error_code(),
            grpc::StatusCode::ABORTED);
  set.set_expected_current_version(0);
  ASSERT_TRUE(Call(*registry_, &v1::RegistryService::Stub::SetAlias, set, &response).ok());
  EXPECT_EQ(response.model().aliases_size(), 2);
  v1::DeleteModelVersionRequest remove;
  remove.set_model("m");
  remove.set_version(1);
  v1::DeleteModelVersionResponse removed;
  EXPECT_EQ(Call(*registry_, &v1::RegistryService::Stub::DeleteModelVersion, remove, &removed)
                .error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

}  // namespace
}  // namespace latent
