// Aliases, deletion, retention, snapshots, artifacts, damage.
#include "core/store/registry.h"

#include <atomic>
#include <set>
#include <thread>

#include "core/base/status.h"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class RegistryTest : public StoreTest {
 protected:
  absl::Status SetAlias(const std::string& alias, std::uint64_t version,
                        std::optional<std::uint64_t> expected = std::nullopt) {
    return Write(
        [&](Transaction& tx) { return registry().SetAlias(tx, "m", alias, version, expected); });
  }
  absl::Status DeleteVersion(std::uint64_t version) {
    return Write([&](Transaction& tx) { return registry().DeleteVersion(tx, "m", version); });
  }
  absl::Status DeleteModel() {
    return Write([&](Transaction& tx) { return registry().DeleteModel(tx, "m"); });
  }
  absl::Status Update(const ModelUpdate& update) {
    return Write([&](Transaction& tx) { return registry().UpdateModel(tx, "m", update); });
  }
  std::vector<std::uint64_t> Versions() {
    std::vector<std::uint64_t> versions;
    const auto model = registry().Get()->FindModel("m");
    if (!model.ok()) return versions;
    for (const auto& [version, unused] : (*model)->versions) versions.push_back(version);
    return versions;
  }
  std::shared_ptr<const VersionInfo> Resolve(VersionSelector selector = {}) {
    auto version = registry().Get()->Resolve("m", selector);
    EXPECT_TRUE(version.ok()) << version.status();
    return version.value_or(nullptr);
  }
  std::string FileOf(std::uint64_t version) {
    return store_->dir().version_dir(kDefaultTenant, "m", version) + "/model.safetensors";
  }
};

TEST_F(RegistryTest, ResolvesProductionElseTheNewest) {
  Publish("m");
  Publish("m");
  EXPECT_EQ(Resolve()->version, 2u);
  ASSERT_TRUE(SetAlias("production", 1).ok());
  EXPECT_EQ(Resolve()->version, 1u);
  EXPECT_EQ(Resolve({2, ""})->version, 2u);
}

