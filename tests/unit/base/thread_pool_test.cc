#include "core/base/thread_pool.h"

#include <atomic>
#include <new>
#include <numeric>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

using ::testing::Each;

class ThreadPoolTest : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Threads, ThreadPoolTest, ::testing::Values(1, 2, 3, 8));

TEST_P(ThreadPoolTest, RunsEachThreadOnceARound) {
  ThreadPool pool(GetParam());
  std::vector<int> calls(pool.threads(), 0);
  for (int round = 0; round < 500; ++round) {
    pool.Run([&](std::size_t thread) { ++calls[thread]; });
  }
  EXPECT_EQ(calls.size(), GetParam());
  EXPECT_THAT(calls, Each(500));
}

TEST_P(ThreadPoolTest, RunsEachTaskOnce) {
  ThreadPool pool(GetParam());
  std::vector<int> calls(1000, 0);
  pool.ParallelFor(calls.size(), [&](std::size_t task) { ++calls[task]; });
  EXPECT_THAT(calls, Each(1));
  pool.ParallelFor(0, [&](std::size_t) { FAIL(); });
}

// Every thread reads what all others wrote before the barrier.
TEST_P(ThreadPoolTest, BarrierPublishesWhatCameBefore) {
  ThreadPool pool(GetParam());
  std::vector<int> before(pool.threads(), 0), sums(pool.threads(), 0);
  pool.Run([&](std::size_t thread) {
    for (int step = 1; step <= 200; ++step) {
      before[thread] = step;
      pool.Barrier();
      sums[thread] += std::accumulate(before.begin(), before.end(), 0);
      pool.Barrier();
    }
  });
  EXPECT_THAT(sums, Each(static_cast<int>(pool.threads()) * 200 * 201 / 2));
}

TEST_P(ThreadPoolTest, StartsItsOwnThreadsWithTheHook) {
  std::atomic<int> started{0};
  {
    ThreadPool pool(GetParam(), [&](std::size_t thread) {
      EXPECT_GE(thread, 1u);
      ++started;
    });
  }
  EXPECT_EQ(started, static_cast<int>(GetParam()) - 1);
}

TEST_P(ThreadPoolTest, ThrowsWhatItsThreadsThrewAndGoesOn) {
  ThreadPool pool(GetParam());
  EXPECT_THROW(pool.Run([&](std::size_t thread) {
    if (thread + 1 == pool.threads()) throw std::bad_alloc();
  }),
               std::bad_alloc);
  std::atomic<std::size_t> ran{0};
  pool.Run([&](std::size_t) { ++ran; });
  EXPECT_EQ(ran, pool.threads());
}

TEST(ShareTest, CoversEverythingOnceOnBorders) {
  for (const std::size_t total : {0u, 1u, 5u, 16u, 100u, 784u}) {
    for (const std::size_t parts : {1u, 2u, 3u, 7u}) {
      for (const std::size_t granularity : {1u, 6u, 16u}) {
        std::size_t next = 0;
        for (std::size_t part = 0; part < parts; ++part) {
          const auto [first, count] = Share(total, parts, part, granularity);
          EXPECT_EQ(first, next);
          EXPECT_TRUE(first % granularity == 0 || first == total);
          next = first + count;
        }
        EXPECT_EQ(next, total);
      }
    }
  }
}

}  // namespace
}  // namespace latent
