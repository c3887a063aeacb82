#include "core/data/part_files.h"

#include <algorithm>
#include <bit>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "core/base/status.h"

namespace latent {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are stored as they lie in memory");

constexpr std::size_t Index(PartFile file) { return static_cast<std::size_t>(file); }

// The files that rows of a layout need; labels are written apart.
std::vector<PartFile> FilesOf(const RowLayout& layout) {
  std::vector<PartFile> files = {PartFile::kRows};
  if (layout.sparse) files = {PartFile::kOffsets, PartFile::kIndices, PartFile::kValues};
  if (layout.ids) files.insert(files.end(), {PartFile::kIds, PartFile::kIdOffsets});
  if (layout.may_miss) files.push_back(PartFile::kMissing);
  return files;
}

template <typename T>
std::span<char> MutableBytesOf(std::vector<T>& values) {
  return {reinterpret_cast<char*>(values.data()), values.size() * sizeof(T)};
}

std::string_view BytesOfOffset(const std::uint64_t& offset) {
  return BytesOf(std::span(&offset, 1));
}

}  // namespace

std::string_view PartFileSuffix(PartFile file) {
  switch (file) {
    case PartFile::kRows:
      return "rows";
    case PartFile::kOffsets:
      return "offsets";
    case PartFile::kIndices:
      return "indices";
    case PartFile::kValues:
      return "values";
    case PartFile::kLabels:
      return "labels";
    case PartFile::kIds:
      return "ids";
    case PartFile::kIdOffsets:
      return "id_offsets";
    case PartFile::kMissing:
      return "missing";
  }
  return "";
}

std::string PartFileStem(v1::Part part) {
  return part == v1::PART_TRAIN ? "train" : part == v1::PART_VALIDATION ? "validation" : "test";
}

std::string PartPath(const std::string& dir, std::string_view stem, PartFile file) {
  const std::string_view suffix = PartFileSuffix(file);
  return absl::StrCat(dir, "/", std::string(stem), ".", std::string(suffix));
}

absl::StatusOr<HashingFile> HashingFile::Create(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "wxe");
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("making ", path));
  std::setvbuf(file, nullptr, _IOFBF, 1 << 20);
  return HashingFile(path, file);
}

absl::Status HashingFile::Append(std::string_view bytes) {
  hash_.Update(bytes);
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) == bytes.size()) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
}

absl::StatusOr<std::string> HashingFile::Close() {
  if (std::fclose(file_.release()) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("writing ", path_));
  }
  return hash_.Finish();
}

absl::StatusOr<PartWriter> PartWriter::Create(const std::string& dir, std::string_view stem,
                                              const RowLayout& layout) {
  PartWriter writer(layout);
  for (const PartFile file : FilesOf(layout)) {
    LATENT_ASSIGN_OR_RETURN(writer.files_[Index(file)],
                            HashingFile::Create(PartPath(dir, stem, file)));
  }
  constexpr std::uint64_t kStart = 0;
  if (layout.sparse) {
    LATENT_RETURN_IF_ERROR(writer.Write(PartFile::kOffsets, BytesOfOffset(kStart)));
  }
  if (layout.ids) {
    LATENT_RETURN_IF_ERROR(writer.Write(PartFile::kIdOffsets, BytesOfOffset(kStart)));
  }
  return writer;
}

absl::Status PartWriter::Write(PartFile file, std::string_view bytes) {
  return files_[Index(file)]->Append(bytes);
}

void PartWriter::AddToRange(float least, float greatest) {
  min_ = rows_ == 0 ? least : std::min(min_, least);
  max_ = rows_ == 0 ? greatest : std::max(max_, greatest);
}

absl::Status PartWriter::Append(const StoredRow& row) {
  const auto [least, greatest] = std::minmax_element(row.cells.begin(), row.cells.end());
  const bool has_zeros = layout_.sparse && row.cells.size() < layout_.columns;
  AddToRange(row.cells.empty() ? 0
             : has_zeros       ? std::min(*least, 0.0f)
                               : *least,
             row.cells.empty() ? 0
             : has_zeros       ? std::max(*greatest, 0.0f)
                               : *greatest);
  ++rows_;
  cells_ += row.cells.size();
  const std::string_view cells = BytesOf(std::span(row.cells));
  if (layout_.sparse) {
    LATENT_RETURN_IF_ERROR(Write(PartFile::kOffsets, BytesOfOffset(cells_)));
    LATENT_RETURN_IF_ERROR(Write(PartFile::kIndices, BytesOf(std::span(row.indices))));
    LATENT_RETURN_IF_ERROR(Write(PartFile::kValues, cells));
  } else {
    LATENT_RETURN_IF_ERROR(Write(PartFile::kRows, cells));
  }
  if (layout_.may_miss) {
    std::string mask(layout_.mask_bytes(), '\0');
    for (const std::uint32_t column : row.missing) {
      mask[column / 8] = static_cast<char>(mask[column / 8] | 1 << column % 8);
    }
    LATENT_RETURN_IF_ERROR(Write(PartFile::kMissing, mask));
  }
  if (!layout_.ids) return absl::OkStatus();
  id_bytes_ += row.id.size();
  LATENT_RETURN_IF_ERROR(Write(PartFile::kIdOffsets, BytesOfOffset(id_bytes_)));
  return Write(PartFile::kIds, row.id);
}

