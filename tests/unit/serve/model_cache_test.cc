#include "core/serve/model_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "served_fixture.h"

namespace latent {
namespace {

// Versions of one model in a temporary directory, an executor that runs when told, and snapshots.
class ModelCacheTest : public testing::Test {
 protected:
  ModelCacheTest()
      : root_(std::filesystem::temp_directory_path() /
              ("latent-cache-" + std::to_string(::getpid()) + "-" +
               testing::UnitTest::GetInstance()->current_test_info()->name())) {
    for (std::uint64_t v = 1; v <= 3; ++v) {
      auto info = std::make_shared<VersionInfo>();
      info->model = "toy";
      info->version = v;
      info->dir = root_ / std::to_string(v);
      std::filesystem::create_directories(info->dir);
      for (const auto& [name, bytes] : VersionToFiles(TestContent("plain"))) {
        std::ofstream(info->dir + "/" + name, std::ios::binary) << bytes;
      }
      versions_.push_back(info);
    }
  }
  ~ModelCacheTest() override { std::filesystem::remove_all(root_); }

  std::shared_ptr<const RegistrySnapshot> Snapshot(std::vector<std::uint64_t> present,
                                                   std::uint64_t production) {
    auto model = std::make_shared<ModelInfo>();
    model->name = "toy";
    for (const std::uint64_t v : present) model->versions[v] = versions_[v - 1];
    if (production != 0) model->aliases["production"].version = production;
    auto snapshot = std::make_shared<RegistrySnapshot>();
    snapshot->generation = ++generation_;
    snapshot->models["toy"] = model;
    return snapshot;
  }
  // Until nothing is left to do.
  void RunPosted() {
    while (!posted_.empty()) {
      auto task = std::move(posted_.front());
      posted_.erase(posted_.begin());
      task();
    }
  }
  std::unique_ptr<ModelCache> MakeCache(ModelCache::Options options = {}) {
    return std::make_unique<ModelCache>(
        std::move(options), [this](const VersionInfo&) { return verify_; },
        [this](std::function<void()> task) { posted_.push_back(std::move(task)); });
  }

