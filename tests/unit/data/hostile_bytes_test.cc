// Files that are damaged or made to do harm, one row each: every one is refused with a message that
// says where and what was expected. A good neighbour of each shows that the refusal is not for
// another reason.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/data/formats.h"
#include "tests/unit/data/zip_testing.h"

namespace latent {
namespace {

using testing::Gzip;
using ::testing::HasSubstr;
using testing::Idx;
using testing::Npy;
using testing::NpyOf;
using testing::Png;
using testing::ReadAll;
using testing::Safetensors;
using testing::Zip;

const float kNan = std::numeric_limits<float>::quiet_NaN();
const double kInf = std::numeric_limits<double>::infinity();

struct Case {
  std::string what;
  FileFormat format;
  std::string bad;
  std::string good;     // differs in the fault alone
  std::string message;  // part of it
  ReadOptions options = {};
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.what; }

class HostileBytesTest : public ::testing::TestWithParam<Case> {};

TEST_P(HostileBytesTest, IsRefusedWithPlaceAndReason) {
  const auto table = ReadAll(GetParam().bad, GetParam().format, GetParam().options);
  ASSERT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument) << table.status();
  EXPECT_EQ(DetailsOf(table.status()).reason, "BAD_DATASET");
  EXPECT_THAT(std::string(table.status().message()), HasSubstr(GetParam().message));
}

TEST_P(HostileBytesTest, HasAGoodNeighbour) {
  const auto table = ReadAll(GetParam().good, GetParam().format, GetParam().options);
  EXPECT_TRUE(table.ok()) << table.status();
}

// No row of the tables below, which are made whenever any test of this program runs.
TEST(HostileBytes, RefusesAGzipBomb) {
  const auto table = ReadAll(Gzip("1\n" + std::string(64 << 20, '\n')), FileFormat::kCsv);
  ASSERT_EQ(table.status().code(), absl::StatusCode::kInvalidArgument) << table.status();
  EXPECT_EQ(DetailsOf(table.status()).reason, "BAD_DATASET");
  EXPECT_THAT(std::string(table.status().message()),
              HasSubstr("unpacks to more than 200 times its size"));
  EXPECT_TRUE(ReadAll(Gzip("1\n" + std::string(1 << 16, '\n')), FileFormat::kCsv).ok());
}

const std::string kIdx = Idx<std::uint8_t>(8, {2, 3}, {1, 2, 3, 4, 5, 6});

INSTANTIATE_TEST_SUITE_P(
    Idx, HostileBytesTest,
    ::testing::Values(
        Case{"empty", FileFormat::kIdx, "", kIdx, "file: is empty"},
        Case{"wrong magic", FileFormat::kIdx, "PK\x03\x04" + kIdx.substr(4), kIdx,
             "not an IDX file"},
        Case{"unknown type", FileFormat::kIdx, Idx<std::uint8_t>(7, {2}, {1, 2}),
             Idx<std::uint8_t>(8, {2}, {1, 2}), "a type (8, 9, 11 to 14)"},
        Case{"no dimension", FileFormat::kIdx, Idx<std::uint8_t>(8, {}, {1}),
             Idx<std::uint8_t>(8, {1}, {1}), "expected 1 to 8 dimensions"},
        Case{"cut in the header", FileFormat::kIdx, kIdx.substr(0, 10), kIdx,
             "ends within its IDX header"},
        Case{"cut in a row", FileFormat::kIdx, kIdx.substr(0, kIdx.size() - 1), kIdx,
             "declares 2 rows of 3 bytes, but at most 5 bytes follow"},
        Case{"cut in a packed row", FileFormat::kIdx, Gzip(kIdx.substr(0, kIdx.size() - 2)),
             Gzip(kIdx), "row 2, column 2: the file ends here"},
        Case{"too many bytes", FileFormat::kIdx, kIdx + "x", kIdx, "bytes follow the 2 rows"},
        Case{"huge declared rows", FileFormat::kIdx,
             Idx<std::uint8_t>(8, {0xFFFFFFFF, 3}, {1, 2, 3}),
             Idx<std::uint8_t>(8, {1, 3}, {1, 2, 3}), "declares 4294967295 rows"},
        Case{"huge packed rows", FileFormat::kIdx,
             Gzip(Idx<std::uint8_t>(8, {0xFFFFFFFF, 3}, {1, 2, 3})),
             Gzip(Idx<std::uint8_t>(8, {1, 3}, {1, 2, 3})), "declares 4294967295 rows"},
        Case{"sizes whose product overflows", FileFormat::kIdx,
             Idx<std::uint8_t>(8, {1, 65536, 65536, 65536, 65536}, {1}),
             Idx<std::uint8_t>(8, {1, 1, 1, 1, 1}, {1}), "more than 65536 columns"},
        Case{"no rows", FileFormat::kIdx, Idx<std::uint8_t>(8, {0, 3}, {}),
             Idx<std::uint8_t>(8, {1, 3}, {1, 2, 3}), "is empty: its shape is [0, 3]"},
        Case{"NaN", FileFormat::kIdx, Idx<float>(13, {2, 2}, {1, 2, kNan, 4}),
             Idx<float>(13, {2, 2}, {1, 2, 3, 4}), "row 2, column 1: expected a finite number"},
        Case{"beyond float32", FileFormat::kIdx, Idx<double>(14, {1, 2}, {1, 1e39}),
             Idx<double>(14, {1, 2}, {1, 1e38}), "row 1, column 2: expected a finite number"}));

const std::string kNpy = Npy<float>("<f4", "(2, 2)", {1, 2, 3, 4});

INSTANTIATE_TEST_SUITE_P(
    Npy, HostileBytesTest,
    ::testing::Values(
        Case{"wrong magic", FileFormat::kNpy, "\x92" + kNpy.substr(1), kNpy, "not an NPY file"},
        Case{"unknown version", FileFormat::kNpy, Npy<float>("<f4", "(1,)", {1}, 4),
             Npy<float>("<f4", "(1,)", {1}, 3), "expected NPY version 1, 2 or 3, got 4"},
        Case{"version of the highest byte", FileFormat::kNpy, Npy<float>("<f4", "(1,)", {1}, 255),
             Npy<float>("<f4", "(1,)", {1}, 3), "expected NPY version 1, 2 or 3, got 255"},
        Case{"cut in the magic", FileFormat::kNpy, kNpy.substr(0, 7), kNpy, "not an NPY file"},
        Case{"cut in the header", FileFormat::kNpy, kNpy.substr(0, 20), kNpy,
             "ends within its NPY header"},
        Case{"huge header", FileFormat::kNpy, Gzip(NpyOf(2, std::string(1 << 20, ' '), "")),
             Gzip(kNpy), "NPY header has 1048577"},
        Case{"cut in a row", FileFormat::kNpy, kNpy.substr(0, kNpy.size() - 1), kNpy,
             "at most 15 bytes follow"},
        Case{"Fortran order of more than two dimensions", FileFormat::kNpy,
             NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 2, 2), }", "1234"),
             NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", "1234"),
             "is in Fortran order with 3 dimensions"},
        Case{"Fortran order cut", FileFormat::kNpy,
             NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", "123"),
             NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", "1234"),
             "declares 2 rows of 2 bytes, but at most 3 bytes follow"},
        Case{
            "huge Fortran order", FileFormat::kNpy,
            NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (9999999999, 2), }", "1234"),
            NpyOf(1, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }", "1234"),
            "is in Fortran order and has more than"},
        Case{"big-endian", FileFormat::kNpy, Npy<float>(">f4", "(1,)", {1}),
             Npy<float>("<f4", "(1,)", {1}), "got \">f4\"; save array.astype"},
        Case{"objects", FileFormat::kNpy, Npy<float>("|O", "(1,)", {1}),
             Npy<float>("<f4", "(1,)", {1}), "got \"|O\""},
        Case{"records", FileFormat::kNpy,
             NpyOf(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "1234"),
             Npy<float>("<f4", "(1,)", {1}), "expected an NPY header"},
        Case{"negative size", FileFormat::kNpy, Npy<float>("<f4", "(-1, 2)", {1, 2}),
             Npy<float>("<f4", "(1, 2)", {1, 2}), "expected an NPY header"},
        Case{"no dimension", FileFormat::kNpy, Npy<float>("<f4", "()", {1}),
             Npy<float>("<f4", "(1,)", {1}), "expected 1 to 8 dimensions (rows first), got []"},
        Case{"huge declared rows", FileFormat::kNpy,
             Npy<float>("<f4", "(18446744073709551615, 65536)", {1}),
             Npy<float>("<f4", "(1, 1)", {1}), "declares 18446744073709551615 rows"},
        Case{"infinity", FileFormat::kNpy, Npy<double>("<f8", "(1, 2)", {1, kInf}),
             Npy<double>("<f8", "(1, 2)", {1, 2}), "row 1, column 2: expected a finite number"}));

