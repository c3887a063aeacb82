#include "core/store/datasets.h"

#include <thread>

#include "core/base/crc32c.h"
#include "core/base/sha256.h"
#include "core/base/status.h"
#include "tests/unit/store/store_fixture.h"

namespace latent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr char kCsv[] = "1,2\n3,4\n5,6\n7,8\n";

class DatasetsTest : public StoreTest {
 protected:
  static ParseRequest Declared(const std::string& name = "d") {
    ParseRequest request;
    request.name = name;
    request.files = {{.name = "a.csv", .path = ""}};
    return request;
  }
  absl::StatusOr<DatasetRecord> Create(const ParseRequest& request = Declared()) {
    absl::StatusOr<DatasetRecord> record = absl::UnknownError("not run");
    const absl::Status status = Write([&](Transaction& tx) {
      record = datasets().Create(tx, "declaration", request);
      return record.status();
    });
    if (!status.ok()) return status;
    return record;
  }
  absl::Status Append(std::uint64_t offset, std::string_view bytes) {
    return datasets().Append("d", "a.csv", offset, bytes, Crc32c(bytes));
  }
  absl::Status Delete() {
    return Write([&](Transaction& tx) { return datasets().Delete(tx, "d"); });
  }
  void Upload(std::string_view bytes = kCsv) {
    ASSERT_TRUE(Create().ok());
    ASSERT_TRUE(Append(0, bytes).ok());
  }
  void MakeReady() {
    Upload();
    const auto record = datasets().Finish("d", Declared(), {});
    ASSERT_TRUE(record.ok()) << record.status();
    ASSERT_EQ(record->state, DatasetState::kReady) << record->error;
  }
  std::uint64_t Committed() { return datasets().Get("d")->files[0].committed_bytes; }
};

TEST_F(DatasetsTest, BecomesReadyAndOpens) {
  MakeReady();
  const auto record = datasets().Get("d");
  EXPECT_EQ(record->declaration, "declaration");
  EXPECT_EQ(record->info.columns, 2u);
  EXPECT_EQ(record->info.content_hash.size(), 64u);
  const auto rows = datasets().OpenRows("d");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ((*rows)->info().columns, 2u);
  EXPECT_FALSE(PathExists(store_->dir().dataset_dir(kDefaultTenant, "d") + "/raw"));
}

TEST_F(DatasetsTest, IsOpenedOnceWhileSomebodyHoldsIt) {
  MakeReady();
  const auto rows = datasets().OpenRows("d");
  EXPECT_EQ(rows->get(), datasets().OpenRows("d")->get());
}

TEST_F(DatasetsTest, SurvivesARestart) {
  MakeReady();
  const std::string hash = datasets().Get("d")->info.content_hash;
  Open();
  EXPECT_EQ(datasets().Get("d")->state, DatasetState::kReady);
  EXPECT_EQ(datasets().Get("d")->info.content_hash, hash);
  EXPECT_THAT(notes_, ElementsAre());
}

TEST_F(DatasetsTest, CreateReturnsTheSameDeclarationAgain) {
  Upload();
  ASSERT_TRUE(datasets().Flush("d").ok());
  const auto again = Create();
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_GT(again->files[0].committed_bytes, 0u);
}

TEST_F(DatasetsTest, CreateRefusesAnotherDeclaration) {
  ASSERT_TRUE(Create().ok());
  ParseRequest other = Declared();
  other.value_scale = 0.5;
  const absl::Status status = Create(other).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(DetailsOf(status).reason, "DATASET_EXISTS");
}

