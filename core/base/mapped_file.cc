#include "core/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "core/base/posix.h"

namespace latent {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path, std::uint64_t max_bytes) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError("open", path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoError("stat", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", BaseName(path), ": expected a regular file"));
  }
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("read ", BaseName(path), ": ", size, " bytes, expected at most ", max_bytes));
  }
  if (size == 0) return MappedFile(nullptr, 0);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) return ErrnoError("map", path);
  return MappedFile(data, size);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) munmap(data_, size_);
}

}  // namespace latent
