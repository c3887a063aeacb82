// Publication: all of it or nothing.
#include "core/base/status.h"
#include "core/store/registry.h"
#include "nlohmann/json.hpp"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

class PublishTest : public StoreTest {
 protected:
  // Nothing of the last publication may be left: no row, no file, no model.
  void ExpectNothing() {
    EXPECT_TRUE(registry().Get()->models.empty());
    EXPECT_TRUE(ListDirectory(store_->dir().staging_dir())->empty());
    EXPECT_FALSE(PathExists(store_->dir().version_dir(kDefaultTenant, "m", 1)));
    Open();
    EXPECT_THAT(notes_, testing::ElementsAre());
    EXPECT_EQ(Publish("m"), 2u) << "the number of a failed publication must not come back";
  }
};

TEST_F(PublishTest, WritesFilesAndAManifest) {
  PublishRequest request = Request("m");
  request.metadata = {{"format", "1"}};
  ASSERT_EQ(registry().Publish(request).value(), 1u);
  const auto version = registry().Get()->Resolve("m", {});
  ASSERT_TRUE(version.ok());
  const auto text = ReadWholeFile((*version)->dir + "/manifest.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  const auto manifest = nlohmann::json::parse(*text);
  EXPECT_EQ(manifest["format_version"], 1);
  EXPECT_EQ(manifest["version"], 1);
  EXPECT_EQ(manifest["lineage"]["job_id"], "job-1");
  EXPECT_EQ(manifest["metadata"]["format"], "1");
  EXPECT_EQ(manifest["files"].size(), 2u);
  EXPECT_EQ(manifest["files"][0]["name"], "model.safetensors");
  EXPECT_EQ(manifest["files"][0]["size"], 7);
}

TEST_F(PublishTest, VerifiesBeforeAnythingIsVisible) {
  PublishRequest request = Request("m");
  bool saw_files = false;
  request.verify = [&](const std::string& dir) {
    saw_files = PathExists(dir + "/model.safetensors") && PathExists(dir + "/manifest.json");
    EXPECT_TRUE(registry().Get()->models.empty());
    return absl::FailedPreconditionError("it gives NaN");
  };
  EXPECT_EQ(registry().Publish(request).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(saw_files);
  ExpectNothing();
}

TEST_F(PublishTest, LeavesNothingWhenItsCommitIsRefused) {
  PublishRequest request = Request("m");
  request.in_commit = [](Transaction&, std::uint64_t) { return absl::AbortedError("cancelled"); };
  EXPECT_EQ(registry().Publish(request).status().code(), absl::StatusCode::kAborted);
  ExpectNothing();
}

TEST_F(PublishTest, LeavesNothingWhenTheVersionCannotBeLoaded) {
  registry().SetPreloader([](const VersionInfo&) { return absl::DataLossError("no"); });
  PublishRequest request = Request("m");
  request.aliases = {{"production", std::nullopt}};
  EXPECT_EQ(registry().Publish(request).status().code(), absl::StatusCode::kDataLoss);
  registry().SetPreloader(nullptr);
  ExpectNothing();
}

TEST_F(PublishTest, CommitsTheCallersWorkWithTheVersion) {
  ASSERT_TRUE(Write([](Transaction& tx) {
                return tx.Run("CREATE TABLE done (version INTEGER)").status();
              }).ok());
  PublishRequest request = Request("m");
  request.in_commit = [](Transaction& tx, std::uint64_t version) {
    return tx.Run("INSERT INTO done VALUES (?)", {static_cast<std::int64_t>(version)}).status();
  };
  ASSERT_TRUE(registry().Publish(request).ok());
  ASSERT_TRUE(store_->db()
                  .Read([](Transaction& tx) -> absl::Status {
                    LATENT_ASSIGN_OR_RETURN(auto rows, tx.Query("SELECT version FROM done"));
                    EXPECT_TRUE(rows.Next().value());
                    EXPECT_EQ(rows.Int(0), 1);
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_F(PublishTest, MovesAliasesAfterLoadingTheVersion) {
  std::uint64_t loaded = 0;
  registry().SetPreloader([&](const VersionInfo& version) {
    loaded = version.version;
    EXPECT_TRUE(PathExists(version.dir + "/model.safetensors"));
    EXPECT_TRUE(registry().Get()->models.empty());
    return absl::OkStatus();
  });
  PublishRequest request = Request("m");
  request.aliases = {{"production", std::nullopt}, {"canary", 0}};
  ASSERT_TRUE(registry().Publish(request).ok());
  EXPECT_EQ(loaded, 1u);
  const auto model = registry().Get()->FindModel("m");
  EXPECT_EQ((*model)->aliases.at("production").version, 1u);
  EXPECT_EQ((*model)->aliases.at("canary").version, 1u);
}

TEST_F(PublishTest, FailsWhenAnAliasMovedMeanwhile) {
  PublishRequest request = Request("m");
  request.aliases = {{"production", 5}};
  EXPECT_EQ(registry().Publish(request).status().code(), absl::StatusCode::kAborted);
  ExpectNothing();
}

TEST_F(PublishTest, RefusesNamesThatAreNoPlainFiles) {
  for (const char* name : {"", ".", "..", "a/b", "manifest.json", ".hidden", "a\nb"}) {
    PublishRequest request = Request("m");
    request.files[name] = "x";
    EXPECT_EQ(registry().Publish(request).status().code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
  EXPECT_EQ(registry().Publish(Request("../m")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(PublishTest, RemovesAnInterruptedPublicationAtTheStart) {
  const std::string root = dir_.path() + "/state";
  ASSERT_TRUE(Write([&](Transaction& tx) {
                return tx
                    .Run(
                        "INSERT INTO versions (tenant, model, version, state, staging, "
                        "create_time) VALUES ('default', 'm', 1, 1, 'abc', 0)")
                    .status();
              }).ok());
  ASSERT_TRUE(MakeDirectories(root + "/staging/abc").ok());
  ASSERT_TRUE(MakeDirectories(root + "/models/default/m/1").ok());
  Open();
  EXPECT_EQ(notes_.size(), 1u);
  EXPECT_FALSE(PathExists(root + "/staging/abc"));
  EXPECT_FALSE(PathExists(root + "/models/default/m/1"));
}

}  // namespace
}  // namespace latent