absl::StatusOr<PartHashes> PartWriter::Close() {
  PartHashes hashes;
  for (const PartFile file : FilesOf(layout_)) {
    LATENT_ASSIGN_OR_RETURN(hashes[Index(file)], files_[Index(file)]->Close());
  }
  return hashes;
}

absl::StatusOr<PartReader> PartReader::Open(const std::string& dir, std::string_view stem,
                                            const RowLayout& layout) {
  PartReader reader(layout);
  for (const PartFile file : FilesOf(layout)) {
    LATENT_ASSIGN_OR_RETURN(reader.files_[Index(file)], OpenFile(PartPath(dir, stem, file)));
  }
  // Both begin with 0.
  if (layout.sparse) {
    LATENT_RETURN_IF_ERROR(reader.NextLength(PartFile::kOffsets, reader.offset_).status());
  }
  if (layout.ids) {
    LATENT_RETURN_IF_ERROR(reader.NextLength(PartFile::kIdOffsets, reader.id_offset_).status());
  }
  return reader;
}

absl::Status PartReader::Read(PartFile file, std::span<char> out) {
  LATENT_ASSIGN_OR_RETURN(const std::size_t got, files_[Index(file)]->Read(out));
  if (got == out.size()) return absl::OkStatus();
  return absl::DataLossError("the files of a dataset changed while they were read");
}

absl::StatusOr<std::size_t> PartReader::NextLength(PartFile file, std::uint64_t& last) {
  std::uint64_t next = 0;
  LATENT_RETURN_IF_ERROR(Read(file, std::span<char>(reinterpret_cast<char*>(&next), sizeof(next))));
  return static_cast<std::size_t>(next - std::exchange(last, next));
}

absl::Status PartReader::Next(StoredRow& row) {
  if (layout_.sparse) {
    LATENT_ASSIGN_OR_RETURN(const std::size_t count, NextLength(PartFile::kOffsets, offset_));
    row.indices.resize(count);
    row.cells.resize(count);
    LATENT_RETURN_IF_ERROR(Read(PartFile::kIndices, MutableBytesOf(row.indices)));
    LATENT_RETURN_IF_ERROR(Read(PartFile::kValues, MutableBytesOf(row.cells)));
  } else {
    row.cells.resize(layout_.columns);
    LATENT_RETURN_IF_ERROR(Read(PartFile::kRows, MutableBytesOf(row.cells)));
  }
  if (layout_.may_miss) {
    std::string mask(layout_.mask_bytes(), '\0');
    LATENT_RETURN_IF_ERROR(Read(PartFile::kMissing, mask));
    row.missing.clear();
    for (std::uint32_t c = 0; c < layout_.columns; ++c) {
      if ((static_cast<unsigned char>(mask[c / 8]) >> c % 8 & 1) != 0) row.missing.push_back(c);
    }
  }
  if (!layout_.ids) return absl::OkStatus();
  LATENT_ASSIGN_OR_RETURN(const std::size_t bytes, NextLength(PartFile::kIdOffsets, id_offset_));
  row.id.resize(bytes);
  return Read(PartFile::kIds, row.id);
}

absl::Status RenamePart(const std::string& dir, std::string_view from, std::string_view to) {
  for (const PartFile file : kPartFiles) {
    const std::string target = PartPath(dir, to, file);
    if (std::rename(PartPath(dir, from, file).c_str(), target.c_str()) != 0 && errno != ENOENT) {
      return absl::ErrnoToStatus(errno, "renaming to " + target);
    }
  }
  return absl::OkStatus();
}

absl::Status RemovePart(const std::string& dir, std::string_view stem) {
  for (const PartFile file : kPartFiles) {
    const std::string path = PartPath(dir, stem, file);
    if (std::remove(path.c_str()) != 0 && errno != ENOENT) {
      return absl::ErrnoToStatus(errno, "removing " + path);
    }
  }
  return absl::OkStatus();
}

}  // namespace latent
