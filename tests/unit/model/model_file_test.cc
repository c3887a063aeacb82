#include "core/model/model_file.h"

#include <cstring>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace latent {
namespace {

TensorFile SmallFile() {
  TensorFile file;
  file.tensors["a"] = {.shape = {2, 3}, .values = {1, 2, 3, 4, 5, 6}};
  file.tensors["b"] = {.shape = {1}, .values = {-0.5F}};
  file.metadata["format"] = "test";
  return file;
}

// A file of that header and that many data bytes.
std::string FileOf(const std::string& header, std::size_t data_bytes) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + std::string(data_bytes, '\0');
}

TEST(ModelFileTest, RoundTripsTensorsAndMetadata) {
  const TensorFile file = SmallFile();
  const absl::StatusOr<TensorFile> read = ParseTensors(SerializeTensors(file));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->metadata, file.metadata);
  ASSERT_EQ(read->tensors.size(), 2);
  EXPECT_EQ(read->tensors.at("a").shape, file.tensors.at("a").shape);
  EXPECT_EQ(read->tensors.at("a").values, file.tensors.at("a").values);
  EXPECT_EQ(read->tensors.at("b").values, file.tensors.at("b").values);
}

TEST(ModelFileTest, GivesTheSameBytesForTheSameTensors) {
  EXPECT_EQ(SerializeTensors(SmallFile()), SerializeTensors(SmallFile()));
}

// Where the tensor's values begin in `bytes`.
std::size_t OffsetOf(const TensorViews& views, const std::string& name, const std::string& bytes) {
  return static_cast<std::size_t>(
      reinterpret_cast<const char*>(views.tensors.at(name).values.data()) - bytes.data());
}

TEST(ModelFileTest, StartsWholeCacheLinesAtCacheLines) {
  TensorFile file = SmallFile();
  for (const char* name : {"c", "d"}) {
    file.tensors[name] = {.shape = {16}, .values = std::vector<float>(16, 1.5F)};
  }
  const std::string bytes = SerializeTensors(file);
  const absl::StatusOr<TensorViews> views = ViewTensors(bytes);
  ASSERT_TRUE(views.ok()) << views.status();
  EXPECT_EQ(OffsetOf(*views, "c", bytes) % 64, 0);
  EXPECT_EQ(OffsetOf(*views, "d", bytes) % 64, 0);
  EXPECT_EQ(views->tensors.at("a").values[5], 6);
  EXPECT_TRUE(views->copies.empty());
}

// Files of other programs may place data anywhere.
TEST(ModelFileTest, CopiesWhatLiesOffAFloatsBoundary) {
  std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  header.resize((header.size() + 3) / 4 * 4 + 1, ' ');
  const std::string bytes = FileOf(header, 8);
  const absl::StatusOr<TensorViews> views = ViewTensors(bytes);
  ASSERT_TRUE(views.ok()) << views.status();
  EXPECT_EQ(views->copies.size(), 1);
  EXPECT_EQ(views->tensors.at("a").values.size(), 2);
}

TEST(ModelFileTest, ReportsEveryTruncation) {
  const std::string bytes = SerializeTensors(SmallFile());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(ParseTensors(bytes.substr(0, n)).status().code(), absl::StatusCode::kDataLoss) << n;
  }
}

