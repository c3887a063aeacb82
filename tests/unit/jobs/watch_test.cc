#include <gtest/gtest.h>

#include "core/jobs/job_store.h"
#include "core/jobs/watch_hub.h"
#include "jobs_fixture.h"

namespace latent {
namespace {

class WatchTest : public JobsTest {
 protected:
  std::shared_ptr<WatchHub::Watcher> Watch(const std::string& id, std::uint64_t after = 0) {
    auto watcher = jobs_->Watch(id, after, [this] { ++notified_; });
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *watcher;
  }
  static std::optional<JobEvent> Next(WatchHub::Watcher& watcher) {
    auto event = watcher.Next();
    EXPECT_TRUE(event.ok()) << event.status();
    return event.ok() ? *event : std::nullopt;
  }
  v1::TrainProgress Step(std::uint64_t step) {
    v1::TrainProgress progress;
    progress.set_step(step);
    return progress;
  }
  int notified_ = 0;
};

TEST_F(WatchTest, GivesWhatHappenedAndThenWhatHappens) {
  const auto watcher = Watch(Submit());
  EXPECT_EQ(Next(*watcher)->state, v1::JOB_STATE_QUEUED);
  EXPECT_FALSE(Next(*watcher).has_value());
  const JobRun run = Start();
  EXPECT_GT(notified_, 0);
  EXPECT_EQ(Next(*watcher)->state, v1::JOB_STATE_RUNNING);
  ASSERT_TRUE(jobs_->Fail(run, "broken").ok());
  EXPECT_FALSE(watcher->done());
  EXPECT_EQ(Next(*watcher)->message, "broken");
  EXPECT_TRUE(watcher->done());
}

TEST_F(WatchTest, ResumesAfterASequenceNumber) {
  const std::string id = Submit();
  Start();
  const auto watcher = Watch(id, 1);
  EXPECT_EQ(Next(*watcher)->sequence, 2u);
  EXPECT_FALSE(Next(*watcher).has_value());
}

TEST_F(WatchTest, AnEndedJobThatWasSeenToItsEndIsDone) {
  const std::string id = Submit();
  const JobRecord job = *Cancel(id);
  EXPECT_TRUE(Watch(id, job.last_sequence)->done());
  const auto again = Watch(id, job.last_sequence - 1);
  EXPECT_FALSE(again->done());
  EXPECT_EQ(Next(*again)->state, v1::JOB_STATE_CANCELLED);
  EXPECT_TRUE(again->done());
}

TEST_F(WatchTest, ASlowWatcherGetsTheNewestStep) {
  const auto watcher = Watch(Submit());
  const JobRun run = Start();
  while (Next(*watcher)) {
  }
  for (std::uint64_t step = 1; step <= 1000; ++step) jobs_->ShowStep(run, Step(step));
  const auto event = Next(*watcher);
  EXPECT_EQ(event->progress->step(), 1000u);
  EXPECT_FALSE(event->stored);
  EXPECT_EQ(event->sequence, 2u);
  EXPECT_FALSE(Next(*watcher).has_value());
}

TEST_F(WatchTest, ASlowWatcherMissesNoStoredEvent) {
  const auto watcher = Watch(Submit());
  const JobRun run = Start();
  const std::vector<v1::TrainProgress> epochs(200);
  ASSERT_TRUE(jobs_->RecordEpochs(run, epochs).ok());
  std::uint64_t last = 0;
  while (const auto event = Next(*watcher)) EXPECT_EQ(event->sequence, ++last);
  EXPECT_EQ(last, 202u);
}

TEST_F(WatchTest, EventsOutOfOrderComeFromTheStoreInOrder) {
  std::vector<JobEvent> stored(3);
  for (std::size_t i = 0; i < stored.size(); ++i) {
    stored[i].sequence = i + 1;
    stored[i].stored = true;
  }
  std::size_t there = 1;
  WatchHub hub([&](const std::string&, std::uint64_t after, std::size_t) {
    return std::vector<JobEvent>(stored.begin() + static_cast<std::ptrdiff_t>(after),
                                 stored.begin() + static_cast<std::ptrdiff_t>(there));
  });
  const auto watcher = hub.Watch("j", 0, [] {});
  EXPECT_EQ(Next(*watcher)->sequence, 1u);
  there = 3;
  hub.Publish("j", stored[2]);
  EXPECT_FALSE(watcher->Take().has_value());
  EXPECT_TRUE(watcher->behind());
  hub.Publish("j", stored[1]);
  EXPECT_EQ(Next(*watcher)->sequence, 2u);
  EXPECT_EQ(watcher->Take()->sequence, 3u);
  EXPECT_FALSE(watcher->behind());
}

TEST_F(WatchTest, WhoKeepsUpIsServedFromMemory) {
  int reads = 0;
  WatchHub hub([&](const std::string&, std::uint64_t, std::size_t) {
    ++reads;
    return std::vector<JobEvent>();
  });
  const auto watcher = hub.Watch("j", 0, [] {});
  EXPECT_FALSE(watcher->Take().has_value());
  EXPECT_TRUE(watcher->behind());
  EXPECT_FALSE(Next(*watcher).has_value());
  EXPECT_EQ(reads, 1);
  for (std::uint64_t sequence = 1; sequence <= 500; ++sequence) {
    JobEvent event;
    event.sequence = sequence;
    event.stored = true;
    hub.Publish("j", event);
    EXPECT_EQ(watcher->Take()->sequence, sequence);
    hub.Publish("j", JobEvent());
    EXPECT_EQ(watcher->Take()->sequence, sequence);
    EXPECT_FALSE(watcher->behind());
  }
  EXPECT_EQ(reads, 1);
}

TEST_F(WatchTest, AnUnknownJobIsNotFound) {
  EXPECT_EQ(jobs_->Watch("job-x", 0, [] {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(WatchTest, AWatcherThatIsLetGoIsForgotten) {
  const std::string id = Submit();
  auto watcher = Watch(id);
  EXPECT_EQ(jobs_->hub().watchers(), 1u);
  watcher.reset();
  EXPECT_EQ(jobs_->hub().watchers(), 0u);
  Start();
  EXPECT_EQ(notified_, 0);
}

}  // namespace
}  // namespace latent
