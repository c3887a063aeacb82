#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
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
    if (size_ > 0) munmap(data_, size_);
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
    // Nothing can be mapped of an empty file, and nothing is needed.
    static char nothing;
    void* const data = size == 0 ? &nothing : mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
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

// DATA_LOSS unless `offsets` (count + 1 of them) begin with 0, never fall and end with `end`: what
// is read by them must stay within its file.
absl::Status CheckOffsets(const std::string& path, const std::uint64_t* offsets,
                          std::uint64_t count, std::uint64_t end) {
  bool right = offsets[0] == 0 && offsets[count] == end;
  for (std::uint64_t r = 0; r < count; ++r) right = right && offsets[r] <= offsets[r + 1];
  return right ? absl::OkStatus() : absl::DataLossError(path + " holds offsets that cannot be");
}

absl::Status CheckIndices(const std::string& path, std::span<const std::uint32_t> indices,
                          std::uint32_t columns) {
  const bool right = std::all_of(indices.begin(), indices.end(),
                                 [columns](std::uint32_t index) { return index < columns; });
  return right ? absl::OkStatus() : absl::DataLossError(path + " names columns that there are not");
}

class MappedDataset : public Dataset {
 public:
  explicit MappedDataset(StoredDatasetInfo stored)
      : info_(std::move(stored.info)), hashes_(std::move(stored.hashes)) {}

  absl::Status Map(const std::string& dir, v1::Part part, DatasetCheck check) {
    const std::uint64_t count = info_.rows(part);
    if (count == 0) return absl::OkStatus();
    if (count > kMostRows || count > ~0ull / sizeof(float) / info_.columns) {
      return absl::DataLossError(absl::StrCat(InfoPath(dir), " declares ", count, " rows"));
    }
    LATENT_RETURN_IF_ERROR(info_.sparse ? MapSparse(dir, part, check)
                                        : MapFile(dir, part, PartFile::kRows,
                                                  count * info_.columns * sizeof(float), check));
    if (info_.has_labels) {
      LATENT_RETURN_IF_ERROR(
          MapFile(dir, part, PartFile::kLabels, count * sizeof(std::int32_t), check));
    }
    if (info_.may_miss) {
      const std::uint64_t row_bytes = (info_.columns + 7) / 8;
      LATENT_RETURN_IF_ERROR(MapFile(dir, part, PartFile::kMissing, count * row_bytes, check));
    }
    return info_.has_row_ids ? MapIds(dir, part, check) : absl::OkStatus();
  }

  const DatasetInfo& info() const override { return info_; }
  RowsView rows(v1::Part part) const override {
    const std::uint64_t count = info_.rows(part);
    if (!info_.sparse || count == 0) {
      return {At(part, PartFile::kRows).as<float>(), count, info_.columns};
    }
    return RowsView(SparseRows{.row_offsets = At(part, PartFile::kOffsets).as<std::uint64_t>(),
                               .indices = At(part, PartFile::kIndices).as<std::uint32_t>(),
                               .values = At(part, PartFile::kValues).as<float>(),
                               .rows = count,
                               .columns = info_.columns});
  }
  std::span<const std::int32_t> labels(v1::Part part) const override {
    if (!info_.has_labels) return {};
    return {At(part, PartFile::kLabels).as<std::int32_t>(), info_.rows(part)};
  }
  std::string_view row_id(v1::Part part, std::size_t r) const override {
    if (!info_.has_row_ids) return {};
    const auto* const offsets = At(part, PartFile::kIdOffsets).as<std::uint64_t>() + r;
    return {At(part, PartFile::kIds).as<char>() + offsets[0], offsets[1] - offsets[0]};
  }

  MissingMask missing(v1::Part part) const override {
    if (!info_.may_miss || info_.rows(part) == 0) return {};
    return {At(part, PartFile::kMissing).as<std::uint8_t>(), info_.columns};
  }

 private:
  static constexpr std::uint64_t kMostRows = 1ull << 40;

  const Mapping& At(v1::Part part, PartFile file) const {
    return files_[static_cast<std::size_t>(part)][static_cast<std::size_t>(file)];
  }
  absl::Status MapFile(const std::string& dir, v1::Part part, PartFile file, std::uint64_t size,
                       DatasetCheck check) {
    const auto at = static_cast<std::size_t>(part);
    const auto index = static_cast<std::size_t>(file);
    const std::string path = PartPath(dir, PartFileStem(part), file);
    LATENT_RETURN_IF_ERROR(files_[at][index].Map(path, size));
    if (check == DatasetCheck::kSizes) return absl::OkStatus();
    return files_[at][index].CheckHash(path, hashes_[at][index]);
  }
  absl::Status MapSparse(const std::string& dir, v1::Part part, DatasetCheck check) {
    const std::uint64_t count = info_.rows(part);
    const std::uint64_t cells = info_.part_cells[static_cast<std::size_t>(part)];
    if (cells > ~0ull / sizeof(float)) {
      return absl::DataLossError(absl::StrCat(InfoPath(dir), " declares ", cells, " cells"));
    }
    LATENT_RETURN_IF_ERROR(
        MapFile(dir, part, PartFile::kOffsets, (count + 1) * sizeof(std::uint64_t), check));
    LATENT_RETURN_IF_ERROR(
        MapFile(dir, part, PartFile::kIndices, cells * sizeof(std::uint32_t), check));
    LATENT_RETURN_IF_ERROR(MapFile(dir, part, PartFile::kValues, cells * sizeof(float), check));
    const std::string stem = PartFileStem(part);
    LATENT_RETURN_IF_ERROR(CheckOffsets(PartPath(dir, stem, PartFile::kOffsets),
                                        At(part, PartFile::kOffsets).as<std::uint64_t>(), count,
                                        cells));
    return CheckIndices(PartPath(dir, stem, PartFile::kIndices),
                        {At(part, PartFile::kIndices).as<std::uint32_t>(), cells}, info_.columns);
  }
  absl::Status MapIds(const std::string& dir, v1::Part part, DatasetCheck check) {
    const std::uint64_t count = info_.rows(part);
    LATENT_RETURN_IF_ERROR(
        MapFile(dir, part, PartFile::kIdOffsets, (count + 1) * sizeof(std::uint64_t), check));
    const auto* const offsets = At(part, PartFile::kIdOffsets).as<std::uint64_t>();
    LATENT_RETURN_IF_ERROR(MapFile(dir, part, PartFile::kIds, offsets[count], check));
    return CheckOffsets(PartPath(dir, PartFileStem(part), PartFile::kIdOffsets), offsets, count,
                        offsets[count]);
  }

  const DatasetInfo info_;
  const DatasetHashes hashes_;
  std::array<std::array<Mapping, kPartFiles.size()>, 4> files_;  // by part and PartFile
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