TEST(ModelFileTest, ReportsTrailingBytes) {
  EXPECT_EQ(ParseTensors(SerializeTensors(SmallFile()) + "x").status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(ModelFileTest, AnswersEveryFlippedByteWithoutHarm) {
  const std::string bytes = SerializeTensors(SmallFile());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (const char flip : {'\x01', '\x80', '\xff'}) {
      std::string broken = bytes;
      broken[i] = static_cast<char>(broken[i] ^ flip);
      ParseTensors(broken).status().IgnoreError();
    }
  }
}

struct HostileCase {
  const char* name;
  const char* header;
  std::size_t data_bytes;
  absl::StatusCode code;
};
void PrintTo(const HostileCase& c, std::ostream* os) { *os << c.name; }

constexpr char kGood[] = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
constexpr auto kBad = absl::StatusCode::kInvalidArgument;
constexpr auto kLoss = absl::StatusCode::kDataLoss;

const HostileCase kHostile[] = {
    {"Good", kGood, 8, absl::StatusCode::kOk},
    {"GoodWithMetadata",
     R"({"__metadata__":{"k":"v"},"a":{"shape":[2],"dtype":"F32","data_offsets":[0,8]}})", 8,
     absl::StatusCode::kOk},
    {"GoodEmpty", "{}", 0, absl::StatusCode::kOk},
    {"GoodScalar", R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 4,
     absl::StatusCode::kOk},
    {"GoodNoCells", R"({"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}})", 0,
     absl::StatusCode::kOk},
    {"NoJson", "hello", 0, kBad},
    {"Array", "[]", 0, kBad},
    {"Null", "null", 0, kBad},
    {"Unclosed", R"({"a":{"dtype":"F32")", 0, kBad},
    {"TrailingJson", R"({} {})", 0, kBad},
    {"BadUtf8", "{\"\xff\":{}}", 0, kBad},
    {"EmptyEntry", R"({"a":{}})", 0, kBad},
    {"NoShape", R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8, kBad},
    {"NoDtype", R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, kBad},
    {"NoOffsets", R"({"a":{"dtype":"F32","shape":[2]}})", 8, kBad},
    {"HalfFloat", R"({"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]}})", 8, kBad},
    {"UnknownField", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8, kBad},
    {"NestedObject", R"({"a":{"dtype":{"dtype":"F32"},"shape":[2],"data_offsets":[0,8]}})", 8,
     kBad},
    {"NestedList", R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, kBad},
    {"ObjectInList", R"({"a":{"dtype":"F32","shape":[{}],"data_offsets":[0,8]}})", 8, kBad},
    {"StringInList", R"({"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", 8, kBad},
    {"NegativeShape", R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, kBad},
    {"FractionShape", R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, kBad},
    {"HugeNumber", R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})",
     8, kBad},
    {"ShapeOverflows",
     R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, kBad},
    {"ShapeOverflowsToFit",
     R"({"a":{"dtype":"F32","shape":[4611686018427387906],"data_offsets":[0,8]}})", 8, kBad},
    {"TooManyDimensions",
     R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8, kBad},
    {"ShapeTooSmall", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8, kBad},
    {"ShapeTooBig", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, kBad},
    {"OneOffset", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", 8, kBad},
    {"ThreeOffsets", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}})", 8, kBad},
    {"EndBeforeBegin", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, kBad},
    {"BeyondData", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, kLoss},
    {"FarBeyondData",
     R"({"a":{"dtype":"F32","shape":[4611686018427387900],"data_offsets":[0,18446744073709551600]}})",
     8, kLoss},
    {"Hole", R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, kBad},
    {"Overlap",
     R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
     8, kBad},
    {"UnclaimedTail", kGood, 12, kLoss},
    {"NameTwice",
     R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
     8, kBad},
    {"FieldTwice", R"({"a":{"dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8]}})", 8,
     kBad},
    {"MetadataTwice", R"({"__metadata__":{},"__metadata__":{}})", 0, kBad},
    {"MetadataKeyTwice", R"({"__metadata__":{"k":"v","k":"v"}})", 0, kBad},
    {"MetadataNumber", R"({"__metadata__":{"k":1}})", 0, kBad},
    {"MetadataObject", R"({"__metadata__":{"k":{}}})", 0, kBad},
    {"TopLevelString", R"({"a":"F32"})", 0, kBad},
    {"TopLevelList", R"({"shape":[1]})", 0, kBad},
};

class HostileFileTest : public testing::TestWithParam<HostileCase> {};

TEST_P(HostileFileTest, GetsTheDocumentedAnswer) {
  const HostileCase& c = GetParam();
  const absl::StatusOr<TensorFile> file = ParseTensors(FileOf(c.header, c.data_bytes));
  EXPECT_EQ(file.status().code(), c.code) << file.status();
}

INSTANTIATE_TEST_SUITE_P(Headers, HostileFileTest, testing::ValuesIn(kHostile),
                         [](const auto& param) { return param.param.name; });

TEST(ModelFileTest, RefusesAHeaderOfMoreThanAMebibyte) {
  EXPECT_EQ(ParseTensors(FileOf(std::string((1 << 20) + 1, ' '), 0)).status().code(), kBad);
}

TEST(ModelFileTest, TakesAHeaderOfAMebibyte) {
  EXPECT_TRUE(ParseTensors(FileOf("{}" + std::string((1 << 20) - 2, ' '), 0)).ok());
}

TEST(ModelFileTest, ReportsAHeaderLengthBeyondTheFile) {
  EXPECT_EQ(ParseTensors(std::string("\xff\xff\0\0\0\0\0\0{}", 10)).status().code(), kLoss);
}

TEST(ModelFileTest, RefusesDeepNestingWithoutRecursion) {
  EXPECT_EQ(ParseTensors(FileOf(std::string(1 << 20, '['), 0)).status().code(), kBad);
}

std::string HeaderOfTensors(int count) {
  std::string header = "{";
  for (int i = 0; i < count; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})");
  }
  return header + "}";
}

TEST(ModelFileTest, TakesAsManyTensorsAsAllowed) {
  const absl::StatusOr<TensorFile> file = ParseTensors(FileOf(HeaderOfTensors(4096), 0));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->tensors.size(), 4096);
}

TEST(ModelFileTest, RefusesMoreTensorsThanAllowed) {
  EXPECT_EQ(ParseTensors(FileOf(HeaderOfTensors(4097), 0)).status().code(), kBad);
}

}  // namespace
}  // namespace latent
