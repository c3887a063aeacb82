// The files of a dataset's directory: their names, writing them, and dataset.json. Writers belong
// to one thread at a time. Not its job: what goes where (core/data/parse.cc), mapping rows
// (core/data/mapped_dataset.cc).
#ifndef LATENT_CORE_DATA_DATASET_FILES_H_
#define LATENT_CORE_DATA_DATASET_FILES_H_

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/sha256.h"
#include "core/data/dataset.h"

namespace latent {

inline constexpr std::array<v1::Part, 3> kDatasetParts = {v1::PART_TRAIN, v1::PART_VALIDATION,
                                                          v1::PART_TEST};

// "train", "validation" or "test".
std::string PartFileStem(v1::Part part);
std::string InfoPath(const std::string& dir);
std::string RowsPath(const std::string& dir, v1::Part part);
std::string LabelsPath(const std::string& dir, v1::Part part);

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

// Rows of one part on their way to disk, and what is learnt of them.
class PartWriter {
 public:
  static absl::StatusOr<PartWriter> Create(const std::string& path);
  absl::Status Append(std::span<const float> row);
  // Ends the file; its SHA-256, hex.
  absl::StatusOr<std::string> Close() { return file_.Close(); }

  std::uint64_t rows() const { return rows_; }
  float min() const { return min_; }
  float max() const { return max_; }

 private:
  explicit PartWriter(HashingFile file) : file_(std::move(file)) {}

  HashingFile file_;
  std::uint64_t rows_ = 0;
  float min_ = 0;
  float max_ = 0;
};

// Hashes of a dataset's files by part; empty where there is no file.
struct DatasetHashes {
  std::array<std::string, 4> rows;
  std::array<std::string, 4> labels;
};
struct StoredDatasetInfo {
  DatasetInfo info;
  DatasetHashes hashes;
};
// dataset.json. Errors of reading are those of ReadDatasetInfo (core/data/parse.h).
absl::StatusOr<StoredDatasetInfo> ReadStoredInfo(const std::string& dir);
absl::Status WriteDatasetInfo(const std::string& dir, const DatasetInfo& info,
                              const DatasetHashes& hashes);

}  // namespace latent

#endif  // LATENT_CORE_DATA_DATASET_FILES_H_
