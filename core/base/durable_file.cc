#include "core/base/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/ids.h"
#include "core/base/mutex.h"
#include "core/base/posix.h"
#include "core/base/sha256.h"
#include "core/base/status.h"

namespace latent {
namespace {

constexpr std::size_t kPiece = 1 << 20;

struct SharedStats {
  Mutex mutex;
  SyncStats stats ABSL_GUARDED_BY(mutex);
};
SharedStats& Stats() {
  static SharedStats stats;
  return stats;
}

absl::Status SyncFd(int fd, const std::string& path) {
  const auto start = std::chrono::steady_clock::now();
  const bool ok = fsync(fd) == 0;
  absl::Status status = ok ? absl::OkStatus() : ErrnoError("sync", path);
  CountSync(std::chrono::steady_clock::now() - start, ok);
  return status;
}

absl::Status WriteAll(int fd, const std::string& path, std::uint64_t offset,
                      std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return ErrnoError("write", path);
    if (wrote == 0) {
      errno = ENOSPC;
      return ErrnoError("write", path);
    }
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
    offset += static_cast<std::uint64_t>(wrote);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenRegular(const std::string& path, std::uint64_t* size) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid()) return ErrnoError("open", path);
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return ErrnoError("stat", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", BaseName(path), ": expected a regular file"));
  }
  *size = static_cast<std::uint64_t>(info.st_size);
  return fd;
}

// Calls `take` with pieces of the file until its end or `length` bytes.
template <typename Take>
absl::Status ReadPieces(int fd, const std::string& path, std::uint64_t offset, std::uint64_t length,
                        const Take& take) {
  std::string piece(static_cast<std::size_t>(std::min<std::uint64_t>(length, kPiece)), '\0');
  while (length > 0) {
    const std::size_t want = static_cast<std::size_t>(std::min<std::uint64_t>(length, kPiece));
    const ssize_t got = pread(fd, piece.data(), want, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("read", path);
    if (got == 0) break;
    take(std::string_view(piece.data(), static_cast<std::size_t>(got)));
    offset += static_cast<std::uint64_t>(got);
    length -= static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteNewFile(const std::string& path, std::string_view bytes) {
  UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError("create", path);
  absl::Status status = WriteAll(fd.get(), path, 0, bytes);
  if (status.ok()) status = SyncFd(fd.get(), path);
  if (!status.ok()) unlink(path.c_str());
  return status;
}

absl::Status ReplaceFile(const std::string& path, std::string_view bytes) {
  const std::string temporary = absl::StrCat(path, ".", RandomUuid(), ".tmp");
  LATENT_RETURN_IF_ERROR(WriteNewFile(temporary, bytes));
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    absl::Status status = ErrnoError("rename", path);
    unlink(temporary.c_str());
    return status;
  }
  return SyncDirectory(ParentOf(path));
}

absl::StatusOr<std::string> ReadWholeFile(const std::string& path, std::uint64_t max_bytes) {
  std::uint64_t size = 0;
  LATENT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(path, &size));
  if (size > max_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("read ", BaseName(path), ": ", size, " bytes, expected at most ", max_bytes));
  }
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(size));
  LATENT_RETURN_IF_ERROR(ReadPieces(fd.get(), path, 0, size,
                                    [&bytes](std::string_view piece) { bytes.append(piece); }));
  return bytes;
}

absl::StatusOr<std::string> ReadFileRange(const std::string& path, std::uint64_t offset,
                                          std::uint64_t length) {
  std::uint64_t size = 0;
  LATENT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(path, &size));
  if (offset >= size) return std::string();
  std::string bytes;
  LATENT_RETURN_IF_ERROR(ReadPieces(fd.get(), path, offset, std::min(length, size - offset),
                                    [&bytes](std::string_view piece) { bytes.append(piece); }));
  return bytes;
}

absl::StatusOr<std::string> HashFile(const std::string& path) {
  std::uint64_t size = 0;
  LATENT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(path, &size));
  Sha256 hasher;
  LATENT_RETURN_IF_ERROR(ReadPieces(fd.get(), path, 0, size,
                                    [&hasher](std::string_view piece) { hasher.Update(piece); }));
  return hasher.Finish();
}

absl::StatusOr<std::uint64_t> FileSize(const std::string& path) {
  std::uint64_t size = 0;
  LATENT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(path, &size));
  return size;
}

bool PathExists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

bool IsDirectory(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

absl::Status SyncFile(const std::string& path) {
  std::uint64_t size = 0;
  LATENT_ASSIGN_OR_RETURN(const UniqueFd fd, OpenRegular(path, &size));
  return SyncFd(fd.get(), path);
}

absl::Status SyncDirectory(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError("open", path);
  return SyncFd(fd.get(), path);
}

absl::StatusOr<DurableFile> DurableFile::OpenForWriting(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoError("open", path);
  return DurableFile(fd, path);
}

DurableFile::DurableFile(DurableFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

DurableFile& DurableFile::operator=(DurableFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  return *this;
}

DurableFile::~DurableFile() {
  if (fd_ >= 0) close(fd_);
}

absl::Status DurableFile::WriteAt(std::uint64_t offset, std::string_view bytes) {
  return WriteAll(fd_, path_, offset, bytes);
}

absl::Status DurableFile::Truncate(std::uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return ErrnoError("truncate", path_);
  return absl::OkStatus();
}

absl::Status DurableFile::Sync() { return SyncFd(fd_, path_); }

SyncStats GetSyncStats() {
  SharedStats& shared = Stats();
  MutexLock lock(&shared.mutex);
  return shared.stats;
}

void CountSync(std::chrono::nanoseconds took, bool ok) {
  const double seconds = std::chrono::duration<double>(took).count();
  const auto bucket = static_cast<std::size_t>(
      std::lower_bound(SyncStats::kBounds.begin(), SyncStats::kBounds.end(), seconds) -
      SyncStats::kBounds.begin());
  SharedStats& shared = Stats();
  MutexLock lock(&shared.mutex);
  ++shared.stats.counts[bucket];
  ++shared.stats.count;
  if (!ok) ++shared.stats.failures;
  shared.stats.seconds += seconds;
}

}  // namespace latent
