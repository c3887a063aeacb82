// A file as bytes in memory, read by the kernel page by page as they are looked at. Owns the
// mapping; any thread may read. For files that nobody changes, as what is published: if one shrinks
// meanwhile, reading kills the process. Not its job: whether the bytes are what was written.
#ifndef LATENT_CORE_BASE_MAPPED_FILE_H_
#define LATENT_CORE_BASE_MAPPED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace latent {

class MappedFile {
 public:
  // The whole of a regular file, read-only. NOT_FOUND; FAILED_PRECONDITION for a link or what is no
  // regular file; RESOURCE_EXHAUSTED if it has more than `max_bytes`, or descriptors or memory ran
  // out.
  static absl::StatusOr<MappedFile> Open(const std::string& path, std::uint64_t max_bytes);
  MappedFile(MappedFile&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  // Starts at a page.
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }

 private:
  MappedFile(void* data, std::size_t size) : data_(data), size_(size) {}
  void* data_;  // null if the file is empty
  std::size_t size_;
};

}  // namespace latent

#endif  // LATENT_CORE_BASE_MAPPED_FILE_H_
