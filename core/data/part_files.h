// The files that hold one part's rows: their names, writing them and reading them once more in
// order. Dense rows are one file, sparse rows three (CSR); row ids, if there are any, two more.
// Writers and readers belong to one thread at a time. Not its job: what goes where
// (core/data/parse.cc), mapping rows (core/data/mapped_dataset.cc).
#ifndef LATENT_CORE_DATA_PART_FILES_H_
#define LATENT_CORE_DATA_PART_FILES_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/sha256.h"
#include "core/data/byte_source.h"
#include "latent/v1/spec.pb.h"

namespace latent {

inline constexpr std::array<v1::Part, 3> kDatasetParts = {v1::PART_TRAIN, v1::PART_VALIDATION,
                                                          v1::PART_TEST};

// All numbers are little-endian.
enum class PartFile : std::uint8_t {
  kRows,       // dense: float32 cells, row-major
  kOffsets,    // sparse: uint64, rows + 1 of them: where each row's cells begin and end
  kIndices,    // sparse: uint32 columns, rising within a row
  kValues,     // sparse: float32
  kLabels,     // int32, one a row
  kIds,        // the rows' ids, one after another
  kIdOffsets,  // uint64, rows + 1 of them, into kIds
  kMissing,    // one bit a cell, the lowest first; every row begins with a byte
};
inline constexpr std::array<PartFile, 8> kPartFiles = {
    PartFile::kRows,   PartFile::kOffsets, PartFile::kIndices,   PartFile::kValues,
    PartFile::kLabels, PartFile::kIds,     PartFile::kIdOffsets, PartFile::kMissing};
// SHA-256, hex, by PartFile; empty where there is no such file.
using PartHashes = std::array<std::string, kPartFiles.size()>;

// "rows", "offsets", ...
std::string_view PartFileSuffix(PartFile file);
// "train", "validation" or "test".
std::string PartFileStem(v1::Part part);
// "<dir>/<stem>.<suffix>"
std::string PartPath(const std::string& dir, std::string_view stem, PartFile file);

// Writes a file from its beginning, hashing as it goes. One thread at a time.
class HashingFile {
 public:
  static absl::StatusOr<HashingFile> Create(const std::string& path);

  absl::Status Append(std::string_view bytes);
  // Ends the file; its SHA-256, hex.
  absl::StatusOr<std::string> Close();

 private:
  struct Closer {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  HashingFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Closer> file_;
  Sha256 hash_;
};

// The bytes of numbers as they lie in memory and, little-endian, on disk.
template <typename T>
std::string_view BytesOf(std::span<const T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size_bytes()};
}

// One row on its way to or from disk.
struct StoredRow {
  std::vector<float> cells;            // all of them, or those of `indices`
  std::vector<std::uint32_t> indices;  // sparse rows only: rising columns
  std::string id;                      // where rows have ids
  std::vector<std::uint32_t> missing;  // where cells may miss: rising columns of those that do
};

// How the rows of all parts are stored.
struct RowLayout {
  std::uint32_t columns = 0;
  bool sparse = false;
  bool ids = false;
  bool may_miss = false;

  std::size_t mask_bytes() const { return (columns + 7) / 8; }  // of a row
};

// Rows of one part on their way to disk, and what is learnt of them.
class PartWriter {
 public:
  static absl::StatusOr<PartWriter> Create(const std::string& dir, std::string_view stem,
                                           const RowLayout& layout);
  absl::Status Append(const StoredRow& row);
  // Ends the files; their hashes.
  absl::StatusOr<PartHashes> Close();

  std::uint64_t rows() const { return rows_; }
  std::uint64_t cells() const { return cells_; }  // that are stored
  float min() const { return min_; }
  float max() const { return max_; }

 private:
  explicit PartWriter(const RowLayout& layout) : layout_(layout) {}
  absl::Status Write(PartFile file, std::string_view bytes);
  void AddToRange(float least, float greatest);

  RowLayout layout_;
  std::array<std::optional<HashingFile>, kPartFiles.size()> files_;
  std::uint64_t rows_ = 0;
  std::uint64_t cells_ = 0;
  std::uint64_t id_bytes_ = 0;
  float min_ = 0;
  float max_ = 0;
};

// The rows of a part that a PartWriter wrote, in order.
class PartReader {
 public:
  static absl::StatusOr<PartReader> Open(const std::string& dir, std::string_view stem,
                                         const RowLayout& layout);
  // Reads the next row; DATA_LOSS if there is none.
  absl::Status Next(StoredRow& row);

 private:
  explicit PartReader(const RowLayout& layout) : layout_(layout) {}
  absl::Status Read(PartFile file, std::span<char> out);
  // Reads the next offset of a file of offsets and returns its distance from the last.
  absl::StatusOr<std::size_t> NextLength(PartFile file, std::uint64_t& last);

  RowLayout layout_;
  std::array<std::unique_ptr<ByteSource>, kPartFiles.size()> files_;
  std::uint64_t offset_ = 0;
  std::uint64_t id_offset_ = 0;
};

// Renames all files of `from` to those of `to`, and removes all files of a stem.
absl::Status RenamePart(const std::string& dir, std::string_view from, std::string_view to);
absl::Status RemovePart(const std::string& dir, std::string_view stem);

}  // namespace latent

#endif  // LATENT_CORE_DATA_PART_FILES_H_