TEST_F(DatasetsTest, CreateChecksNames) {
  EXPECT_EQ(Create(Declared("../x")).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(DatasetsTest, CountsBytesOnlyOnceTheyAreDurable) {
  Upload();
  EXPECT_EQ(Committed(), 0u);
  const auto progress = datasets().Flush("d");
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_EQ((*progress)[0].committed_bytes, sizeof(kCsv) - 1);
  EXPECT_EQ(Committed(), sizeof(kCsv) - 1);
}

TEST_F(DatasetsTest, SkipsWhatIsThereAlready) {
  Upload("1,2\n");
  EXPECT_TRUE(Append(0, "1,2\n3,4\n").ok());
  EXPECT_TRUE(Append(4, "3,4\n").ok());
  EXPECT_EQ((*datasets().Flush("d"))[0].committed_bytes, 8u);
  EXPECT_EQ(ReadWholeFile(store_->dir().dataset_dir(kDefaultTenant, "d") + "/raw/0", 100).value(),
            "1,2\n3,4\n");
}

TEST_F(DatasetsTest, TakesTheSameBytesFromTwoStreamsAtOnce) {
  ASSERT_TRUE(Create().ok());
  const auto stream = [&] {
    for (std::size_t at = 0; at < sizeof(kCsv) - 1; at += 4) {
      EXPECT_TRUE(Append(at, std::string_view(kCsv).substr(at, 4)).ok());
    }
    EXPECT_TRUE(datasets().Flush("d").ok());
  };
  std::thread other(stream);
  stream();
  other.join();
  EXPECT_EQ(datasets().Finish("d", Declared(), {Sha256Hex(kCsv)})->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, GoesOnAfterARestartFromWhatWasDurable) {
  Upload("1,2\n");
  ASSERT_TRUE(datasets().Flush("d").ok());
  ASSERT_TRUE(Append(4, "lost").ok());
  Open();
  EXPECT_EQ(Committed(), 4u);
  EXPECT_EQ(Append(8, "x").code(), absl::StatusCode::kOutOfRange);
  ASSERT_TRUE(Append(4, "3,4\n").ok());
  const auto record = datasets().Finish("d", Declared(), {Sha256Hex("1,2\n3,4\n")});
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->state, DatasetState::kReady) << record->error;
}

TEST_F(DatasetsTest, RefusesBadChunks) {
  ASSERT_TRUE(Create().ok());
  const absl::Status gap = Append(1, "x");
  EXPECT_EQ(gap.code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(DetailsOf(gap).metadata.at("expected_offset"), "0");
  EXPECT_EQ(datasets().Append("d", "a.csv", 0, "x", 1).code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(datasets().Append("d", "b", 0, "", 0).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(datasets().Append("e", "a.csv", 0, "", 0).code(), absl::StatusCode::kNotFound);
}

TEST_F(DatasetsTest, RefusesMoreThanItsCap) {
  dataset_options_.max_dataset_bytes = 6;
  Open();
  ASSERT_TRUE(Create().ok());
  EXPECT_TRUE(Append(0, "1,2\n3,").ok());
  EXPECT_EQ(Append(6, "4").code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(DatasetsTest, SyncsByItselfAfterSoManyBytes) {
  dataset_options_.flush_bytes = 8;
  Open();
  Upload("1,2\n");
  EXPECT_EQ(Committed(), 0u);
  ASSERT_TRUE(Append(4, "3,4\n").ok());
  EXPECT_EQ(Committed(), 8u);
}

TEST_F(DatasetsTest, TakesNoBytesWhenItHasEnded) {
  MakeReady();
  EXPECT_EQ(Append(0, "x").code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatasetsTest, FinishComparesHashes) {
  Upload();
  const absl::Status status = datasets().Finish("d", Declared(), {Sha256Hex("other")}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DetailsOf(status).fields[0].path, "file_sha256[0]");
  EXPECT_EQ(datasets().Get("d")->state, DatasetState::kUploading);
  EXPECT_EQ(datasets().Finish("d", Declared(), {Sha256Hex(kCsv)})->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, FinishWantsEveryFile) {
  ASSERT_TRUE(Create().ok());
  const absl::Status status = datasets().Finish("d", Declared(), {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("a.csv"));
}

TEST_F(DatasetsTest, FinishKeepsTheReasonOfFailure) {
  Upload("1,2\n3,x\n");
  const auto record = datasets().Finish("d", Declared(), {});
  ASSERT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->state, DatasetState::kFailed);
  EXPECT_THAT(record->error, HasSubstr("a.csv"));
  EXPECT_EQ(datasets().Finish("d", Declared(), {})->error, record->error);
  EXPECT_EQ(datasets().OpenRows("d").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(DatasetsTest, FinishMayBeRepeated) {
  MakeReady();
  EXPECT_EQ(datasets().Finish("d", Declared(), {})->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, CancelledParsingMayBeRepeated) {
  Upload();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(datasets().Finish("d", Declared(), {}, stop.get_token()).status().code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(datasets().Finish("d", Declared(), {})->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, DeletesFilesAndName) {
  MakeReady();
  const auto rows = datasets().OpenRows("d");
  ASSERT_TRUE(Delete().ok());
  EXPECT_EQ(datasets().Get("d").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Delete().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(PathExists(store_->dir().dataset_dir(kDefaultTenant, "d")));
  EXPECT_EQ((*rows)->info().columns, 2u);
  MakeReady();
}

TEST_F(DatasetsTest, IsKeptWhileAJobNeedsIt) {
  MakeReady();
  datasets().SetUsersOf([](Transaction&, std::string_view) {
    return absl::StatusOr<std::vector<std::string>>({"job-1"});
  });
  const absl::Status status = Delete();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("job-1"));
}

TEST_F(DatasetsTest, ListsByName) {
  for (const char* name : {"b", "a", "c"}) ASSERT_TRUE(Create(Declared(name)).ok());
  auto page = datasets().List({2, ""});
  ASSERT_TRUE(page.ok());
  ASSERT_EQ(page->datasets.size(), 2u);
  EXPECT_EQ(page->datasets[0].name, "a");
  page = datasets().List({2, page->next_page_token});
  ASSERT_EQ(page->datasets.size(), 1u);
  EXPECT_EQ(page->datasets[0].name, "c");
  EXPECT_EQ(page->next_page_token, "");
}

TEST_F(DatasetsTest, ExpiresAbandonedUploads) {
  Upload();
  ASSERT_TRUE(datasets().Flush("d").ok());
  clock_.Advance(std::chrono::hours(24));
  ASSERT_TRUE(store_->Maintain().ok());
  EXPECT_TRUE(datasets().Get("d").ok());
  clock_.Advance(std::chrono::seconds(1));
  ASSERT_TRUE(store_->Maintain().ok());
  EXPECT_EQ(datasets().Get("d").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DatasetsTest, KeepsWhatIsReadyForEver) {
  MakeReady();
  clock_.Advance(std::chrono::hours(1000));
  ASSERT_TRUE(store_->Maintain().ok());
  EXPECT_TRUE(datasets().Get("d").ok());
}

TEST_F(DatasetsTest, QuarantinesStrayFilesAtTheStart) {
  MakeReady();
  const std::string folder = store_->dir().datasets_dir();
  for (const char* stray : {"/x", "/default/x"}) ASSERT_TRUE(WriteNewFile(folder + stray, "").ok());
  Open();
  EXPECT_EQ(notes_.size(), 2u);
  EXPECT_FALSE(PathExists(folder + "/x"));
  EXPECT_FALSE(PathExists(folder + "/default/x"));
  EXPECT_EQ(datasets().Get("d")->state, DatasetState::kReady);
}

TEST_F(DatasetsTest, StartsParsingAnewAfterACrash) {
  Upload();
  ASSERT_TRUE(datasets().Flush("d").ok());
  ASSERT_TRUE(
      Write([](Transaction& tx) { return tx.Run("UPDATE datasets SET state = 2").status(); }).ok());
  Open();
  EXPECT_EQ(notes_.size(), 1u);
  EXPECT_EQ(datasets().Get("d")->state, DatasetState::kUploading);
  EXPECT_EQ(datasets().Finish("d", Declared(), {})->state, DatasetState::kReady);
}

}  // namespace
}  // namespace latent
