// Files that survive a power cut: every write is checked, every sync is counted, symbolic links are
// never followed. Blocking; for normal-priority threads, never an event loop. Free functions may be
// called from any thread, a DurableFile belongs to one at a time.
// Errors: NOT_FOUND, ALREADY_EXISTS, RESOURCE_EXHAUSTED (disk full, quota), else UNAVAILABLE, with
// operation and cause. After a failed sync the file's content is unknown: discard the file.
#ifndef LATENT_CORE_BASE_DURABLE_FILE_H_
#define LATENT_CORE_BASE_DURABLE_FILE_H_

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace latent {

// Makes a new file of mode 0600 with these bytes, and syncs it (not its directory). ALREADY_EXISTS
// if there is something of that name; nothing is left behind on failure.
absl::Status WriteNewFile(const std::string& path, std::string_view bytes);
// Replaces (or makes) `path` as one step, durably: new file beside it, sync, rename, sync of the
// directory. Readers and crashes see the old bytes or the new.
absl::Status ReplaceFile(const std::string& path, std::string_view bytes);
// The whole of a regular file. FAILED_PRECONDITION for a link or what is no regular file,
// RESOURCE_EXHAUSTED if it has more than `max_bytes`.
absl::StatusOr<std::string> ReadWholeFile(const std::string& path, std::uint64_t max_bytes);
// `length` bytes from `offset`, fewer at the end of the file.
absl::StatusOr<std::string> ReadFileRange(const std::string& path, std::uint64_t offset,
                                          std::uint64_t length);
// SHA-256 of a regular file, hex; reads it in pieces.
absl::StatusOr<std::string> HashFile(const std::string& path);
// Bytes of a regular file.
absl::StatusOr<std::uint64_t> FileSize(const std::string& path);
bool PathExists(const std::string& path);
// Links to directories are none.
bool IsDirectory(const std::string& path);

// Syncs a directory's entries, or a file that someone else has written.
absl::Status SyncDirectory(const std::string& path);
absl::Status SyncFile(const std::string& path);
// Syncs every file and directory below `path`, and `path` itself.
absl::Status SyncTree(const std::string& path);
// Makes `path` (mode 0700) and every ancestor that is missing, and syncs each parent of a new one.
absl::Status MakeDirectories(const std::string& path);
// Renames a file or directory within one filesystem and syncs both parents. ALREADY_EXISTS if
// `to` exists.
absl::Status MoveInto(const std::string& from, const std::string& to);
// Removes a file or a tree without following links, and syncs the parent. OK if there is nothing.
absl::Status RemoveTree(const std::string& path);
// Names in a directory, sorted, without "." and "..".
absl::StatusOr<std::vector<std::string>> ListDirectory(const std::string& path);
// Bytes of all regular files below `path`; what vanishes meanwhile is not counted.
std::uint64_t TreeBytes(const std::string& path);

// A file that is written at offsets and synced when asked. Closes itself.
class DurableFile {
 public:
  // Opens for writing, making the file (mode 0600) if there is none.
  static absl::StatusOr<DurableFile> OpenForWriting(const std::string& path);
  DurableFile(DurableFile&& other) noexcept;
  DurableFile& operator=(DurableFile&& other) noexcept;
  ~DurableFile();

  absl::Status WriteAt(std::uint64_t offset, std::string_view bytes);
  absl::Status Truncate(std::uint64_t size);
  absl::Status Sync();

 private:
  DurableFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_;
  std::string path_;
};

// What syncing has cost since the process began: files, directories and database commits.
struct SyncStats {
  // Upper bounds in seconds of all but the last count.
  static constexpr std::array<double, 8> kBounds = {0.0005, 0.001, 0.0025, 0.01,
                                                    0.025,  0.1,   0.5,    2.5};
  std::array<std::uint64_t, kBounds.size() + 1> counts{};  // per bucket, not cumulative
  std::uint64_t count = 0;
  std::uint64_t failures = 0;
  double seconds = 0;
};
SyncStats GetSyncStats();
// For what syncs by other means (SQLite).
void CountSync(std::chrono::nanoseconds took, bool ok);

}  // namespace latent

#endif  // LATENT_CORE_BASE_DURABLE_FILE_H_
