#include "core/train/progress_meter.h"

#include <gtest/gtest.h>

namespace latent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(ProgressMeterTest, IsDueTwiceASecond) {
  const ProgressMeter::Time start{seconds(100)};
  ProgressMeter meter(start);
  meter.Reported(start);
  EXPECT_FALSE(meter.Due(start + milliseconds(499)));
  EXPECT_TRUE(meter.Due(start + milliseconds(500)));
}

TEST(ProgressMeterTest, MeasuresTheRecentRate) {
  const ProgressMeter::Time start{seconds(100)};
  ProgressMeter meter(start);
  EXPECT_EQ(meter.RowsPerSecond(start), 0);
  // Slow for a minute, then ten times as fast.
  for (int second = 1; second <= 80; ++second) {
    meter.AddRows(second <= 60 ? 100 : 1000);
    meter.Reported(start + seconds(second));
  }
  EXPECT_NEAR(meter.RowsPerSecond(start + seconds(80)), 1000, 1);
}

}  // namespace
}  // namespace latent
