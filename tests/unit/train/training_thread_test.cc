#include "core/train/training_thread.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <thread>

namespace latent {
namespace {

int NiceOfThisThread() { return getpriority(PRIO_PROCESS, static_cast<id_t>(gettid())); }

TEST(TrainingThreadTest, RunsOnAThreadOfItsOwnAndReturnsWhenDone) {
  std::thread::id other;
  RunTrainingThread(
      ThreadClass::kNormal, [&] { other = std::this_thread::get_id(); }, [] {});
  EXPECT_NE(other, std::thread::id());
  EXPECT_NE(other, std::this_thread::get_id());
}

TEST(TrainingThreadTest, IdleClassIsInheritedAndLeavesTheCallerAlone) {
  const int nice_before = NiceOfThisThread();
  int policy = -1, nice = 0, child_policy = -1;
  RunTrainingThread(
      ThreadClass::kIdle,
      [&] {
        policy = sched_getscheduler(0);
        nice = NiceOfThisThread();
        std::thread([&] { child_policy = sched_getscheduler(0); }).join();
      },
      [] {});
  EXPECT_EQ(policy, SCHED_IDLE);
  EXPECT_EQ(child_policy, SCHED_IDLE);
  EXPECT_EQ(nice, 19);
  EXPECT_EQ(NiceOfThisThread(), nice_before);
  EXPECT_NE(sched_getscheduler(0), SCHED_IDLE);
}

TEST(TrainingThreadTest, NiceClassIsNotIdle) {
  int policy = -1, nice = 0;
  RunTrainingThread(
      ThreadClass::kNice,
      [&] {
        policy = sched_getscheduler(0);
        nice = NiceOfThisThread();
      },
      [] {});
  EXPECT_EQ(policy, SCHED_OTHER);
  EXPECT_EQ(nice, 19);
}

TEST(TrainingThreadTest, ThrowsWhatTheWorkThrew) {
  EXPECT_THROW(RunTrainingThread(
                   ThreadClass::kNormal, [] { throw std::bad_alloc(); }, [] {}),
               std::bad_alloc);
}

TEST(TrainingThreadTest, StarvingIsLessThanTwoPercentOfACore) {
  EXPECT_TRUE(Starves(1.19, 60));
  EXPECT_FALSE(Starves(1.21, 60));
}

TEST(TrainingThreadTest, SaysWhenTheThreadStarved) {
  std::atomic<bool> starved = false;
  RunTrainingThread(
      ThreadClass::kNormal, [&] { starved.wait(false); },
      [&] {
        starved = true;
        starved.notify_all();
      },
      /*window_seconds=*/0.01);
  EXPECT_TRUE(starved);
}

}  // namespace
}  // namespace latent
