#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"
#include "core/data/dataset_files.h"
#include "core/data/parse.h"

namespace latent {
namespace {

// A read-only mapping of a whole file.
class Mapping {
 public:
  Mapping() = default;
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  // DATA_LOSS unless the file has exactly `size` bytes.
  absl::Status Map(const std::string& path, std::uint64_t size) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return absl::DataLossError(path + " is missing");
    if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("opening ", path));
    struct stat info {};
    const bool known = fstat(fd, &info) == 0;
    if (!known || static_cast<std::uint64_t>(info.st_size) != size) {
      close(fd);
      return absl::DataLossError(
          absl::StrCat(path, ": expected ", size, " bytes, got ", info.st_size));
    }
    void* const data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    const int error = errno;
    close(fd);
    if (data == MAP_FAILED) return absl::ErrnoToStatus(error, absl::StrCat("mapping ", path));
    data_ = data;
    size_ = size;
    return absl::OkStatus();
  }
  // DATA_LOSS unless the bytes have this hash.
  absl::Status CheckHash(const std::string& path, const std::string& expected) const {
    const std::string got = Sha256Hex({static_cast<const char*>(data_), size_});
    if (got == expected) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat(path, ": expected SHA-256 ", expected, ", got ", got));
  }
  template <typename T>
  const T* as() const {
    return static_cast<const T*>(data_);
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

class MappedDataset : public Dataset {
 public:
  explicit MappedDataset(StoredDatasetInfo stored)
      : info_(std::move(stored.info)), hashes_(std::move(stored.hashes)) {}

  absl::Status Map(const std::string& dir, v1::Part part, DatasetCheck check) {
    const auto index = static_cast<std::size_t>(part);
    const std::uint64_t count = info_.rows(part);
    if (count == 0) return absl::OkStatus();
    if (count > ~0ull / sizeof(float) / info_.columns) {
      return absl::DataLossError(absl::StrCat(InfoPath(dir), " declares ", count, " rows"));
    }
    const std::string rows_path = RowsPath(dir, part);
    LATENT_RETURN_IF_ERROR(rows_[index].Map(rows_path, count * info_.columns * sizeof(float)));
    const std::string labels_path = LabelsPath(dir, part);
    if (info_.has_labels) {
      LATENT_RETURN_IF_ERROR(labels_[index].Map(labels_path, count * sizeof(std::int32_t)));
    }
    if (check == DatasetCheck::kSizes) return absl::OkStatus();
    LATENT_RETURN_IF_ERROR(rows_[index].CheckHash(rows_path, hashes_.rows[index]));
    if (!info_.has_labels) return absl::OkStatus();
    return labels_[index].CheckHash(labels_path, hashes_.labels[index]);
  }

  const DatasetInfo& info() const override { return info_; }
  MatrixView<const float> rows(v1::Part part) const override {
    return {rows_[static_cast<std::size_t>(part)].as<float>(), info_.rows(part), info_.columns};
  }
  std::span<const std::int32_t> labels(v1::Part part) const override {
    if (!info_.has_labels) return {};
    return {labels_[static_cast<std::size_t>(part)].as<std::int32_t>(), info_.rows(part)};
  }

 private:
  const DatasetInfo info_;
  const DatasetHashes hashes_;
  std::array<Mapping, 4> rows_;
  std::array<Mapping, 4> labels_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Dataset>> OpenDataset(const std::string& dir,
                                                           DatasetCheck check) {
  LATENT_ASSIGN_OR_RETURN(StoredDatasetInfo stored, ReadStoredInfo(dir));
  auto dataset = std::make_shared<MappedDataset>(std::move(stored));
  for (const v1::Part part : kDatasetParts) {
    LATENT_RETURN_IF_ERROR(dataset->Map(dir, part, check));
  }
  return dataset;
}

}  // namespace latent
