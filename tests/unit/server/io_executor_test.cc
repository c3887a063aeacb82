#include "server/io_executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "core/base/status.h"

namespace latent {
namespace {

TEST(IoExecutorTest, RefusesWithARetryDelayWhenFull) {
  std::promise<void> release;
  std::promise<void> started;
  IoExecutor executor("test", 1, 1);
  ASSERT_TRUE(executor
                  .Submit([&] {
                    started.set_value();
                    release.get_future().wait();
                  })
                  .ok());
  started.get_future().wait();
  ASSERT_TRUE(executor.Submit([] {}).ok());
  const absl::Status refused = executor.Submit([] {});
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(DetailsOf(refused).retry_after.has_value());
  EXPECT_EQ(executor.stats().refused, 1u);
  release.set_value();
}

TEST(IoExecutorTest, FinishesWhatIsQueuedBeforeItStops) {
  std::atomic<int> done{0};
  IoExecutor executor("test", 2, 100);
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(executor.Submit([&] { ++done; }).ok());
  executor.Stop();
  EXPECT_EQ(done, 50);
  EXPECT_EQ(executor.stats().done, 50u);
}

TEST(IoExecutorTest, RefusesAfterStop) {
  IoExecutor executor("test", 1, 1);
  executor.Stop();
  EXPECT_EQ(executor.Submit([] {}).code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace latent