INSTANTIATE_TEST_SUITE_P(
    Csv, HostileBytesTest,
    ::testing::Values(
        Case{"no rows", FileFormat::kCsv, "a,b\n", "a,b\n1,2\n", "file: holds no rows"},
        Case{"blank lines alone", FileFormat::kCsv, "\n\n", "\n1\n", "file: holds no rows"},
        Case{"no number", FileFormat::kCsv, "1,2\n3,x\n", "1,2\n3,4\n",
             "row 2, column 2: expected a number of at most 64 bytes, got \"x\" (line 2)"},
        Case{"no number after a header", FileFormat::kCsv, "a,b\n\n1,2\n3,1_0\n",
             "a,b\n\n1,2\n3,10\n",
             "row 2, column 2: expected a number of at most 64 bytes, got "
             "\"1_0\" (line 4)"},
        Case{"control characters", FileFormat::kCsv, "1\n\x1b[31m\n", "1\n2\n", "\"\\x1b[31m\""},
        Case{"empty cell", FileFormat::kCsv, "1,2\n3,\n", "1,2\n3,4\n",
             "row 2, column 2: expected a number, got an empty cell"},
        Case{"empty cell in the first line", FileFormat::kCsv, "1,,3\n", "1,2,3\n",
             "row 1, column 2: expected a number, got an empty cell"},
        Case{"NaN", FileFormat::kCsv, "1,nan\n", "1,2\n", "row 1, column 2: expected a finite"},
        Case{"infinity", FileFormat::kCsv, "1,2\n-inf,2\n", "1,2\n1,2\n",
             "row 2, column 1: expected a finite"},
        Case{"beyond double", FileFormat::kCsv, "1,1e400\n", "1,1e38\n",
             "row 1, column 2: expected a finite"},
        Case{"hexadecimal", FileFormat::kCsv, "1\n0x10\n", "1\n10\n", "got \"0x10\""},
        Case{"long cell", FileFormat::kCsv, "1\n" + std::string(65, '1') + "\n",
             "1\n0." + std::string(62, '1') + "\n",
             "row 2, column 1: expected a number of at most"},
        Case{"short row", FileFormat::kCsv, "1,2\n3\n", "1,2\n3,4\n",
             "row 2: expected 2 cells as in the first line, got 1 (line 2)"},
        Case{"long row", FileFormat::kCsv, "1,2\n3,4,5\n", "1,2\n3,4\n",
             "row 2: expected 2 cells as in the first line, got 3 (line 2)"},
        Case{"open quote", FileFormat::kCsv, "1,2\n\"3,4\n", "1,2\n\"3\",4\n",
             "line 2, column 1: the quote is not closed"},
        Case{"text after a quote", FileFormat::kCsv, "1,2\n\"3\"x,4\n", "1,2\n\"3\" ,4\n",
             "line 2, column 1: expected a delimiter after the closing quote, got \"x\""},
        Case{"long line", FileFormat::kCsv, "1\n" + std::string((1 << 21) + 1, ' ') + "1\n",
             "1\n" + std::string((1 << 21) - 1, ' ') + "1\n",
             "line 2 is longer than 2097152 bytes, 32 for each of 65536 columns"},
        Case{"too many columns", FileFormat::kCsv,
             [] {
               std::string text = "1";
               for (int i = 0; i < 65'536; ++i) text += ",1";
               return text;
             }(),
             "1,1\n", "has 65537 columns; at most 65536"},
        Case{"header that is not UTF-8", FileFormat::kCsv, "a,\xff\n1,2\n", "a,\xc3\xbc\n1,2\n",
             "column 2: expected a name of at most 256 bytes of UTF-8, got \"\\xff\""},
        Case{"fractional label",
             FileFormat::kCsv,
             "1,2\n1,0.5\n",
             "1,2\n1,5.0\n",
             "row 2, column 2: expected a whole number as the label, got \"0.5\"",
             {.csv = {.label_column = "-1"}}},
        Case{"huge label",
             FileFormat::kCsv,
             "1,3000000000\n",
             "1,2000000000\n",
             "row 1, column 2: expected a whole number",
             {.csv = {.label_column = "-1"}}},
        Case{"label column outside",
             FileFormat::kCsv,
             "1,2\n",
             "1,2,3\n",
             "expected a label column 2, but there are 2 columns (0 to 1)",
             {.csv = {.label_column = "2"}}},
        Case{"label column that no one has",
             FileFormat::kCsv,
             "a,b\n1,2\n",
             "a,y\n1,2\n",
             "expected a label column called \"y\", but the header has none",
             {.csv = {.label_column = "y"}}},
        Case{"label alone",
             FileFormat::kCsv,
             "1\n",
             "1,2\n",
             "has no column beside the label",
             {.csv = {.label_column = "0"}}}));

INSTANTIATE_TEST_SUITE_P(
    Gzip, HostileBytesTest,
    ::testing::Values(Case{"cut off", FileFormat::kCsv,
                           [] {
                             const std::string packed = Gzip("1,2\n3,4\n");
                             return packed.substr(0, packed.size() - 9);
                           }(),
                           Gzip("1,2\n3,4\n"), "the gzip stream is cut off"},
                      Case{"wrong checksum", FileFormat::kCsv,
                           [] {
                             std::string packed = Gzip("1,2\n3,4\n");
                             packed[packed.size() - 8] =
                                 static_cast<char>(packed[packed.size() - 8] ^ 1);
                             return packed;
                           }(),
                           Gzip("1,2\n3,4\n"), "damaged gzip stream: incorrect data check"},
                      Case{"rubbish after the end", FileFormat::kCsv, Gzip("1\n") + "rubbish",
                           Gzip("1\n"), "damaged gzip stream: incorrect header check"},
                      Case{"unknown format", FileFormat::kGuess,
                           "\x7f"
                           "ELF\x02\x01\x01\x00",
                           "1,2\n", "its format was not recognised"}));

INSTANTIATE_TEST_SUITE_P(
    Libsvm, HostileBytesTest,
    ::testing::Values(
        Case{"empty", FileFormat::kLibsvm, "", "1 1:1\n", "file: is empty"},
        Case{"comments alone", FileFormat::kLibsvm, "# no\n", "# no\n1:1\n", "holds no rows"},
        Case{"empty lines alone", FileFormat::kLibsvm, "\n\n", "\n\n1:1\n",
             "holds no <index>:<value>"},
        Case{"a bad cell after empty lines", FileFormat::kLibsvm, "\n\n1:1\n\n2:x\n",
             "\n\n1:1\n\n2:2\n", "row 5: expected a number after the colon, got \"2:x\" (line 5)"},
        Case{"a label after empty lines that are rows", FileFormat::kLibsvm, "1:1\n\n1 1:1\n",
             "1:1\n\n1:1\n", "row 3: has a label, but rows before have none"},
        Case{"no cell", FileFormat::kLibsvm, "1\n0\n", "1\n0 1:1\n", "holds no <index>:<value>"},
        Case{"falling indices", FileFormat::kLibsvm, "1 1:1\n0 3:1 2:1\n", "1 1:1\n0 2:1 3:1\n",
             "row 2: expected rising indices, got 2 after 3 (line 2)"},
        Case{"an index twice", FileFormat::kLibsvm, "1 3:1 3:1\n", "1 2:1 3:1\n", "got 3 after 3"},
        Case{"a huge index", FileFormat::kLibsvm, "1 4294967295:1\n", "1 65536:1\n",
             "an index of at most 65536"},
        Case{"an index beyond 64 bits", FileFormat::kLibsvm, "1 99999999999999999999:1\n",
             "1 9999:1\n", "an index of at most 65536"},
        Case{"a negative index", FileFormat::kLibsvm, "1 -1:1\n", "1 1:1\n", "got \"-1:1\""},
        Case{"one column too many from 0", FileFormat::kLibsvm, "1 0:1 65536:1\n",
             "1 0:1 65535:1\n", "65535 is the greatest"},
        Case{"no colon", FileFormat::kLibsvm, "1 1:1 7\n", "1 1:1 7:1\n", "got \"7\""},
        Case{"no value", FileFormat::kLibsvm, "1 1:\n", "1 1:1\n", "a number after the colon"},
        Case{"a query id", FileFormat::kLibsvm, "1 qid:3 1:1\n", "1 1:1\n", "got \"qid:3\""},
        Case{"NaN", FileFormat::kLibsvm, "1 1:nan\n", "1 1:0\n", "expected a finite number"},
        Case{"beyond float32", FileFormat::kLibsvm, "1 1:1e39\n", "1 1:1e38\n",
             "within float32's range"},
        Case{"a label that is no whole number", FileFormat::kLibsvm, "1.5 1:1\n", "2 1:1\n",
             "expected a whole number as the label"},
        Case{"two labels", FileFormat::kLibsvm, "1,2 1:1\n", "2 1:1\n", "got \"1,2\""},
        Case{"a label comes late", FileFormat::kLibsvm, "1:1\n1 1:1\n", "1:1\n1:1\n",
             "rows before have none"},
        Case{"a label is missing", FileFormat::kLibsvm, "1 1:1\n1:1\n", "1 1:1\n0 1:1\n",
             "rows before have one"},
        Case{"0 where the caller says 1",
             FileFormat::kLibsvm,
             "0:1\n",
             "1:1\n",
             "libsvm.index_base is 1",
             {.libsvm = {.index_base = 1}}}));

INSTANTIATE_TEST_SUITE_P(
    Pairs, HostileBytesTest,
    ::testing::Values(
        Case{"empty", FileFormat::kPairs, "", "1,1\n", "file: is empty"},
        Case{"blank lines", FileFormat::kPairs, "\n\n", "\n1,1\n", "holds no pairs"},
        Case{"a header alone", FileFormat::kPairs, "user,item\n", "user,item\n1,1\n",
             "holds no pairs"},
        Case{"one column", FileFormat::kPairs, "1\n", "1,1\n", "at least a user and an item"},
        Case{"four columns", FileFormat::kPairs, "1,1,1,1\n", "1,1,1\n", "say which of them"},
        Case{"a cell too many", FileFormat::kPairs, "1,1\n1,1,1\n", "1,1\n1,1\n",
             "row 2: expected 2 cells as in the first line, got 3 (line 2)"},
        Case{"no user", FileFormat::kPairs, "1,1\n,1\n", "1,1\n1,1\n",
             "row 2, column 1: expected a user of 1 to 256 bytes"},
        Case{"a long item", FileFormat::kPairs, "1," + std::string(257, 'a') + "\n",
             "1," + std::string(256, 'a') + "\n", "expected an item of 1 to 256 bytes"},
        Case{"an item that is no text", FileFormat::kPairs, "1,\xFF\n", "1,\xC3\xA9\n",
             "bytes of UTF-8, got \"\\xff\""},
        Case{"a weight that is no number", FileFormat::kPairs, "1,1,1\n1,1,x\n", "1,1,1\n1,1,2\n",
             "row 2, column 3: expected a number as the weight, got \"x\""},
        Case{"a weight that is NaN", FileFormat::kPairs, "1,1,nan\n", "1,1,0\n",
             "expected a finite number"},
        Case{"weights that add up beyond float32", FileFormat::kPairs, "1,1,3e38\n1,1,3e38\n",
             "1,1,3e38\n1,2,3e38\n", "add up to more than a float32 holds"},
        Case{"nothing that counts",
             FileFormat::kPairs,
             "1,1,1\n",
             "1,1,2\n",
             "no pair that reaches pairs.binarise_at",
             {.pairs = {.binarise_at = 2}}},
        Case{"a column that there is not",
             FileFormat::kPairs,
             "a,b\n1,1\n",
             "a,c\n1,1\n",
             "expected a column \"c\"",
             {.pairs = {.user_column = "a", .item_column = "c"}}},
        Case{"one column twice",
             FileFormat::kPairs,
             "x,a\n1,1\n",
             "a,x\n1,1\n",
             "different columns for user, item and weight",
             {.pairs = {.user_column = "a", .item_column = "1"}}}));

const std::string kOneNpy = Npy<float>("<f4", "(1,)", {1});
const std::string kNpz = Zip({{"x.npy", kOneNpy}});

INSTANTIATE_TEST_SUITE_P(
    Npz, HostileBytesTest,
    ::testing::Values(
        Case{"no zip", FileFormat::kNpz, kOneNpy, kNpz, "not a zip archive that can be read"},
        Case{"cut", FileFormat::kNpz, kNpz.substr(0, kNpz.size() - 5), kNpz,
             "not a zip archive that can be read"},
        Case{"no member", FileFormat::kNpz, Zip({}), kNpz, "got none"},
        Case{"no array", FileFormat::kNpz, Zip({{"x.txt", kOneNpy}}), kNpz,
             "expected an array *.npy"},
        Case{"several arrays", FileFormat::kNpz, Zip({{"x.npy", kOneNpy}, {"y.npy", kOneNpy}}),
             Zip({{"x.npy", kOneNpy}, {"y.txt", kOneNpy}}),
             "holds several arrays; say which by `array`"},
        Case{"another name",
             FileFormat::kNpz,
             Zip({{"y.npy", kOneNpy}}),
             kNpz,
             "expected an array \"x.npy\"",
             {.array = "x"}},
        Case{"a damaged member", FileFormat::kNpz, Zip({{"x.npy", kOneNpy.substr(0, 70)}}), kNpz,
             "file"},
        Case{"encrypted", FileFormat::kNpz, Zip({{"x.npy", kOneNpy, false, 0, 1}}), kNpz,
             "is encrypted"},
        Case{"a bomb", FileFormat::kNpz, Zip({{"x.npy", kOneNpy, true, 0xFFFFFFF0}}), kNpz,
             "would unpack from"}));

const std::string kPng = Png(2, 1, 1, {1, 2});

INSTANTIATE_TEST_SUITE_P(
    PngZip, HostileBytesTest,
    ::testing::Values(
        Case{"no zip", FileFormat::kPngZip, kPng, Zip({{"a.png", kPng}}), "not a zip archive"},
        Case{"no picture", FileFormat::kPngZip, Zip({{"a.txt", kPng}}), Zip({{"a.png", kPng}}),
             "holds no .png file"},
        Case{"no PNG", FileFormat::kPngZip, Zip({{"a.png", "GIF89a"}}), Zip({{"a.png", kPng}}),
             "\"a.png\": not a PNG file"},
        Case{"a cut PNG", FileFormat::kPngZip, Zip({{"a.png", kPng.substr(0, 45)}}),
             Zip({{"a.png", kPng}}), "\"a.png\": "},
        Case{"another size", FileFormat::kPngZip,
             Zip({{"a.png", kPng}, {"b.png", Png(1, 2, 1, {1, 2})}}),
             Zip({{"a.png", kPng}, {"b.png", kPng}}),
             "row 2: expected 2 x 1 pixels of 1 channels as in the first picture, got 1 x 2"},
        Case{"another kind", FileFormat::kPngZip,
             Zip({{"a.png", kPng}, {"b.png", Png(2, 1, 3, {1, 2, 3, 4, 5, 6})}}),
             Zip({{"a.png", kPng}, {"b.png", kPng}}), "of 3 channels in \"b.png\""},
        Case{"huge", FileFormat::kPngZip, Zip({{"a.png", Png(65536, 65536, 1, {})}}),
             Zip({{"a.png", kPng}}), "at most 65536 values are read"},
        Case{"a bomb", FileFormat::kPngZip, Zip({{"a.png", kPng, true, 0xFFFFFFF0}}),
             Zip({{"a.png", kPng, true}}), "would unpack from"}));

std::string Tensor(const std::string& entry, std::size_t bytes = 4) {
  return Safetensors("{\"x\":" + entry + "}", std::string(bytes, '\1'));
}
const std::string kTensor = Tensor(R"({"dtype":"U8","shape":[2,2],"data_offsets":[0,4]})");

INSTANTIATE_TEST_SUITE_P(
    SafetensorsFile, HostileBytesTest,
    ::testing::Values(
        Case{"cut in its length", FileFormat::kSafetensors, kTensor.substr(0, 5), kTensor,
             "ends within its safetensors header"},
        Case{"a huge header", FileFormat::kSafetensors, std::string(8, '\x7F') + "{}", kTensor,
             "ends within its safetensors header"},
        Case{"no JSON", FileFormat::kSafetensors, Safetensors("{\"x\":", "    "), kTensor,
             "its header is damaged"},
        Case{"deep JSON", FileFormat::kSafetensors, Safetensors(std::string(5000, '['), ""),
             kTensor, "its header is damaged"},
        Case{"no object", FileFormat::kSafetensors, Safetensors("[1]", "1234"), kTensor,
             "its header is damaged"},
        Case{"no shape", FileFormat::kSafetensors, Tensor(R"({"dtype":"U8","data_offsets":[0,4]})"),
             kTensor, "its header is damaged"},
        Case{"no tensor", FileFormat::kSafetensors, Safetensors("{}", ""), kTensor, "got none"},
        Case{"another name",
             FileFormat::kSafetensors,
             Safetensors(R"({"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", "1"),
             kTensor,
             "expected a tensor \"x\"",
             {.array = "x"}},
        Case{"another type", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"I64","shape":[2,2],"data_offsets":[0,4]})"), kTensor,
             "expected type F32, F16 or U8, got \"I64\""},
        Case{"a shape that overflows", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"U8","shape":[1,65536,65536,65536,65536],"data_offsets":[0,4]})"),
             kTensor, "more than 65536 columns"},
        Case{"rows that do not fill their bytes", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"U8","shape":[4611686018427387905,4],"data_offsets":[0,4]})"),
             kTensor, "do not fill bytes 0 to 4"},
        Case{"offsets that fall", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"U8","shape":[2,2],"data_offsets":[8,4]})"), kTensor,
             "do not fill bytes 8 to 4"},
        Case{"bytes that are not there", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"U8","shape":[2,2],"data_offsets":[0,4]})", 3), kTensor,
             "at most 3 bytes follow"},
        Case{"a beginning that is not there", FileFormat::kSafetensors,
             Tensor(R"({"dtype":"U8","shape":[2,2],"data_offsets":[100,104]})"), kTensor,
             "ends before the tensor"}));

}  // namespace
}  // namespace latent
