#include "server/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "nlohmann/json.hpp"

namespace latent {
namespace {

TEST(LoggingTest, WritesOneJsonObject) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "T", Severity::kInfo, "call",
                          {{"method", "a/B"}, {"duration_s", 0.5}}),
            R"({"ts":"T","severity":"INFO","msg":"call","method":"a/B","duration_s":0.5})");
}

TEST(LoggingTest, EscapesWhatCallersSent) {
  const std::string line = FormatLogLine(LogFormat::kJson, "T", Severity::kWarning, "m",
                                         {{"model", "a\"\n\x1b[31m\xff"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.find('\x1b'), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(line)["model"], "a\"\n\x1b[31m\xEF\xBF\xBD");
}

TEST(LoggingTest, CutsLongStrings) {
  const std::string line =
      FormatLogLine(LogFormat::kJson, "T", Severity::kError, std::string(10000, 'x'), {});
  EXPECT_LT(line.size(), 320u);
}

TEST(LoggingTest, LeavesOutEmptyStrings) {
  EXPECT_EQ(FormatLogLine(LogFormat::kText, "T", Severity::kDebug, "m", {{"model", ""}}),
            "T DEBUG m");
}

}  // namespace
}  // namespace latent