  const std::filesystem::path root_;
  std::vector<std::shared_ptr<const VersionInfo>> versions_;
  std::vector<std::function<void()>> posted_;
  absl::Status verify_;
  std::uint64_t generation_ = 0;
};

TEST_F(ModelCacheTest, IsReadyOnceAliasTargetsAreLoaded) {
  const auto cache = MakeCache();
  EXPECT_FALSE(cache->ready());
  cache->OnSnapshot(Snapshot({1, 2}, 2));
  EXPECT_FALSE(cache->ready());
  RunPosted();
  EXPECT_TRUE(cache->ready());
  EXPECT_NE(cache->Find("toy", 2), nullptr);
  EXPECT_EQ(cache->Find("toy", 1), nullptr);
}

TEST_F(ModelCacheTest, IsReadyAtOnceWithoutAliases) {
  const auto cache = MakeCache();
  cache->OnSnapshot(Snapshot({1}, 0));
  EXPECT_TRUE(cache->ready());
}

TEST_F(ModelCacheTest, ADamagedTargetDoesNotHoldUpTheOthers) {
  const auto cache = MakeCache();
  verify_ = absl::DataLossError("hash of model.safetensors is wrong");
  cache->OnSnapshot(Snapshot({1}, 1));
  RunPosted();
  EXPECT_TRUE(cache->ready());
  EXPECT_EQ(cache->stats().load_failures, 1u);
}

TEST_F(ModelCacheTest, LoadsOnceForAllWhoWait) {
  const auto cache = MakeCache();
  int answers = 0;
  for (int i = 0; i < 3; ++i) {
    cache->LoadAsync(versions_[0], [&](const auto& model) {
      EXPECT_TRUE(model.ok()) << model.status();
      ++answers;
    });
  }
  EXPECT_EQ(posted_.size(), 1u);
  RunPosted();
  EXPECT_EQ(answers, 3);
  EXPECT_EQ(cache->stats().loads, 1u);
  cache->LoadAsync(versions_[0], [&](const auto&) { ++answers; });
  EXPECT_EQ(answers, 4);
}

TEST_F(ModelCacheTest, AFailedLoadIsToldAndTriedAgain) {
  const auto cache = MakeCache();
  std::filesystem::remove(versions_[0]->dir + "/plan.json");
  absl::Status told;
  cache->LoadAsync(versions_[0], [&](const auto& model) { told = model.status(); });
  RunPosted();
  EXPECT_EQ(told.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(std::string(told.message()).find("plan.json"), std::string::npos) << told;
  std::filesystem::copy_file(versions_[1]->dir + "/plan.json", versions_[0]->dir + "/plan.json");
  cache->LoadAsync(versions_[0], [&](const auto& model) { told = model.status(); });
  RunPosted();
  EXPECT_TRUE(told.ok()) << told;
}

TEST_F(ModelCacheTest, DeletedVersionsGoWhileCallersKeepTheirs) {
  const auto cache = MakeCache();
  cache->OnSnapshot(Snapshot({1, 2}, 1));
  RunPosted();
  const auto pinned = cache->Find("toy", 1);
  cache->OnSnapshot(Snapshot({2}, 2));
  EXPECT_EQ(cache->Find("toy", 1), nullptr);
  EXPECT_EQ(pinned->key().version, 1u);
}

TEST_F(ModelCacheTest, AVersionBeingPublishedIsThereBeforeItsAliasMoves) {
  const auto cache = MakeCache();
  cache->OnSnapshot(Snapshot({1}, 1));
  RunPosted();
  ASSERT_TRUE(cache->Preload(*versions_[1]).ok());
  cache->OnSnapshot(Snapshot({1}, 1));  // some other change comes first
  EXPECT_NE(cache->Find("toy", 2), nullptr);
  cache->OnSnapshot(Snapshot({1, 2}, 2));
  EXPECT_TRUE(posted_.empty());
  EXPECT_NE(cache->Find("toy", 2), nullptr);
}

TEST_F(ModelCacheTest, KeepsTheVersionsUsedLastAndThoseOfAliases) {
  const auto cache = MakeCache({.max_idle_versions = 1});
  cache->OnSnapshot(Snapshot({1, 2, 3}, 1));
  RunPosted();
  ASSERT_TRUE(cache->Preload(*versions_[1]).ok());
  ASSERT_TRUE(cache->Preload(*versions_[2]).ok());
  EXPECT_NE(cache->Find("toy", 1), nullptr);
  EXPECT_EQ(cache->Find("toy", 2), nullptr);
  EXPECT_NE(cache->Find("toy", 3), nullptr);
  EXPECT_EQ(cache->stats().evictions, 1u);
}

TEST_F(ModelCacheTest, LetsTheLeastLatelyUsedGoForTheBudget) {
  const std::uint64_t each = (*ServedModel::Load({"toy", 1}, versions_[0]->dir))->bytes();
  const auto cache = MakeCache({.budget_bytes = 2 * each});
  for (const std::uint64_t v : {1, 2}) ASSERT_TRUE(cache->Preload(*versions_[v - 1]).ok());
  EXPECT_NE(cache->Find("toy", 1), nullptr);  // 2 is now the one used least lately
  ASSERT_TRUE(cache->Preload(*versions_[2]).ok());
  EXPECT_NE(cache->Find("toy", 1), nullptr);
  EXPECT_EQ(cache->Find("toy", 2), nullptr);
  EXPECT_EQ(cache->stats().bytes, 2 * each);
}

TEST_F(ModelCacheTest, LetsTargetsOfAliasesGoLast) {
  const std::uint64_t each = (*ServedModel::Load({"toy", 1}, versions_[0]->dir))->bytes();
  std::uint64_t reserved = 0;
  const auto cache =
      MakeCache({.budget_bytes = 3 * each, .reserved = [&reserved] { return reserved; }});
  cache->OnSnapshot(Snapshot({1, 2, 3}, 1));
  RunPosted();
  for (const std::uint64_t v : {2, 3}) ASSERT_TRUE(cache->Preload(*versions_[v - 1]).ok());
  reserved = 2 * each;
  cache->MakeRoom();
  EXPECT_NE(cache->Find("toy", 1), nullptr);
  EXPECT_EQ(cache->stats().versions, 1u);
  reserved = 3 * each;
  cache->MakeRoom();
  EXPECT_EQ(cache->stats().versions, 0u);
  cache->OnSnapshot(Snapshot({1, 2}, 1));
  EXPECT_TRUE(posted_.empty());  // it comes back when it is used
}

TEST_F(ModelCacheTest, KeepsWhatACallHolds) {
  const std::uint64_t each = (*ServedModel::Load({"toy", 1}, versions_[0]->dir))->bytes();
  const auto cache = MakeCache({.budget_bytes = each});
  ASSERT_TRUE(cache->Preload(*versions_[0]).ok());
  const auto held = cache->Find("toy", 1);
  ASSERT_TRUE(cache->Preload(*versions_[1]).ok());
  EXPECT_NE(cache->Find("toy", 1), nullptr);
}

TEST_F(ModelCacheTest, RefusesAVersionLargerThanTheBudget) {
  const std::uint64_t each = (*ServedModel::Load({"toy", 1}, versions_[0]->dir))->bytes();
  const auto cache = MakeCache({.budget_bytes = each - 1});
  const absl::Status refused = cache->Preload(*versions_[0]);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  for (const std::uint64_t bytes : {each, each - 1}) {
    EXPECT_NE(std::string(refused.message()).find(std::to_string(bytes)), std::string::npos)
        << refused;
  }
  EXPECT_EQ(cache->stats().bytes, 0u);
}

TEST_F(ModelCacheTest, RefusesAFileLargerThanTheBudgetUnread) {
  const auto cache = MakeCache({.budget_bytes = 1000});
  VersionInfo large = *versions_[0];
  large.artifacts = {{"model.safetensors", 1001, ""}};
  verify_ = absl::DataLossError("was read");
  EXPECT_EQ(cache->Preload(large).code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(ModelCacheTest, ALoadedVersionHoldsItsWeightsOnce) {
  const auto model = ServedModel::Load({"toy", 1}, versions_[0]->dir);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_LT((*model)->model().weight_bytes(), TestModel("plain")->model().weight_bytes());
}

TEST_F(ModelCacheTest, HoldsWeightsInTheFormatAskedFor) {
  const auto wide = ServedModel::Load({"toy", 1}, versions_[0]->dir);
  ASSERT_TRUE(wide.ok()) << wide.status();
  const Cells rows = RandomCells(4, kTestColumns, 8);
  const auto exact = RunAlone(EncodeOperation::Make(*wide, rows, {}))->codes().values;
  std::uint64_t more = (*wide)->model().weight_bytes();
  for (const WeightFormat weights : {WeightFormat::kFloat16, WeightFormat::kInt8}) {
    const auto cache = MakeCache({.weights = weights});
    ASSERT_TRUE(cache->Preload(*versions_[0]).ok());
    const auto narrow = cache->Find("toy", 1);
    EXPECT_LT(narrow->model().weight_bytes(), more);
    EXPECT_EQ((*wide)->bytes() - narrow->bytes(),
              (*wide)->model().weight_bytes() - narrow->model().weight_bytes());
    more = narrow->model().weight_bytes();
    EXPECT_EQ(narrow->latent_space_id(), (*wide)->latent_space_id());
    const auto codes = RunAlone(EncodeOperation::Make(narrow, rows, {}))->codes().values;
    EXPECT_NE(codes, exact);
    EXPECT_THAT(codes, ::testing::Pointwise(::testing::FloatNear(0.1f), exact));
  }
}

TEST_F(ModelCacheTest, ALoadedVersionWritesTheFilesItWasReadFrom) {
  for (const char* preset : {"plain", "vae", "vq-vae", "ease"}) {
    const auto files = VersionToFiles(TestContent(preset));
    for (const auto& [name, bytes] : files) {
      std::ofstream(versions_[0]->dir + "/" + name, std::ios::binary) << bytes;
    }
    auto content = ReadVersion(versions_[0]->dir);
    ASSERT_TRUE(content.ok()) << preset << ": " << content.status();
    EXPECT_TRUE(VersionToFiles(*content) == files) << preset;
  }
}

TEST_F(ModelCacheTest, AnOlderSnapshotIsIgnored) {
  const auto cache = MakeCache();
  const auto older = Snapshot({1}, 0), newer = Snapshot({1}, 1);
  cache->OnSnapshot(newer);
  RunPosted();
  cache->OnSnapshot(older);
  EXPECT_NE(cache->Find("toy", 1), nullptr);
}

TEST_F(ModelCacheTest, ALoadedVersionAnswersAsTheOneThatWasSaved) {
  const ModelPtr saved = TestModel("plain");
  const auto loaded = ServedModel::Load({"toy", 1}, versions_[0]->dir);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  const Cells rows = RandomCells(4, kTestColumns, 8);
  EXPECT_EQ(RunAlone(ReconstructOperation::Make(*loaded, rows, {}))->reconstruction().values,
            RunAlone(ReconstructOperation::Make(saved, rows, {}))->reconstruction().values);
  EXPECT_EQ((*loaded)->latent_space_id(), saved->latent_space_id());
  EXPECT_EQ((*loaded)->anomaly_threshold(), 3.5);
  EXPECT_EQ(RunAlone(SampleOperation::Make(*loaded, {.count = 2}, {}))->rows().values,
            RunAlone(SampleOperation::Make(saved, {.count = 2}, {}))->rows().values);
}

}  // namespace
}  // namespace latent