TEST_F(RegistryTest, SaysWhatThereIsInstead) {
  Publish("m");
  ASSERT_TRUE(SetAlias("canary", 1).ok());
  const auto snapshot = registry().Get();
  const absl::Status model = snapshot->Resolve("n", {}).status();
  EXPECT_EQ(model.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(model.message()), HasSubstr("there is m"));
  const absl::Status version = snapshot->Resolve("m", {9, ""}).status();
  EXPECT_EQ(DetailsOf(version).reason, "VERSION_NOT_FOUND");
  EXPECT_THAT(std::string(version.message()), HasSubstr("it has version 1"));
  const absl::Status alias = snapshot->Resolve("m", {std::nullopt, "x"}).status();
  EXPECT_EQ(DetailsOf(alias).reason, "ALIAS_NOT_FOUND");
  EXPECT_THAT(std::string(alias.message()), HasSubstr("canary (version 1)"));
  EXPECT_EQ(snapshot->Resolve("m", {0, ""}).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RegistryTest, MovesAnAliasOnlyFromWhereItIsExpected) {
  Publish("m");
  Publish("m");
  EXPECT_TRUE(SetAlias("a", 1, 0).ok());
  EXPECT_EQ(SetAlias("a", 2, 0).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(SetAlias("a", 2, 2).code(), absl::StatusCode::kAborted);
  EXPECT_TRUE(SetAlias("a", 2, 1).ok());
  EXPECT_EQ(Resolve({std::nullopt, "a"})->version, 2u);
}

TEST_F(RegistryTest, RefusesAnAliasForWhatIsNotThere) {
  EXPECT_EQ(SetAlias("a", 1).code(), absl::StatusCode::kNotFound);
  Publish("m");
  EXPECT_EQ(SetAlias("a", 2).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SetAlias("A", 1).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RegistryTest, DeletesAliases) {
  Publish("m");
  ASSERT_TRUE(SetAlias("a", 1).ok());
  const auto remove = [&](Transaction& tx) { return registry().DeleteAlias(tx, "m", "a"); };
  EXPECT_TRUE(Write(remove).ok());
  EXPECT_EQ(Write(remove).code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryTest, SurvivesARestart) {
  Publish("m");
  ASSERT_TRUE(SetAlias("a", 1).ok());
  ASSERT_TRUE(Update({"text", std::map<std::string, std::string>{{"k", "v"}}, 5}).ok());
  Open();
  const auto model = registry().Get()->FindModel("m");
  ASSERT_TRUE(model.ok());
  EXPECT_EQ((*model)->description, "text");
  EXPECT_EQ((*model)->labels.at("k"), "v");
  EXPECT_EQ((*model)->keep_last, 5u);
  EXPECT_EQ((*model)->aliases.at("a").version, 1u);
  EXPECT_EQ(Resolve()->lineage.seed, 7u);
  EXPECT_EQ(Resolve()->artifacts.size(), 2u);
  EXPECT_THAT(notes_, ElementsAre());
}

TEST_F(RegistryTest, DeletesAVersionWithItsFiles) {
  Publish("m");
  Publish("m");
  ASSERT_TRUE(DeleteVersion(1).ok());
  EXPECT_THAT(Versions(), ElementsAre(2));
  EXPECT_FALSE(PathExists(FileOf(1)));
  EXPECT_EQ(DeleteVersion(1).code(), absl::StatusCode::kNotFound);
}

TEST_F(RegistryTest, KeepsAnAliasedVersion) {
  Publish("m");
  ASSERT_TRUE(SetAlias("a", 1).ok());
  EXPECT_EQ(DeleteVersion(1).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(PathExists(FileOf(1)));
}

TEST_F(RegistryTest, NeverReusesAVersionNumber) {
  Publish("m");
  ASSERT_TRUE(DeleteVersion(1).ok());
  EXPECT_EQ(Publish("m"), 2u);
  ASSERT_TRUE(DeleteModel().ok());
  EXPECT_EQ(registry().Get()->FindModel("m").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Publish("m"), 3u);
}

TEST_F(RegistryTest, KeepsAModelThatAnUnfinishedJobTrains) {
  Publish("m");
  registry().SetUsersOf([](Transaction&, std::string_view) {
    return absl::StatusOr<std::vector<std::string>>({"job-1"});
  });
  const absl::Status status = DeleteModel();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("job-1"));
}

TEST_F(RegistryTest, KeepsTheNewestAndTheAliased) {
  for (int i = 0; i < 4; ++i) Publish("m");
  ASSERT_TRUE(SetAlias("a", 1).ok());
  ASSERT_TRUE(Update({std::nullopt, std::nullopt, 2}).ok());
  EXPECT_THAT(Versions(), ElementsAre(1, 3, 4));
  Publish("m");
  EXPECT_THAT(Versions(), ElementsAre(1, 4, 5));
  EXPECT_FALSE(PathExists(FileOf(3)));
}

TEST_F(RegistryTest, ChecksUpdates) {
  Publish("m");
  EXPECT_EQ(Update({std::nullopt, std::nullopt, 0}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Update({std::string(4097, 'x'), std::nullopt, std::nullopt}).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(RegistryTest, AnOldSnapshotStaysAsItWas) {
  Publish("m");
  const auto before = registry().Get();
  Publish("m");
  EXPECT_EQ(before->Resolve("m", {}).value()->version, 1u);
  EXPECT_GT(registry().Get()->generation, before->generation);
}

TEST_F(RegistryTest, TellsSubscribersAfterTheSnapshotChanged) {
  std::uint64_t seen = 0;
  registry().Subscribe([&] { seen = registry().Get()->Resolve("m", {}).value()->version; });
  Publish("m");
  EXPECT_EQ(seen, 1u);
}

TEST_F(RegistryTest, ServesReadersWhileSeveralPublish) {
  constexpr int kThreads = 3, kEach = 4;
  Publish("m");
  std::atomic<bool> done{false};
  std::thread reader([&] {
    std::uint64_t generation = 0;
    while (!done) {
      const auto snapshot = registry().Get();
      EXPECT_GE(snapshot->generation, generation);
      generation = snapshot->generation;
      EXPECT_TRUE(snapshot->Resolve("m", {}).ok());
    }
  });
  Mutex mutex;
  std::set<std::uint64_t> versions;
  std::vector<std::thread> publishers;
  for (int thread = 0; thread < kThreads; ++thread) {
    publishers.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        const std::uint64_t version = Publish("m");
        EXPECT_TRUE(SetAlias("a", version).ok());
        MutexLock lock(&mutex);
        EXPECT_TRUE(versions.insert(version).second);
      }
    });
  }
  for (auto& thread : publishers) thread.join();
  done = true;
  reader.join();
  EXPECT_EQ(*versions.rbegin(), kThreads * kEach + 1u);
  EXPECT_EQ(registry().Get()->Resolve("m", {}).value()->version, kThreads * kEach + 1u);
}

TEST_F(RegistryTest, ReadsFilesThatTheManifestNames) {
  Publish("m");
  EXPECT_EQ(registry().ReadArtifact(*Resolve(), "model.safetensors").value(), "weights");
  EXPECT_EQ(registry().ReadArtifact(*Resolve(), "model.safetensors", 1, 3).value(), "eig");
  for (const char* name : {"manifest.json", "../1/plan.json", "", "/etc/passwd"}) {
    const absl::Status status = registry().ReadArtifact(*Resolve(), name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << name;
  }
}

TEST_F(RegistryTest, QuarantinesWhatDoesNotMatchItsChecksum) {
  Publish("m");
  Open();  // forgets what was verified
  ASSERT_TRUE(ReplaceFile(FileOf(1), "WEIGHTS").ok());
  EXPECT_EQ(registry().VerifyVersion(*Resolve()).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(registry().Get()->Resolve("m", {}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Versions(), ElementsAre(1));
  EXPECT_EQ(ListDirectory(store_->dir().root() + "/quarantine")->size(), 1u);
}

TEST_F(RegistryTest, FindsFilesOfAnotherSize) {
  Publish("m");
  ASSERT_TRUE(ReplaceFile(FileOf(1), "short").ok());
  Open();
  ASSERT_TRUE(registry().CheckFiles([] { return false; }).ok());
  EXPECT_EQ(registry().Get()->Resolve("m", {}).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ListDirectory(store_->dir().root() + "/quarantine")->size(), 1u);
  EXPECT_EQ(Publish("m"), 2u);
  EXPECT_TRUE(DeleteVersion(1).ok());
}

TEST_F(RegistryTest, StopsLookingAtFilesWhenAsked) {
  Publish("m");
  ASSERT_TRUE(ReplaceFile(FileOf(1), "short").ok());
  EXPECT_TRUE(registry().CheckFiles([] { return true; }).ok());
  EXPECT_TRUE(registry().Get()->Resolve("m", {}).ok());
}

TEST_F(RegistryTest, StartsWithoutAFileOfAnyVersion) {
  Publish("m");
  ASSERT_TRUE(RemoveTree(FileOf(1)).ok());
  Open();
  EXPECT_TRUE(registry().Get()->Resolve("m", {}).ok());
}

TEST_F(RegistryTest, StartsManyVersionsWithTheStatementsOfOne) {
  Publish("m");
  Open();
  const std::uint64_t of_one = store_->db().statements();
  for (const char* model : {"m", "m", "n", "o"}) Publish(model);
  Open();
  EXPECT_EQ(store_->db().statements(), of_one);
}

TEST_F(RegistryTest, GivesEachVersionItsOwnFiles) {
  for (const char* model : {"m", "m", "n"}) Publish(model);
  ASSERT_TRUE(DeleteVersion(1).ok());
  Open();
  for (const auto& [name, model] : registry().Get()->models) {
    for (const auto& [number, version] : model->versions) {
      EXPECT_EQ(version->model, name);
      ASSERT_EQ(version->artifacts.size(), 2u) << name << " " << number;
      EXPECT_EQ(version->artifacts[0].name, "model.safetensors");
      EXPECT_EQ(version->artifacts[1].name, "plan.json");
    }
  }
}

TEST_F(RegistryTest, QuarantinesUnknownFilesAtTheStart) {
  Publish("m");
  const std::string stranger = store_->dir().version_dir(kDefaultTenant, "m", 9);
  ASSERT_TRUE(MakeDirectories(stranger).ok());
  Open();
  EXPECT_FALSE(PathExists(stranger));
  EXPECT_THAT(Versions(), ElementsAre(1));
}

TEST_F(RegistryTest, QuarantinesStrayFilesAtTheStart) {
  Publish("m");
  const std::string models = store_->dir().models_dir();
  const std::vector<std::string> strays = {models + "/x", models + "/default/x",
                                           models + "/default/m/x"};
  for (const std::string& stray : strays) ASSERT_TRUE(WriteNewFile(stray, "").ok());
  Open();
  EXPECT_EQ(notes_.size(), 3u);
  for (const std::string& stray : strays) EXPECT_FALSE(PathExists(stray)) << stray;
  EXPECT_THAT(Versions(), ElementsAre(1));
}

TEST_F(RegistryTest, ListsModelsAndVersionsInPages) {
  for (const char* name : {"a", "b", "c"}) Publish(name);
  auto models = registry().Get()->ListModels({2, ""});
  ASSERT_EQ(models->models.size(), 2u);
  EXPECT_EQ(models->models[0]->name, "a");
  models = registry().Get()->ListModels({2, models->next_page_token});
  ASSERT_EQ(models->models.size(), 1u);
  EXPECT_EQ(models->models[0]->name, "c");
  EXPECT_EQ(models->next_page_token, "");
  for (int i = 0; i < 2; ++i) Publish("a");
  auto versions = registry().Get()->ListVersions("a", {2, ""});
  ASSERT_EQ(versions->versions.size(), 2u);
  EXPECT_EQ(versions->versions[0]->version, 3u);
  versions = registry().Get()->ListVersions("a", {2, versions->next_page_token});
  ASSERT_EQ(versions->versions.size(), 1u);
  EXPECT_EQ(versions->versions[0]->version, 1u);
}

}  // namespace
}  // namespace latent
