#include "core/jobs/checkpoint_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "core/jobs/train_mailbox.h"
#include "jobs_fixture.h"

namespace latent {
namespace {

using testing::HasSubstr;

class CheckpointFilesTest : public JobsTest {
 protected:
  CheckpointFilesTest() {
    Submit();
    run_ = Start();
  }
  void Write(const std::string& bytes, std::uint64_t step) {
    const absl::Status status = WriteCheckpoint(store_->dir(), *jobs_, run_, bytes, step, 2);
    EXPECT_TRUE(status.ok()) << status;
  }
  LoadedCheckpoint Load() {
    auto loaded = LoadCheckpoint(store_->dir(), *jobs_, run_.id);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    return *loaded;
  }
  std::filesystem::path File(std::size_t age) {
    return std::filesystem::path(store_->dir().job_dir(run_.id)) /
           (*jobs_->Checkpoints(run_.id))[age].file;
  }
  std::size_t FileCount() {
    const auto files = std::filesystem::directory_iterator(store_->dir().job_dir(run_.id));
    return static_cast<std::size_t>(std::distance(begin(files), end(files)));
  }
  JobRun run_;
};

TEST_F(CheckpointFilesTest, WithoutCheckpointTrainingStartsFromScratch) {
  EXPECT_EQ(Load().bytes, "");
}

TEST_F(CheckpointFilesTest, TheNewestIsLoadedAndTwoAreKept) {
  for (std::uint64_t step = 1; step <= 4; ++step) Write("state " + std::to_string(step), step);
  EXPECT_EQ(Load().bytes, "state 4");
  EXPECT_EQ(Load().step, 4u);
  EXPECT_EQ(FileCount(), 2u);
}

TEST_F(CheckpointFilesTest, ADamagedOneIsPassedOver) {
  Write("state 1", 1);
  Write("state 2", 2);
  std::ofstream(File(0)) << "state X";
  EXPECT_EQ(Load().bytes, "state 1");
  EXPECT_THAT(Load().note, HasSubstr("step 2"));
  std::filesystem::remove(File(1));
  EXPECT_EQ(Load().bytes, "");
}

TEST_F(CheckpointFilesTest, TheSameStateTwiceIsOneFile) {
  for (int i = 0; i < 4; ++i) Write("same", 1);
  EXPECT_EQ(Load().bytes, "same");
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(CheckpointFilesTest, AnAttemptThatIsOverDisturbsNothing) {
  Write("state 1", 1);
  ASSERT_TRUE(jobs_->Requeue(run_).ok());
  EXPECT_EQ(WriteCheckpoint(store_->dir(), *jobs_, run_, "late", 2, 2).code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(Load().bytes, "state 1");
}

TEST(TrainMailboxTest, OfStepsAndCheckpointsTheNewestCounts) {
  TrainMailbox mailbox(7);
  mailbox.PutCheckpoint("before any progress");
  EXPECT_EQ(mailbox.Take().checkpoint->step, 7u);
  v1::TrainProgress progress;
  for (std::uint64_t step = 1; step <= 3; ++step) {
    progress.set_step(step);
    mailbox.PutProgress(progress, step == 2);
    mailbox.PutCheckpoint("at " + std::to_string(step));
  }
  const TrainMailbox::Mail mail = mailbox.Take();
  ASSERT_EQ(mail.epochs.size(), 1u);
  EXPECT_EQ(mail.epochs[0].step(), 2u);
  EXPECT_EQ(mail.step->step(), 3u);
  EXPECT_EQ(mail.checkpoint->bytes, "at 3");
}

TEST(TrainMailboxTest, HoldsABoundedNumberOfEpochs) {
  TrainMailbox mailbox(0);
  v1::TrainProgress progress;
  for (std::uint32_t epoch = 1; epoch <= TrainMailbox::kMaxEpochs + 5; ++epoch) {
    progress.set_epoch(epoch);
    mailbox.PutProgress(progress, true);
  }
  const TrainMailbox::Mail mail = mailbox.Take();
  EXPECT_EQ(mail.epochs.size(), TrainMailbox::kMaxEpochs);
  EXPECT_EQ(mail.epochs.back().epoch(), TrainMailbox::kMaxEpochs + 5);
}

}  // namespace
}  // namespace latent
