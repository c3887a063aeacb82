#include "client/cli/code_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace latent::cli {
namespace {

using ::testing::HasSubstr;

CodeFile Example() {
  CodeFile file;
  file.model = "faces";
  file.model_version = 3;
  file.latent_space_id = "0123456789abcdef";
  file.rows = 2;
  file.columns = 3;
  file.row_columns = 7;
  file.format = v1::DTYPE_INT8;
  file.scale = {0.5f, 1, 0};
  file.offset = {1, 0, 9};
  file.codes = std::string("\x01\xff\x00\x02\x7f\x81", 6);
  return file;
}

TEST(CodeFileTest, ReadsWhatItWrote) {
  const CodeFile file = Example();
  const auto read = ParseCodeFile(SerializeCodeFile(file));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->model, file.model);
  EXPECT_EQ(read->model_version, 3u);
  EXPECT_EQ(read->latent_space_id, file.latent_space_id);
  EXPECT_EQ(read->rows, 2u);
  EXPECT_EQ(read->row_columns, 7u);
  EXPECT_EQ(read->format, v1::DTYPE_INT8);
  EXPECT_EQ(read->scale, file.scale);
  EXPECT_EQ(read->offset, file.offset);
  EXPECT_EQ(read->codes, file.codes);
}

TEST(CodeFileTest, AppliesItsScales) {
  const v1::DenseRows rows = Example().Slice(1, 1);
  EXPECT_EQ(rows.dtype(), v1::DTYPE_FLOAT32);
  float values[3];
  ASSERT_EQ(rows.data().size(), sizeof(values));
  std::memcpy(values, rows.data().data(), sizeof(values));
  EXPECT_THAT(values, ::testing::ElementsAre(2, 127, 9));
}

TEST(CodeFileTest, SendsOtherFormatsAsTheyAre) {
  CodeFile file = Example();
  file.format = v1::DTYPE_FLOAT16;
  file.scale.clear();
  file.offset.clear();
  file.codes = "aabbccddeeff";
  const v1::DenseRows rows = file.Slice(1, 1);
  EXPECT_EQ(rows.dtype(), v1::DTYPE_FLOAT16);
  EXPECT_EQ(rows.data(), "ddeeff");
}

TEST(CodeFileTest, RefusesEveryCutAndEveryChangedByte) {
  const std::string bytes = SerializeCodeFile(Example());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    EXPECT_FALSE(ParseCodeFile(std::string_view(bytes).substr(0, i)).ok()) << i;
    std::string changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_EQ(ParseCodeFile(changed).status().code(), absl::StatusCode::kDataLoss) << i;
  }
}

TEST(CodeFileTest, SaysThatAnotherFileIsNone) {
  EXPECT_THAT(std::string(ParseCodeFile("PK\3\4 and more bytes").status().message()),
              HasSubstr("does not begin with LATENTCF"));
}

}  // namespace
}  // namespace latent::cli
